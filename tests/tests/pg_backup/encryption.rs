//! Encrypted backups, each storage in its own way.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::{
    ground::{Ground, ONE},
    restored::Restored,
};

const SUM: &str = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM pgbench_accounts AS t";
/// Two storages: one is encrypted and compressed otherwise, one is not
/// compressed.
const MIXED: &str = "
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
    <storage><name>other</name><type>local</type><root>$DIR/other</root><create>Y</create></storage>
  </storages>
  <encryptors>
    <encryptor><name>team</name><type>age</type><recipient>$PUBLIC</recipient>$SECRET</encryptor>
  </encryptors>
  <postgres_servers>
    <server><name>main</name><conninfo>$CONNINFO</conninfo><storage>disk</storage>
      <wal><storage><name>disk</name></storage></wal>
      <backup>
        <part_size>4MB</part_size>
        <storage><name>disk</name><compress>none</compress></storage>
        <storage><name>other</name><compress>gzip</compress><encrypt>team</encrypt></storage>
      </backup>
    </server>
  </postgres_servers>";

#[test]
fn each_storage_has_its_own_encoding_and_an_encrypted_chain_is_restored() {
    let ground = Ground::new(ONE);
    let key = ground.path("key");
    assert!(Command::new("age-keygen").arg("-o").arg(&key).output().unwrap().status.success());
    let public = Command::new("age-keygen").arg("-y").arg(&key).output().unwrap();
    let public = String::from_utf8(public.stdout).unwrap();
    ground.give(&key);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let secret = "<identity_file>$DIR/key</identity_file>";
    let with = |secret: &str| MIXED.replace("$PUBLIC", public.trim()).replace("$SECRET", secret);
    ground.configure(&with(secret));
    ground.server.pgbench("bench", 1);
    let full = ground.backup(&[]);
    ground.server.sql("bench", "UPDATE pgbench_accounts SET abalance = 1 WHERE aid < 100");
    ground.backup(&["--incremental"]);
    assert!(ground.parts("other", &full)[0].to_str().unwrap().ends_with("000001.age"));
    assert!(ground.path(format!("other/main/base/{full}/manifest.gz.age")).exists());
    assert!(ground.path(format!("disk/main/base/{full}/manifest")).exists());
    ground.archive_all();
    let expected = ground.server.sql("bench", SUM);
    for storage in ["disk", "other"] {
        let restored = Restored::restore(&ground, storage_copy(storage), &["--storage", storage]);
        let restored = restored.promoted();
        assert_eq!(restored.sql_in("bench", SUM), expected, "{storage}");
        restored.is_sound();
    }
    ground.pg(&["verify", "main"]).exits(0);
    // With the public key alone backups can be taken, and none be read.
    ground.configure(&with(""));
    let report = ground.pg(&["backup", "main", "--fast", "--json", "--incremental"]).exits(0);
    assert_eq!(report.json()["parent"], serde_json::Value::Null);
    let words = ["restore", "main", "$DIR/x", "--storage", "other"];
    ground.pg(&words).exits(1).complains("manifest.gz.age");
    assert!(!ground.path("x").exists());
}

fn storage_copy(storage: &str) -> &'static str {
    if storage == "disk" { "of-disk" } else { "of-other" }
}
