//! Receivers that are killed, at any moment.

use std::{fs, os::unix::fs::FileExt, path::Path, process::Command, thread, time::Duration};

use hayloft_postgres::wal::{Lsn, SegmentName, TimelineId};
use hayloft_tests::{chaos, postgres::Postgres};

use super::setting::{
    Load, Setting, keeping, position, same, segment_size, segment_start, told, wait_for,
};

/// How often receivers are killed.
const KILLS: u32 = 300;

/// Demands that everything before a position is on our side: whole segments in
/// the archive or beside it, and of the last one what was told.
fn everything_is_safe(setting: &Setting, server: &Postgres, from: Lsn, to: Lsn) {
    let size = segment_size(server);
    let archived = setting.archived();
    let mut at = from;
    while at < segment_start(to, size) {
        let name = SegmentName::containing(at, TimelineId::FIRST, size).to_string();
        let theirs = server.data_dir().join("pg_wal").join(&name);
        let waiting = setting.streaming().join(&name);
        match archived.get(&name) {
            Some(ours) => same(ours, &theirs),
            None => same(&waiting, &theirs),
        }
        at = Lsn::new(at.bytes() + size.bytes());
    }
    let part = usize::try_from(to.offset(size)).unwrap();
    if part == 0 {
        return;
    }
    let name = SegmentName::containing(to, TimelineId::FIRST, size).to_string();
    let read = |path| {
        let mut bytes = vec![0; part];
        fs::File::open(path).and_then(|it| it.read_exact_at(&mut bytes, 0)).map(|()| bytes)
    };
    let theirs = read(server.data_dir().join("pg_wal").join(&name)).unwrap();
    let partial = setting.streaming().join(format!("{name}.partial"));
    let ours = read(partial).or_else(|_| read(setting.streaming().join(&name)));
    let ours = ours.or_else(|_| read(archived[&name].clone())).unwrap();
    assert!(ours == theirs, "{name} differs before {to}");
}

#[test]
fn what_the_server_was_told_is_there_whenever_the_receiver_is_killed() {
    let mut server = keeping().initdb("--wal-segsize=1").start();
    server.pgbench("bench", 1);
    server.stop();
    let copy = server.directory().join("copy");
    cp(&server.data_dir(), &copy);
    server.start_again();
    let setting = Setting::new(&server);
    setting.pg(&["wal", "receive", "main", "--create-slot"]).exits(0);
    let begun = told(&server).unwrap();
    let first = segment_start(begun, segment_size(&server));
    let load = Load::start(&server, "bench");
    let mut safe = first;
    // Other moments each time, and the same in each run.
    for (kill, moment) in chaos::noise(KILLS as usize, 7).into_iter().enumerate() {
        let mut receiver = setting.receive(&[]);
        if kill % 3 > 0 {
            receiver.is_streaming();
        }
        thread::sleep(Duration::from_millis(u64::from(moment)));
        receiver.is_killed();
        if kill % 4 == 0 {
            // However slow the disk is, there are segments.
            server.sql("postgres", "SELECT pg_switch_wal()");
        }
        // Before that, nobody told it anything.
        if let Some(told) = told(&server).filter(|it| *it != begun) {
            everything_is_safe(&setting, &server, safe, told);
            safe = segment_start(told, segment_size(&server));
        }
    }
    drop(load);
    let end = setting.catch_up(&server);
    let segments = setting.compare(&server, TimelineId::FIRST, first, end);
    assert!(segments > 20, "{segments}");
    no_rubbish(&setting);
    let checksum = server.checksum("bench", "pgbench_accounts");
    let replayed = replay(&setting, &copy);
    assert_eq!(replayed.checksum("bench", "pgbench_accounts"), checksum);
}

/// Copies a directory with everything in it.
fn cp(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// Starts a server on a copy of the first one's files, which replays what was
/// archived.
fn replay(setting: &Setting, copy: &Path) -> Postgres {
    let options = Postgres::options().initdb("--wal-segsize=1");
    // It runs in the data directory.
    let mut server = options.setting("restore_command", "cp ../archived/%f %p").start();
    server.stop();
    let data = server.data_dir();
    fs::remove_dir_all(&data).unwrap();
    cp(copy, &data);
    let archived = server.directory().join("archived");
    fs::create_dir(&archived).unwrap();
    for (name, path) in setting.archived() {
        fs::copy(path, archived.join(name)).unwrap();
    }
    fs::write(data.join("recovery.signal"), "").unwrap();
    let reference = format!("--reference={}", data.display());
    let owned = Command::new("chown").args(["-R", &reference]).arg(server.directory()).status();
    assert!(owned.unwrap().success());
    server.start_again();
    wait_for("the end of the recovery", || {
        server.sql("postgres", "SELECT pg_is_in_recovery()") == "f"
    });
    server
}

/// Nothing stays that nobody needs.
fn no_rubbish(setting: &Setting) {
    let left = setting.sandbox.names("work/postgres/main/streaming");
    let known = [".archive.lock", ".receive.json", ".receive.lock"];
    let rest: Vec<&String> = left.iter().filter(|it| !known.contains(&it.as_str())).collect();
    assert!(matches!(rest[..], [one] if one.ends_with(".partial")), "{left:?}");
    assert!(!setting.sandbox.path("work/postgres/main/errors").exists());
    assert_eq!(setting.sandbox.names("archive/.hayloft-staging"), ["lock"]);
}

#[test]
fn a_worker_whose_program_is_killed_ends_too() {
    let server = keeping().start();
    let setting = Setting::new(&server);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    rustix::process::kill_process(receiver.pid(), rustix::process::Signal::KILL).unwrap();
    // The slot is free again, and the next one can begin: within seconds, not
    // after somebody has found a process and ended it.
    let free = "SELECT NOT active FROM pg_replication_slots";
    wait_for("the end of the worker", || server.sql("postgres", free) == "t");
    let mut next = setting.receive(&[]);
    next.is_streaming();
    drop(receiver);
}

#[test]
fn one_receiver_is_enough() {
    let server = keeping().start();
    let setting = Setting::new(&server);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    let second = setting.pg(&["wal", "receive", "main"]).exits(1);
    let pid = receiver.pid().as_raw_nonzero();
    second.complains(&format!("process {pid}, since 2")).complains("already");
    setting.pg(&["wal", "receive", "main", "--reset"]).exits(1).complains("already");
    // It was not disturbed.
    assert_eq!(receiver.is_told(rustix::process::Signal::HUP), Some(0), "{}", receiver.says());
    // A lock is nobody's when its holder is gone.
    let end = position(&server);
    let again = setting.pg(&["wal", "receive", "main", "--until", &end.to_string()]);
    again.exits(0);
}
