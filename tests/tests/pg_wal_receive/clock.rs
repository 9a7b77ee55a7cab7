//! A clock that is moved while a receiver is at work.

use std::fs;

use hayloft_postgres::wal::TimelineId;
use hayloft_tests::chaos::faketime;
use rustix::process::Signal;

use super::setting::{Setting, keeping, position, segment_size, segment_start, told, wait_for};

#[test]
fn a_receiver_does_not_mind_a_clock_that_jumps() {
    let server = keeping().initdb("--wal-segsize=1").start();
    server.sql("postgres", "CREATE TABLE filler (t text)");
    let setting = Setting::new(&server);
    let time = setting.sandbox.path("time");
    let set = |offset: &str| {
        let new = setting.sandbox.path("time.new");
        fs::write(&new, offset).unwrap();
        fs::rename(&new, &time).unwrap();
    };
    set("+0");
    let library = faketime();
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", time.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let mut receiver = setting.receive_in(&[], &variables);
    receiver.is_streaming();
    let first = segment_start(told(&server).unwrap(), segment_size(&server));
    for offset in ["-1000d", "+3650d", "-5s", "+9999d", "+0"] {
        set(offset);
        let before = setting.segments();
        let fill = "INSERT INTO filler SELECT repeat('f', 900) FROM generate_series(1, 4000)";
        server.sql("postgres", fill);
        server.sql("postgres", "SELECT pg_switch_wal()");
        let end = position(&server);
        wait_for("the last byte", || told(&server) >= Some(end));
        wait_for("further segments", || setting.segments() > before);
    }
    let end = position(&server);
    assert_eq!(receiver.is_told(Signal::TERM), Some(0), "{}", receiver.says());
    setting.pg(&["wal", "archive", "main"]).exits(0);
    assert!(setting.compare(&server, TimelineId::FIRST, first, end) > 10);
    assert!(!receiver.says().contains("attempt "), "{}", receiver.says());
}
