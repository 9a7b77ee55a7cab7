//! A subscriber is restored beside its original.

use std::{fs, io::Write};

use hayloft_tests::postgres::Postgres;

use super::{
    ground::{Ground, ONE, wait_for},
    restored::Restored,
};

/// Where the subscription is, as its publisher knows.
const SLOT: &str = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 's'";

#[test]
fn a_restore_warns_of_subscriptions_and_what_it_advises_helps() {
    let publisher = Postgres::options().setting("wal_level", "logical").start();
    publisher.sql("postgres", "CREATE TABLE t (a int); CREATE PUBLICATION p FOR TABLE t");
    let mut ground = Ground::with(ONE, |it| it.setting("wal_level", "logical"));
    let from = format!(
        "host={} port={} user={} dbname=postgres",
        publisher.socket_dir().display(),
        publisher.port(),
        publisher.user()
    );
    ground.sql("CREATE TABLE t (a int)");
    ground.sql(&format!("CREATE SUBSCRIPTION s CONNECTION '{from}' PUBLICATION p"));
    wait_for("the subscription", || {
        ground.sql("SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'") == "1"
    });
    for method in ["local", "stream"] {
        let id = ground.backup(&["--method", method]);
        let copy = format!("$DIR/{method}");
        let words = ["restore", "main", &copy, "--backup", &id, "--json"];
        let ended = ground.pg(&words).exits(7);
        ended.complains("it has subscriptions (s)").complains("max_logical_replication_workers");
        let report = ended.json();
        let warnings = report["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|it| it.as_str().unwrap().contains("(s)")), "{report}");
    }
    // The original is down; whoever takes its place would get what is for it.
    ground.archive_all();
    ground.server.stop();
    publisher.sql("postgres", "INSERT INTO t VALUES (1), (2)");
    let before = publisher.sql("postgres", SLOT);
    let automatic = ground.path("local/postgresql.auto.conf");
    let mut file = fs::OpenOptions::new().append(true).open(automatic).unwrap();
    file.write_all(b"max_logical_replication_workers = 0\n").unwrap();
    let restored = Restored::at(&ground, "local").promoted();
    restored.sql("ALTER SUBSCRIPTION s DISABLE");
    assert_eq!(restored.sql("SELECT count(*) FROM t"), "0");
    drop(restored);
    assert_eq!(publisher.sql("postgres", SLOT), before);
    ground.server.start_again();
    wait_for("what was published", || ground.sql("SELECT count(*) FROM t") == "2");
    // A backup without one has nothing to warn of.
    ground.sql("DROP SUBSCRIPTION s");
    let id = ground.backup(&[]);
    ground.pg(&["restore", "main", "$DIR/none", "--backup", &id]).exits(0);
}
