use super::*;

const KINDS: [&str; 5] = ["action", "compressor", "encryptor", "storage", "hook"];

fn args(kind: &str, name: &str, directory: PathBuf) -> PluginNewArgs {
    PluginNewArgs {
        kind: kind.to_owned(),
        name: name.to_owned(),
        directory: Some(directory),
        api: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api")),
    }
}

fn has_placeholder(text: &str) -> bool {
    let capital = |c: char| c.is_ascii_uppercase() || c == '_';
    text.split('@').any(|part| !part.is_empty() && part.chars().all(capital))
}

#[test]
fn a_crate_of_each_kind_is_written_with_everything_filled_in() {
    let place = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let directory = place.path().join(kind);
        run(&args(kind, "tape-robot", directory.clone())).unwrap();
        for file in ["Cargo.toml", "README.md", ".gitignore", "src/lib.rs", "example.xml"] {
            let text = fs::read_to_string(directory.join(file)).unwrap();
            assert!(!has_placeholder(&text), "{kind}: {file}: {text}");
            assert!(file == ".gitignore" || text.contains("tape-robot"), "{kind}: {file}");
        }
        let test = fs::read_to_string(directory.join("tests/conformance.rs")).unwrap();
        assert!(test.contains("conformance") && !has_placeholder(&test));
    }
    // Nothing unfinished is left beside them.
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), KINDS.len());
}

#[test]
fn what_is_there_is_never_touched() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("acme");
    fs::create_dir(&directory).unwrap();
    let failure = run(&args("hook", "acme", directory.clone())).unwrap_err();
    assert_eq!(failure.kind(), Kind::Usage);
    assert!(failure.to_string().ends_with("is there already"), "{failure}");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_used_is_refused_and_nothing_is_left() {
    let place = tempfile::tempdir().unwrap();
    let good = |directory: &str| args("hook", "acme", place.path().join(directory));
    let cases = [
        (PluginNewArgs { name: "Acme".into(), ..good("a") }, Kind::Usage, "`Acme`"),
        (PluginNewArgs { api: Some("/nonexistent".into()), ..good("a") }, Kind::Usage, "--api"),
        (PluginNewArgs { api: Some("..".into()), ..good("a") }, Kind::Usage, "another crate"),
        (good("no/such/directory"), Kind::Failed, "cannot write the crate"),
    ];
    for (args, kind, message) in cases {
        let failure = run(&args).unwrap_err();
        assert_eq!(failure.kind(), kind);
        assert!(failure.to_string().contains(message), "{failure}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}
