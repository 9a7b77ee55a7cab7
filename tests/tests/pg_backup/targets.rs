//! Recovery stops where it was told to.

use super::{
    ground::{Ground, ONE},
    restored::Restored,
};

/// What is in the table that the tests write to.
const ROWS: &str = "SELECT coalesce(string_agg(a, ','), '') FROM (SELECT a FROM t ORDER BY a) AS t";

/// A server with a backup, after which `b`, `c` and `d` were written. Returns
/// the time, position, transaction and restore point of `b`.
fn written() -> (Ground, [String; 4]) {
    let ground = Ground::new(ONE);
    ground.sql("CREATE TABLE t (a text); INSERT INTO t VALUES ('a')");
    ground.backup(&[]);
    ground.sql("SELECT pg_sleep(0.01)");
    let xid = ground.sql("INSERT INTO t VALUES ('b') RETURNING pg_current_xact_id()");
    let lsn = ground.sql("SELECT pg_current_wal_insert_lsn()");
    ground.sql("SELECT pg_create_restore_point('after b')");
    ground.sql("SELECT pg_sleep(0.01)");
    let time = ground.sql("SELECT clock_timestamp()");
    ground.sql("SELECT pg_sleep(0.01)");
    ground.sql("INSERT INTO t VALUES ('c')");
    ground.sql("INSERT INTO t VALUES ('d')");
    ground.archive_all();
    (ground, [time, lsn, xid, "after b".to_owned()])
}

#[test]
fn a_time_a_position_a_transaction_and_a_name_are_reached() {
    let (ground, [time, lsn, xid, name]) = written();
    let cases: [(&str, &[&str], &str); 6] = [
        ("time", &["--target-time", &time], "a,b"),
        ("lsn", &["--target-lsn", &lsn], "a,b"),
        ("xid", &["--target-xid", &xid], "a,b"),
        ("before", &["--target-xid", &xid, "--exclusive"], "a"),
        ("name", &["--target-name", &name], "a,b"),
        ("immediate", &["--target-immediate"], "a"),
    ];
    for (copy, words, expected) in cases {
        let words = [words, &["--target-action", "promote"]].concat();
        let restored = Restored::restore(&ground, copy, &words).promoted();
        assert_eq!(restored.sql(ROWS), expected, "{words:?}");
    }
}

#[test]
fn a_server_pauses_at_its_target_and_can_be_read() {
    let (ground, [_, _, xid, _]) = written();
    let restored = Restored::restore(&ground, "copy", &["--target-xid", &xid]).paused();
    assert_eq!(restored.sql(ROWS), "a,b");
    assert_eq!(restored.sql("SHOW archive_mode"), "off");
}

#[test]
fn a_server_that_is_to_shut_down_at_its_target_does() {
    let (ground, [_, _, xid, _]) = written();
    let words = ["--target-xid", &xid, "--target-action", "shutdown"];
    let restored = Restored::restore(&ground, "copy", &words);
    let mut server = ground.server.unprivileged("postgres");
    let socket = format!("unix_socket_directories={}", restored.data().display());
    server.arg("-D").arg(restored.data()).args(["-c", "listen_addresses=", "-c", &socket]);
    // It ends by itself.
    let log = String::from_utf8(server.output().unwrap().stderr).unwrap();
    assert!(log.contains(&format!("recovery stopping after commit of transaction {xid}")), "{log}");
    assert!(log.contains("shutdown at recovery target"), "{log}");
    let mut state = ground.server.unprivileged("pg_controldata");
    let state = state.arg(restored.data()).env("LC_ALL", "C").output().unwrap().stdout;
    let state = String::from_utf8(state).unwrap();
    assert!(state.contains("shut down in recovery"), "{state}");
}

#[test]
fn the_backup_is_the_latest_that_leads_to_the_target() {
    let (ground, [time, lsn, ..]) = written();
    let first = ground.ids("disk").remove(0);
    let second = ground.backup(&["--name", "second"]);
    for (words, expected) in [
        (vec!["--target-time", &time], &first),
        (vec!["--target-lsn", &lsn], &first),
        (vec![], &second),
        (vec!["--backup", "oldest"], &first),
        (vec!["--backup", "second"], &second),
    ] {
        let _ = std::fs::remove_dir_all(ground.path("copy"));
        let words = [&["restore", "main", "$DIR/copy", "--json"], words.as_slice()].concat();
        let ended = ground.pg(&words).exits(0);
        assert_eq!(ended.json()["id"], **expected, "{words:?}");
    }
    let words = ["restore", "main", "$DIR/x", "--backup", &second, "--target-time", &time];
    ground.pg(&words).exits(1).complains("comes before the end of");
    assert!(!ground.path("x").exists());
}
