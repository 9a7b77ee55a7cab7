//! Everything that a file can be instead of a usable plugin.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use hayloft::plugins::{Pinned, Problem, Registry, SearchRules};

use crate::lab::{Build, Shelf, build, compile, good, section};

/// Returns why a file cannot be used, whether that shows at once or only when
/// it is loaded.
fn problem(path: &Path) -> String {
    problem_of(path, None)
}

fn problem_of(path: &Path, sha256: Option<&str>) -> String {
    let files = vec![Pinned { path: path.to_owned(), sha256: sha256.map(ToOwned::to_owned) }];
    let mut registry = Registry::new();
    registry.discover(&SearchRules { files, ..SearchRules::default() });
    if let Some(rejected) = registry.rejected().first() {
        assert!(rejected.configured);
        return rejected.problem.to_string();
    }
    let entry = registry.find_file(path).next().unwrap();
    if let Some(problem) = entry.problems().first() {
        return problem.to_string();
    }
    let error = registry.verify(entry).unwrap_err().to_string();
    let start = format!("the plugin {} cannot be used: ", path.display());
    error.strip_prefix(&start).unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn what_is_no_plugin_gets_a_sentence_of_its_own() {
    let shelf = Shelf::new();
    let good = fs::read(good()).unwrap();
    let mut other_machine = good.clone();
    other_machine[18] = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty", b"", "it is empty; copy the plugin again"),
        ("text", b"#!/bin/sh\n", "it is a text file, not a shared library; copy the plugin again"),
        ("gzip", b"\x1f\x8b\x08\0\0\0", "it is not a shared library (ELF file)"),
        ("head", &good[..40], "it is cut off: it has 40 bytes and needs 64; copy the plugin again"),
        ("cut", &good[..good.len() - 100], "it is cut off: "),
        ("machine", &other_machine, "it is built for AArch64, but this program runs on x86-64"),
    ];
    for (name, bytes, message) in cases {
        let found = problem(&shelf.write(&format!("{name}.so"), bytes));
        let expected = if cfg!(target_arch = "x86_64") { message } else { "it is" };
        assert!(found.starts_with(expected), "{name}: {found}");
    }
    let program = shelf.add("program.so", Path::new("/bin/sh"));
    assert!(problem(&program).starts_with("it is an executable"), "{}", problem(&program));
    let gone = shelf.path().join("gone.so");
    assert_eq!(problem(&gone), "it cannot be read: No such file or directory (os error 2)");
    assert!(problem(shelf.path()).starts_with("it is not a regular file"));
}

#[test]
fn what_the_compiler_made_otherwise_gets_a_sentence_too() {
    let shelf = Shelf::new();
    let source = shelf.write("x.c", b"int x(void) { return 1; }\n");
    let object = shelf.path().join("object.so");
    let library = shelf.path().join("library.so");
    for (output, how) in [(&object, "-c"), (&library, "-shared")] {
        let done = Command::new("cc").args([how, "-fPIC", "-o"]).arg(output).arg(&source).status();
        assert!(done.unwrap().success());
    }
    assert_eq!(
        problem(&object),
        "it is an object file, not a shared library; link it with `-shared`"
    );
    assert_eq!(
        problem(&library),
        "it is a shared library, but not a plugin: it has no `.hayloft_plugin` section, which `export_plugin!` makes"
    );
}

#[test]
fn metadata_that_does_not_fit_is_refused_before_anything_runs() {
    let shelf = Shelf::new();
    let good = good();
    let cases = [
        (
            ("\napi=1.0\n", "\napi=2.0\n"),
            "it is built for plugin API 2.0, but this program has 1.0; update this program",
        ),
        (
            ("\napi=1.0\n", "\napi=0.9\n"),
            "it is built for plugin API 0.9, but this program has 1.0; get a newer build of the plugin",
        ),
        (
            ("\napi=1.0\n", "\napi=one\n"),
            "its metadata has an unusable `api`: \"one\"; build the plugin again with `export_plugin!`",
        ),
        (
            ("\nid=fixture-good\n", "\nno=fixture-good\n"),
            "its metadata has no `id`; build the plugin again with `export_plugin!`",
        ),
        (
            ("\nabi=rust\n", "\nabi=rost\n"),
            "it uses the calling convention `rost`, which this program does not know; update this program",
        ),
        (
            ("HAYLOFT1\nid=", "HAYLOFT9\nid="),
            "its metadata section has no record; build the plugin again with `export_plugin!`",
        ),
        (
            (
                "\nentry=hayloft_plugin_v1_fixture_good\n",
                "\nentry=hayloft_plugin_v1_fixture_gone\n",
            ),
            "its metadata names the entry `hayloft_plugin_v1_fixture_gone`, which it does not export; \
             build the plugin again with `export_plugin!`",
        ),
    ];
    for (at, (patch, message)) in cases.into_iter().enumerate() {
        let file = shelf.add_patched(&format!("{at}.so"), &good, &[patch]);
        assert_eq!(problem(&file), message);
    }
}

