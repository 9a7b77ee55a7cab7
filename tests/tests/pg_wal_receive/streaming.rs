//! What is received is what the server has.

use hayloft_postgres::wal::TimelineId;
use hayloft_tests::postgres::{Postgres, installed_versions, version};
use rustix::process::Signal;

use super::setting::{
    Load, Setting, keeping, position, segment_size, segment_start, told, wait_for,
};

/// Receives while a server works, and compares every segment.
fn received_under_load(server: &Postgres, segments: usize) {
    server.pgbench("bench", 1);
    let setting = Setting::new(server);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    let first = segment_start(told(server).unwrap(), segment_size(server));
    let load = Load::start(server, "bench");
    let size = segment_size(server).bytes();
    server.sql("postgres", "CREATE TABLE filler (t text)");
    wait_for("enough WAL", || {
        let fill = "INSERT INTO filler SELECT repeat('f', 900) FROM generate_series(1, 4000)";
        server.sql("postgres", fill);
        position(server).bytes() - first.bytes() >= size * segments as u64
    });
    drop(load);
    server.sql("postgres", "SELECT pg_switch_wal()");
    let end = position(server);
    wait_for("the last byte", || told(server) >= Some(end));
    assert_eq!(receiver.is_told(Signal::TERM), Some(0), "{}", receiver.says());
    setting.pg(&["wal", "archive", "main"]).exits(0);
    let compared = setting.compare(server, TimelineId::FIRST, first, end);
    assert!(compared >= segments, "{compared}");
    // What has come of the next segment, or nothing, waits for the next time.
    let left = setting.sandbox.names("work/postgres/main/streaming");
    let visible: Vec<&String> = left.iter().filter(|it| !it.starts_with('.')).collect();
    assert!(matches!(visible[..], [one] if one.ends_with(".partial")), "{left:?}");
}

#[test]
fn every_segment_is_byte_for_byte_the_servers() {
    for programs in installed_versions() {
        received_under_load(&keeping().programs(&programs).start(), 2);
    }
}

#[test]
fn small_and_large_segments_are_received() {
    for (size, segments) in [("1", 20), ("64", 2)] {
        let server = keeping().initdb(&format!("--wal-segsize={size}")).start();
        received_under_load(&server, segments);
    }
}

#[test]
fn a_server_that_is_restarted_is_waited_for() {
    let mut server = keeping().initdb("--wal-segsize=1").start();
    server.pgbench("bench", 1);
    let setting = Setting::new(&server);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    let first = segment_start(told(&server).unwrap(), segment_size(&server));
    for crash in [false, true, false] {
        let load = Load::start(&server, "bench");
        let before = position(&server);
        wait_for("WAL", || position(&server).bytes() > before.bytes() + (3 << 20));
        drop(load);
        if crash {
            server.crash();
        } else {
            server.stop();
        }
        receiver.until_it_says("attempt ");
        server.start_again();
        let end = position(&server);
        wait_for("the stream", || told(&server) >= Some(end));
    }
    server.sql("postgres", "SELECT pg_switch_wal()");
    let end = position(&server);
    wait_for("the last byte", || told(&server) >= Some(end));
    assert_eq!(receiver.is_told(Signal::INT), Some(0), "{}", receiver.says());
    setting.pg(&["wal", "archive"]).exits(0);
    setting.compare(&server, TimelineId::FIRST, first, end);
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for_and_one_that_refuses_is_not() {
    let mut server = keeping().start();
    let setting = Setting::new(&server);
    server.stop();
    let mut receiver = setting.receive(&[]);
    receiver.until_it_says("attempt 2 follows");
    server.start_again();
    receiver.is_streaming();
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));

    let mut once = setting.receive(&["--once"]);
    once.is_streaming();
    server.stop();
    assert_eq!(once.ends(), Some(1));
    server.start_again();

    server.sql("postgres", "CREATE ROLE weak LOGIN");
    let weak = super::setting::conninfo(&server).replace("user=postgres", "user=weak");
    setting.configure(&weak, "");
    let mut refused = setting.receive(&[]);
    assert_eq!(refused.ends(), Some(1));
    assert!(refused.says().contains("grant-sql"), "{}", refused.says());
}

#[test]
fn the_status_says_how_much_would_be_lost() {
    let server = keeping().programs(&version(15)).start();
    let setting = Setting::new(&server);
    let status =
        || setting.pg(&["status", "--json"]).exits(0).json()["servers"][0]["status"].clone();
    assert_eq!(status()["wal_receiver"], "not running");
    assert!(status()["rpo_bytes"].is_null());

    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    wait_for("no loss", || status()["rpo_bytes"] == 0);
    let now = status();
    assert_eq!(now["rpo_seconds"], 0.0);
    let who = now["wal_receiver"].as_str().unwrap();
    let pid = receiver.pid().as_raw_nonzero();
    assert!(who.starts_with(&format!("streaming (process {pid}, since 2")), "{who}");

    // What it does not get would be lost.
    rustix::process::kill_process(worker(&receiver), Signal::STOP).unwrap();
    server.sql("postgres", "CREATE TABLE t AS SELECT generate_series(1, 10000)");
    let behind = status();
    rustix::process::kill_process(worker(&receiver), Signal::CONT).unwrap();
    assert!(behind["rpo_bytes"].as_u64().unwrap() > 100_000, "{behind}");
    assert!(behind["rpo_seconds"].as_f64().unwrap() >= 0.0, "{behind}");
    wait_for("no loss", || status()["rpo_bytes"] == 0);

    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    assert_eq!(status()["wal_receiver"], "not running");
    setting.pg(&["status"]).exits(0).says("rpo bytes").says("received lsn");
}

/// The worker of a receiver.
fn worker(receiver: &super::setting::Receiver) -> rustix::process::Pid {
    let pid = receiver.pid().as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let worker = children.split_whitespace().next().unwrap().parse().unwrap();
    rustix::process::Pid::from_raw(worker).unwrap()
}

#[test]
fn a_segment_that_the_server_was_told_is_safe_is_missed_when_it_is_gone() {
    let server = keeping().programs(&version(15)).initdb("--wal-segsize=1").start();
    let setting = Setting::new(&server);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    server.sql("postgres", "CREATE TABLE filler (t text)");
    let fill = "INSERT INTO filler SELECT repeat('f', 900) FROM generate_series(1, 4000)";
    server.sql("postgres", fill);
    server.sql("postgres", "SELECT pg_switch_wal()");
    let end = position(&server);
    wait_for("the last byte", || told(&server) >= Some(end));
    assert_eq!(receiver.is_told(Signal::TERM), Some(0), "{}", receiver.says());
    setting.pg(&["wal", "archive", "main"]).exits(0);
    setting.pg(&["wal", "gaps", "main"]).exits(0);
    setting.pg(&["wal", "verify", "main"]).exits(0);
    let (last, path) = setting.archived().into_iter().rfind(|it| it.0.len() == 24).unwrap();
    let aside = setting.streaming().join(&last);
    std::fs::rename(&path, &aside).unwrap();
    // It is here, and waits for the storage.
    setting.pg(&["wal", "gaps", "main"]).exits(0);
    std::fs::rename(&aside, setting.sandbox.path("gone")).unwrap();
    let missing = format!("missing: {last}");
    setting.pg(&["wal", "gaps", "main"]).exits(1).says(&missing);
    setting.pg(&["wal", "verify", "main"]).exits(1).says(&missing);
    setting.pg(&["check", "main"]).exits(1).says(&missing);
}
