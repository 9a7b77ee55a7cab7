//! Backups in an object store beside a directory.

use std::path::Path;

use hayloft_test_servers::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};

use super::{
    ground::{Ground, ONE},
    restored::Restored,
};

const SUM: &str = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM pgbench_accounts AS t";
const BOTH: &str = "
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
    <storage><name>cloud</name><type>s3</type><endpoint>$ENDPOINT</endpoint>
      <bucket>$BUCKET</bucket><region>us-east-1</region><access_key_id>$KEY</access_key_id>
      <password>$SECRET</password></storage>
  </storages>
  <encryptors>
    <encryptor><name>phrase</name><type>gpg</type><homedir>$DIR/gnupg</homedir>
      <passphrase_file>$DIR/phrase</passphrase_file></encryptor>
  </encryptors>
  <postgres_servers>
    <server><name>main</name><conninfo>$CONNINFO</conninfo>
      <storage>disk</storage><storage>cloud</storage>
      <backup><part_size>4MB</part_size>
        <storage><name>disk</name></storage>
        <storage><name>cloud</name><encrypt>$ENCRYPT</encrypt></storage>
      </backup>
    </server>
  </postgres_servers>";

fn configure(ground: &Ground, server: &S3Server, encrypt: &str) {
    let text = BOTH.replace("$ENDPOINT", &server.endpoint()).replace("$BUCKET", BUCKET);
    let text = text.replace("$KEY", ACCESS_KEY).replace("$SECRET", SECRET_KEY);
    ground.configure(&text.replace("$ENCRYPT", encrypt));
}

fn round(ground: &Ground, server: &S3Server) {
    ground.server.pgbench("bench", 1);
    let full = ground.backup(&[]);
    let change = "UPDATE pgbench_accounts SET abalance = 1 WHERE aid % 30000 = 7";
    ground.server.sql("bench", change);
    let report = ground.pg(&["backup", "main", "--fast", "--json", "--incremental"]).exits(0);
    let report = report.json();
    assert_eq!(report["storages"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["parent"], *full);
    assert!(server.objects().keys().any(|it| it.starts_with(&format!("main/base/{full}/data/"))));
    assert!(server.uploads().is_empty());
    ground.archive_all();
    ground.pg(&["verify", "main"]).exits(0);
    let expected = ground.server.sql("bench", SUM);
    let restored = Restored::restore(ground, "copy", &["--storage", "cloud"]).promoted();
    assert_eq!(restored.sql_in("bench", SUM), expected);
    restored.is_sound();
}

#[test]
fn an_object_store_gets_the_same_backups_as_a_directory() {
    let server = S3Server::start();
    let ground = Ground::new(ONE);
    configure(&ground, &server, "none");
    round(&ground, &server);
    // What one storage has damaged, the other one has.
    let id = ground.ids("disk").remove(0);
    server.damage(&format!("main/base/{id}/data/000001"));
    let words = ["verify", "main", "--storage", "cloud", "--json"];
    let problems = ground.pg(&words).exits(1).json();
    assert!(problems["problems"][0]["object"].as_str().unwrap().ends_with("data/000001"));
    ground.pg(&["restore", "main", "$DIR/other"]).exits(0);
}

#[test]
fn an_object_store_gets_encrypted_what_a_directory_has_in_clear() {
    let server = S3Server::start();
    let ground = Ground::new(ONE);
    for (name, mode) in [("gnupg", 0o700), ("phrase", 0o600)] {
        let path = ground.path(name);
        if mode == 0o700 {
            std::fs::create_dir(&path).unwrap();
        } else {
            std::fs::write(&path, "a long phrase\n").unwrap();
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode).unwrap();
        ground.give(&path);
    }
    configure(&ground, &server, "phrase");
    round(&ground, &server);
    let objects = server.objects();
    let parts: Vec<&String> = objects.keys().filter(|it| it.contains("/data/")).collect();
    assert!(!parts.is_empty());
    assert!(
        parts.iter().all(|it| Path::new(it).extension().is_some_and(|it| it == "gpg")),
        "{parts:?}"
    );
}
