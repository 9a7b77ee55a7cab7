//! Everything together: staged, split, encrypted, stored, uploaded, purged.

use std::{fs, process::Command};

use hayloft_tests::{Sandbox, chaos::noise};

use crate::{DISK, TODAY, all_files, keys, sandbox};

/// A configuration with all of it; keys of age.
fn whole() -> Sandbox {
    let amazons3 = format!(
        "{DISK}</amazons3><split><size_limit>200 KB</size_limit>\
        <split_size>100 KB</split_size></split><encrypt><encrypt_mode>age</encrypt_mode>\
        <encrypt_target>$KEY</encrypt_target></encrypt>\
        <store><storage>store</storage></store>\
        <purge><dir><abs_path>$SANDBOX/staging</abs_path><retain_days>0</retain_days></dir></purge>\
        <extensions>\
        <action><name>split</name><module>CedarBackup3.extend.split</module>\
        <function>executeAction</function><index>250</index></action>\
        <action><name>encrypt</name><module>CedarBackup3.extend.encrypt</module>\
        <function>executeAction</function><index>260</index></action>\
        <action><name>amazons3</name><module>CedarBackup3.extend.amazons3</module>\
        <function>executeAction</function><index>310</index></action>\
        </extensions><amazons3>"
    );
    let sandbox = sandbox(&amazons3, false);
    let key = sandbox.path("key");
    assert!(Command::new("age-keygen").arg("-o").arg(&key).output().unwrap().status.success());
    let public = Command::new("age-keygen").arg("-y").arg(&key).output().unwrap().stdout;
    let public = String::from_utf8(public).unwrap();
    let more = format!(
        "<encryptors><encryptor><name>age</name><type>age</type><identity_file>{}</identity_file>\
         </encryptor></encryptors><storages><storage><name>store</name><type>local</type>\
         <root>$SANDBOX/store</root></storage>",
        key.display()
    );
    sandbox.dir("store");
    let text = sandbox.read("hayloft.xml").replace("$KEY", public.trim());
    let text = text.replace("<storages>", &more).replace("<amazons3></amazons3>", "");
    sandbox.write("hayloft.xml", &text);
    sandbox
}

#[test]
fn a_whole_night_from_collect_directory_to_restored_file() {
    let sandbox = whole();
    let content = noise(450_000, 1);
    fs::write(sandbox.path("collect/big file.tar.gz"), &content).unwrap();
    sandbox.write("collect/small.txt", "hay");
    sandbox.write("collect/cback.collect", "");

    let run = ["stage", "split", "encrypt", "store", "amazons3"];
    let all: Vec<&str> = ["--config", "hayloft.xml", "run"].iter().chain(&run).copied().collect();
    sandbox.ok(&all);
    let names: Vec<String> = (0..5)
        .map(|it| format!("box/big file.tar.gz_0000{it}.age"))
        .chain(["box/small.txt.age".to_owned()])
        .collect();
    let expected: Vec<String> = names.iter().map(|it| format!("backups/{TODAY}/{it}")).collect();
    assert_eq!(keys(&sandbox), expected);

    // From the bucket: decrypted, then joined.
    let bucket = format!("objects/backups/{TODAY}");
    sandbox.ok(&["--config", "hayloft.xml", "decrypt", "--into", "clear", &bucket]);
    sandbox.ok(&["--config", "hayloft.xml", "join", "clear"]);
    assert_eq!(fs::read(sandbox.path("clear/box/big file.tar.gz")).unwrap(), content);
    assert_eq!(sandbox.read("clear/box/small.txt"), "hay");
    assert_eq!(sandbox.names("clear/box"), ["big file.tar.gz", "small.txt"]);

    // The next run of the same night finds nothing to do but new files.
    fs::write(sandbox.path("collect/big file.tar.gz"), noise(250_000, 2)).unwrap();
    sandbox.ok(&all);
    let staged = sandbox.names(&format!("staging/{TODAY}/box"));
    let staged: Vec<&String> = staged.iter().filter(|it| !it.starts_with("cback.")).collect();
    assert_eq!(staged.len(), 4, "{staged:?}");
    assert_eq!(keys(&sandbox).len(), 4);

    // Now it is too small to be split.
    sandbox.write("collect/big file.tar.gz", "small");
    sandbox.ok(&all);
    let expected = ["big file.tar.gz.age", "small.txt.age"];
    assert_eq!(keys(&sandbox), expected.map(|it| format!("backups/{TODAY}/box/{it}")));

    sandbox.ok(&["--config", "hayloft.xml", "run", "purge"]);
    let left = all_files(&sandbox.path("staging"));
    assert!(left.is_empty(), "{left:?}");
}