#[test]
fn a_file_that_others_can_change_is_not_run() {
    let shelf = Shelf::new();
    let file = shelf.add("good.so", &good());
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&file, 0o777);
    assert_eq!(
        problem(&file),
        format!(
            "it is not trusted, because others can change {0} (mode 0777); run `chmod go-w {0}`",
            file.display()
        )
    );
    set(&file, 0o755);
    set(shelf.path(), 0o770);
    assert_eq!(
        problem(&file),
        format!(
            "it is not trusted, because others can change {0} (mode 0770); run `chmod go-w {0}`",
            shelf.path().display()
        )
    );
    // A link does not help: what counts is where the file is.
    let other = Shelf::new();
    let link = other.path().join("link.so");
    symlink(&file, &link).unwrap();
    assert!(problem(&link).contains("others can change"));
    set(shelf.path(), 0o700);
    if std::os::unix::fs::chown(&file, Some(33), None).is_ok() {
        assert!(problem(&file).contains("belongs to user 33"), "{}", problem(&file));
    } else {
        println!("not root: a file of another user's was not tried");
    }
}

#[test]
fn a_pinned_checksum_is_kept_to() {
    let shelf = Shelf::new();
    let file = shelf.add("good.so", &good());
    let wrong = "0".repeat(64);
    let message = problem_of(&file, Some(&wrong));
    assert!(message.starts_with("its SHA-256 is "), "{message}");
    assert!(message.contains(&format!("but the configuration says {wrong}")), "{message}");
    assert!(problem_of(&file, Some("1234")).contains("write 64 hexadecimal digits"));

    let sums = Command::new("sha256sum").arg(&file).output().unwrap();
    let right = String::from_utf8(sums.stdout).unwrap()[..64].to_owned();
    let files = vec![Pinned { path: file, sha256: Some(right) }];
    let mut registry = Registry::new();
    registry.discover(&SearchRules { files, ..SearchRules::default() });
    registry.compressor("shifted", &section(&[])).unwrap();
}

#[test]
fn what_the_loader_would_refuse_is_explained() {
    let shelf = Shelf::new();
    let at = |name: &str| shelf.path().join(name);
    compile("cc", "lacking.c", &at("entry.so"), &["-DLACKS_ENTRY"]);
    assert!(problem(&at("entry.so")).starts_with("its metadata names the entry"));
    compile("cc", "lacking.c", &at("symbol.so"), &["-DLACKS_SYMBOL"]);
    assert_eq!(
        problem(&at("symbol.so")),
        "it uses `nowhere_to_be_found`, which no library provides; link the plugin with the library that has it"
    );
    compile("cc", "lacking.c", &at("libgone.so"), &["-DIS_LIBRARY", "-Wl,-soname,libgone.so"]);
    let gone = at("libgone.so");
    compile("cc", "lacking.c", &at("dependent.so"), &["-DLACKS_LIBRARY", gone.to_str().unwrap()]);
    fs::remove_file(gone).unwrap();
    assert_eq!(
        problem(&at("dependent.so")),
        "it depends on `libgone.so`, which is not installed; install it or link it into the plugin"
    );
}

#[test]
fn a_plugin_for_a_newer_c_library_is_refused_before_it_is_loaded() {
    let shelf = Shelf::new();
    let file = shelf.add_patched("newer.so", &good(), &[("GLIBC_2.2.5\0", "GLIBC_9.2.5\0")]);
    let message = problem(&file);
    assert!(message.starts_with("it needs the C library 9.2, but this system has 2."), "{message}");
    assert!(message.ends_with("build the plugin on an older system or update this one"));
}

#[test]
fn tables_in_c_that_lack_something_are_refused() {
    let shelf = Shelf::new();
    let cases = [
        ("-DLACKS_TABLE", "it cannot be started: its entry returns no table"),
        ("-DLACKS_SIZE", "it cannot be started: its entry returns a table of 3 bytes"),
        (
            "-DLACKS_FUNCTION",
            "it offers a compressor, but has no function `codec_open` for it; its author must add it",
        ),
    ];
    for (define, message) in cases {
        let file = shelf.path().join(format!("{define}.so"));
        compile("cc", "lacking.c", &file, &[define]);
        assert_eq!(problem(&file), message);
    }
}

#[test]
fn a_plugin_that_would_take_the_process_along_is_used_in_a_worker_only() {
    let file = build(Build {
        source: "plugins/good",
        variant: "-abort",
        rustc: &["-Cpanic=abort"],
        ..Build::default()
    });
    let shelf = Shelf::new();
    shelf.add("abort.so", &file);
    let registry = shelf.registry();
    let entry = registry.find("compressor", "shifted").unwrap();
    assert!(entry.notes()[0].to_string().starts_with("it is built with panic=abort"));
    let error = registry.compressor("shifted", &section(&[])).err().unwrap();
    assert!(error.to_string().contains(&Problem::AbortsOnPanic.to_string()), "{error}");
    shelf.registry().contained(true).compressor("shifted", &section(&[])).unwrap();
}
