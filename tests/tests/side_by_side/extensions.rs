//! Extensions side by side: the same files, with the same content.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use hayloft_tests::{Sandbox, chaos::noise};

use super::{
    cedar::Cedar,
    outcome::{Content, Outcome},
    programs::{NAMES, Worlds},
    time, tree, week,
};

const SECTIONS: &str = "<extensions>
    <action><name>svn</name><module>CedarBackup3.extend.subversion</module>
      <function>executeAction</function><index>99</index></action>
    <action><name>split</name><module>CedarBackup3.extend.split</module>
      <function>executeAction</function><index>250</index></action>
    <action><name>encrypt</name><module>CedarBackup3.extend.encrypt</module>
      <function>executeAction</function><index>260</index></action>
  </extensions>
  <subversion>
    <collect_mode>incr</collect_mode><compress_mode>gzip</compress_mode>
    <repository><abs_path>$SANDBOX/svn/main</abs_path></repository>
    <repository_dir><abs_path>$SANDBOX/svn/many</abs_path><compress_mode>none</compress_mode></repository_dir>
  </subversion>
  <split><size_limit>0.2 MB</size_limit><split_size>64 KB</split_size></split>
  <encrypt>
    <encrypt_mode>gpg</encrypt_mode><encrypt_target>backup@example.org</encrypt_target>
  </encrypt>";

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    output.stdout
}

/// Nothing of whoever runs the tests counts: svn keeps its settings beside the
/// repositories.
fn commit(sandbox: &Sandbox, repository: &str, name: &str) {
    let settings = sandbox.dir("subversion");
    let url = format!("file://{}/{name}", sandbox.path(repository).display());
    let settings = settings.to_str().unwrap();
    run("svn", &["--config-dir", settings, "mkdir", "--quiet", "--message", name, &url]);
}

fn worlds(cedar: &Cedar) -> Worlds<'_> {
    let mut worlds = Worlds::with(cedar, "", SECTIONS);
    for name in ["main", "many/one", "many/two words"] {
        let repository = worlds.sandbox.dir(&format!("svn/{name}"));
        run("svnadmin", &["create", repository.to_str().unwrap()]);
        commit(&worlds.sandbox, &format!("svn/{name}"), "first");
    }
    let home = worlds.sandbox.dir("gnupg");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let home = home.to_str().unwrap().to_owned();
    let batch = ["--batch", "--pinentry-mode=loopback", "--passphrase", "", "--homedir", &home];
    run(
        "gpg",
        &[&batch[..], &["--quick-gen-key", "backup@example.org", "future-default"]].concat(),
    );
    worlds.env("GNUPGHOME", home);
    worlds
}

/// Returns the content of all files in clear and uncompressed; indicators
/// are empty.
fn contents(worlds: &Worlds<'_>, outcome: &Outcome) -> BTreeMap<String, Vec<u8>> {
    let home = worlds.sandbox.path("gnupg");
    let one = worlds.sandbox.path("one");
    let one = one.to_str().unwrap();
    let mut all = BTreeMap::new();
    for (name, file) in &outcome.files {
        // What is in archives of ours is compared by others.
        let Content::Other(bytes) = &file.content else { continue };
        fs::write(one, bytes).unwrap();
        let suffix = Path::new(name).extension().unwrap_or_default();
        let content = if suffix == "gpg" {
            run("gpg", &["--batch", "--quiet", "--homedir", home.to_str().unwrap(), "-d", one])
        } else if name.contains("svndump") && suffix == "gz" {
            run("gzip", &["--decompress", "--stdout", "--force", one])
        } else {
            bytes.clone()
        };
        all.insert(name.clone(), content);
    }
    all
}

#[test]
fn extensions_make_the_same_files() {
    let Some(cedar) = Cedar::find() else { return };
    let worlds = worlds(&cedar);
    for (number, day) in week()[..3].iter().enumerate() {
        tree::nothing(worlds.tree());
        if number == 1 {
            commit(&worlds.sandbox, "svn/main", "second");
        }
        let outcomes = worlds.run(time(day, "collect"), &["svn"]);
        let [theirs, ours] = outcomes.each_ref().map(|it| contents(&worlds, it));
        assert_eq!(outcomes.each_ref().map(|it| it.code), [Some(0); 2], "{}", outcomes[0].text);
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
        assert!(theirs == ours, "{}: other content", day.name);
        let dumps = ours.into_keys().filter(|it| it.starts_with("collect/svndump-"));
        let dumps: Vec<String> = dumps.collect();
        assert_eq!(dumps.len(), [3, 1, 0][number], "{}: {dumps:?}", day.name);
        for name in dumps {
            for world in NAMES {
                fs::remove_file(worlds.sandbox.path(format!("{world}/{name}"))).unwrap();
            }
        }
    }
}

#[test]
fn staged_files_are_split_and_encrypted_alike() {
    let Some(cedar) = Cedar::find() else { return };
    let worlds = worlds(&cedar);
    let day = &week()[0];
    let packed = noise(300_000, 7);
    let text = b"nobody has compressed this\n".repeat(20_000);
    let files: [(&str, &[u8]); 5] = [
        ("box/home.tar.gz", &packed),
        ("box/dump.txt", &text),
        ("box/small", b"below the limit"),
        ("other/empty", b""),
        ("other/cback.collect", b""),
    ];
    for world in NAMES {
        for (name, content) in files {
            let path = worlds.sandbox.path(format!("{world}/stage/2030/01/01/{name}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        worlds.sandbox.write(&format!("{world}/stage/2030/01/01/cback.stage"), "");
    }
    for action in ["split", "encrypt"] {
        let outcomes = worlds.run(time(day, "store"), &[action]);
        let [theirs, ours] = outcomes.each_ref().map(|it| contents(&worlds, it));
        assert_eq!(outcomes.each_ref().map(|it| it.code), [Some(0); 2], "{}", outcomes[0].text);
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>(), "{action}");
        assert!(theirs == ours, "{action}: other content");
        assert_eq!(outcomes.each_ref().map(|it| it.text.as_str()), [""; 2], "{action}");
        // Parts of what can be compressed are smaller when they are encrypted.
        for outcome in &outcomes {
            let Some(file) = outcome.files.get("stage/2030/01/01/box/dump.txt_00000.gpg") else {
                continue;
            };
            let Content::Other(bytes) = &file.content else { panic!("it is a file") };
            assert!(bytes.len() < 10_000, "{} bytes", bytes.len());
        }
    }
}
