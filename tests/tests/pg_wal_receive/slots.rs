//! Slots, and beginning anew.

use hayloft_postgres::wal::TimelineId;
use hayloft_tests::postgres::{Postgres, installed_versions, version};
use rustix::process::Signal;

use super::setting::{
    Setting, conninfo, keeping, position, segment_size, segment_start, told, wait_for,
};

const SLOT: &str = "<slot_name>hayloft</slot_name>";

fn make_wal(server: &Postgres, segments: u32) {
    for _ in 0..segments {
        server.sql("postgres", "CREATE TABLE IF NOT EXISTS w (i int)");
        server.sql("postgres", "INSERT INTO w SELECT generate_series(1, 1000)");
        server.sql("postgres", "SELECT pg_switch_wal()");
    }
}

#[test]
fn a_slot_is_made_used_and_removed() {
    let server = keeping().start();
    let setting = Setting::with(&conninfo(&server), SLOT);
    let receive = |more: &str| setting.pg(&["wal", "receive", "main", more]);
    let mut without = setting.receive(&[]);
    assert_eq!(without.ends(), Some(1));
    assert!(without.says().contains("no replication slot hayloft"), "{}", without.says());

    receive("--create-slot").exits(0).says("made");
    receive("--create-slot").exits(0).says("already");
    assert!(told(&server).is_some(), "it keeps WAL from its beginning");
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    receive("--drop-slot").exits(1).complains("in use");
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    receive("--drop-slot").exits(0);
    receive("--drop-slot").exits(1).complains("no replication slot");

    let setting = Setting::with(&conninfo(&server), "");
    setting.pg(&["wal", "receive", "main", "--create-slot"]).exits(4).complains("slot_name");
}

#[test]
fn the_slot_tells_where_to_begin() {
    // The newest that has READ_REPLICATION_SLOT and the oldest that has not.
    for programs in installed_versions() {
        let server = keeping().programs(&programs).start();
        let setting = Setting::with(&conninfo(&server), SLOT);
        setting.pg(&["wal", "receive", "main", "--create-slot"]).exits(0);
        let first = segment_start(told(&server).unwrap(), segment_size(&server));
        make_wal(&server, 3);
        let end = setting.catch_up(&server);
        assert!(setting.compare(&server, TimelineId::FIRST, first, end) >= 3);
    }
}

#[test]
fn without_slot_and_past_it_begins_where_the_server_is_and_says_so() {
    let server = keeping().start();
    make_wal(&server, 2);
    let setting = Setting::with(&conninfo(&server), "");
    let first = segment_start(position(&server), segment_size(&server));
    let mut receiver = setting.receive(&[]);
    receiver.until_it_says(&format!("WAL before {first} is not received"));
    receiver.is_streaming();
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    make_wal(&server, 2);
    let end = setting.catch_up(&server);
    setting.compare(&server, TimelineId::FIRST, first, end);
}

#[test]
fn wal_that_is_gone_ends_it_and_a_reset_goes_on_behind_the_gap() {
    let server = Postgres::options()
        .programs(&version(15))
        .setting("max_wal_size", "32MB")
        .setting("min_wal_size", "32MB")
        .start();
    let setting = Setting::with(&conninfo(&server), "");
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    for _ in 0..6 {
        make_wal(&server, 1);
        server.sql("postgres", "CHECKPOINT");
    }
    let mut receiver = setting.receive(&[]);
    assert_eq!(receiver.ends(), Some(1), "{}", receiver.says());
    assert!(receiver.says().contains("--reset"), "{}", receiver.says());

    server.sql("postgres", "ALTER SYSTEM SET wal_keep_size = '1GB'");
    server.sql("postgres", "SELECT pg_reload_conf()");
    let reset = || setting.pg(&["wal", "receive", "main", "--reset"]);
    let before = setting.sandbox.names("work/postgres/main/streaming");
    reset().exits(7).says("make a base backup");
    let after = setting.sandbox.names("work/postgres/main/streaming");
    assert!(before.iter().all(|it| after.contains(it)), "nothing is removed: {after:?}");
    reset().exits(0).says("nothing is in the way");
    let json = setting.pg(&["wal", "receive", "main", "--reset", "--json"]).exits(0).json();
    assert_eq!(json["moved"], false);

    let first = json["lsn"].as_str().unwrap().parse().unwrap();
    let end = setting.catch_up(&server);
    setting.compare(&server, TimelineId::FIRST, first, end);
    // What had come before the gap is archived too, as what it is.
    let partial = setting.archived().into_keys().find(|it| it.ends_with(".partial"));
    assert!(partial.is_some(), "{:?}", setting.archived());
}

#[test]
fn a_slot_that_has_lost_wal_ends_it() {
    let server = Postgres::options()
        .programs(&version(15))
        .setting("max_wal_size", "32MB")
        .setting("min_wal_size", "32MB")
        .setting("max_slot_wal_keep_size", "16MB")
        .start();
    let setting = Setting::new(&server);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    let lost = "SELECT wal_status FROM pg_replication_slots";
    wait_for("the loss", || {
        make_wal(&server, 2);
        server.sql("postgres", "CHECKPOINT");
        server.sql("postgres", lost) == "lost"
    });
    let mut receiver = setting.receive(&[]);
    assert_eq!(receiver.ends(), Some(1), "{}", receiver.says());
    assert!(receiver.says().contains("--reset"), "{}", receiver.says());
}

#[test]
fn a_receiver_that_is_far_behind_says_so() {
    let server = keeping().start();
    let setting = Setting::with(
        &conninfo(&server),
        &format!("{SLOT}<streaming_lag_warning>20 MB</streaming_lag_warning>"),
    );
    setting.pg(&["wal", "receive", "main", "--create-slot"]).exits(0);
    make_wal(&server, 4);
    let mut receiver = setting.receive(&[]);
    receiver.until_it_says("MiB behind the server");
    receiver.until_it_says("not far behind the server any more");
}

#[test]
fn wal_of_another_cluster_is_refused() {
    let (one, other) = (keeping().start(), keeping().start());
    let setting = Setting::with(&conninfo(&one), "");
    make_wal(&one, 1);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    make_wal(&one, 1);
    wait_for("a segment", || !setting.archived().is_empty());
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    setting.configure(&conninfo(&other), "");
    let mut receiver = setting.receive(&[]);
    assert_eq!(receiver.ends(), Some(1), "{}", receiver.says());
    assert!(receiver.says().contains("system identifier"), "{}", receiver.says());
    setting.pg(&["wal", "receive", "main", "--reset"]).exits(1).complains("system identifier");
}
