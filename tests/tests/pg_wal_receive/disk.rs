//! Disks that are full, and storages that are away.

use std::fs;

use hayloft_postgres::wal::{Lsn, TimelineId};
use hayloft_tests::postgres::version;
use rustix::process::Signal;

use super::setting::{
    Load, Setting, conninfo, keeping, position, segment_size, segment_start, told, wait_for,
};

#[test]
fn a_full_disk_is_waited_out_and_nothing_is_lost() {
    // Whoever has a small disk has no way to the socket of another user.
    let server = keeping().programs(&version(15)).initdb("--wal-segsize=1").tcp().start();
    server.pgbench("bench", 1);
    let setting = Setting::with(
        &format!("host=127.0.0.1 port={} user=postgres sslmode=disable", server.port()),
        "<slot_name>hayloft</slot_name><create_slot>auto</create_slot>",
    );
    // The storage is away, so segments stay: the disk gets full.
    let archive = setting.sandbox.path("archive");
    let aside = setting.sandbox.path("aside");
    fs::rename(&archive, &aside).unwrap();
    fs::create_dir_all(setting.streaming()).unwrap();
    let mut receiver = setting.receive_on_a_small_disk("6m");
    receiver.is_streaming();
    let first = segment_start(told(&server).unwrap(), segment_size(&server));
    let load = Load::start(&server, "bench");
    receiver.until_it_says("cannot take room for");
    receiver.until_it_says("it is kept here meanwhile");
    receiver.until_it_says("attempt 3 follows");
    drop(load);
    let told_then = told(&server).unwrap();
    fs::rename(&aside, &archive).unwrap();
    server.sql("postgres", "SELECT pg_switch_wal()");
    let end = position(&server);
    assert!(told_then < end);
    wait_for("the last byte", || told(&server) >= Some(end));
    wait_for("the archive", || setting.segments() >= 6);
    assert_eq!(receiver.is_told(Signal::TERM), Some(0), "{}", receiver.says());
    // The small disk is gone with the receiver.
    let archived = setting.segments() as u64;
    let end = Lsn::new(end.bytes().min(first.bytes() + (archived << 20)));
    let compared = setting.compare(&server, TimelineId::FIRST, first, end);
    assert!(compared > 5, "{compared}");
}

#[test]
fn a_storage_that_is_away_does_not_stop_the_stream() {
    let server = keeping().programs(&version(15)).start();
    let setting = Setting::new(&server);
    let (archive, aside) = (setting.sandbox.path("archive"), setting.sandbox.path("aside"));
    fs::rename(&archive, &aside).unwrap();
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    let first = segment_start(told(&server).unwrap(), segment_size(&server));
    for _ in 0..3 {
        server.sql("postgres", "CREATE TABLE IF NOT EXISTS t (i int)");
        server.sql("postgres", "INSERT INTO t VALUES (1)");
        server.sql("postgres", "SELECT pg_switch_wal()");
    }
    let end = position(&server);
    wait_for("the stream", || told(&server) >= Some(end));
    wait_for("the report", || {
        setting.record()["archive_problem"].is_string() && setting.record()["waiting"] == 3
    });
    let status = setting.pg(&["status", "--json"]).exits(0).json();
    let status = &status["servers"][0]["status"];
    assert_eq!(status["rpo_bytes"], 0, "it is on this disk");
    assert_eq!(status["received_waiting"], 3);
    assert!(status["wal_receiver_problem"].is_string());
    fs::rename(&aside, &archive).unwrap();
    wait_for("the archive", || setting.record()["waiting"] == 0);
    receiver.until_it_says("the archive takes WAL again");
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    setting.compare(&server, TimelineId::FIRST, first, end);
}

#[test]
fn a_storage_that_does_not_answer_does_not_hold_up_the_end() {
    let server = keeping().programs(&version(15)).start();
    let hooks = "<hooks><hook><on>pre_archive</on><type>script</type>\
                 <command>$SANDBOX/hook</command><timeout>600</timeout></hook></hooks>";
    let setting = Setting::with_sections(
        &conninfo(&server),
        "<slot_name>hayloft</slot_name><create_slot>auto</create_slot>",
        hooks,
    );
    setting.sandbox.script("hook", "#!/bin/sh\ntouch $SANDBOX/asked\nexec sleep 600\n");
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    let first = segment_start(told(&server).unwrap(), segment_size(&server));
    server.sql("postgres", "CREATE TABLE t (i int)");
    server.sql("postgres", "SELECT pg_switch_wal()");
    wait_for("the hook", || setting.sandbox.path("asked").exists());
    let end = position(&server);
    wait_for("the stream", || told(&server) >= Some(end));
    let code = receiver.is_told(Signal::TERM);
    assert!([Some(0), Some(5)].contains(&code), "{code:?}: {}", receiver.says());
    setting.sandbox.script("hook", "#!/bin/sh\nexit 0\n");
    let end = setting.catch_up(&server);
    setting.compare(&server, TimelineId::FIRST, first, end);
}

#[test]
fn a_directory_that_cannot_be_used_is_told_at_once() {
    let server = keeping().programs(&version(15)).start();
    let setting = Setting::with(
        &conninfo(&server),
        "<streaming_wals_directory>$SANDBOX/hayloft.xml/streaming</streaming_wals_directory>",
    );
    let mut receiver = setting.receive(&[]);
    assert_eq!(receiver.ends(), Some(1));
    assert!(receiver.says().contains("hayloft.xml/streaming"), "{}", receiver.says());
}
