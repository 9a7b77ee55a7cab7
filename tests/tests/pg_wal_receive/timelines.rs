//! Servers that go onto another timeline.

use std::{fs, os::unix::fs::MetadataExt, process::Command, time::Instant};

use hayloft_postgres::wal::{History, Lsn, TimelineId};
use hayloft_tests::postgres::{Postgres, installed_versions};
use rustix::process::Signal;

use super::setting::{
    PATIENCE, Setting, conninfo, keeping, position, segment_size, segment_start, told, wait_for,
};

fn second() -> TimelineId {
    TimelineId::new(2).unwrap()
}

/// Makes a server a standby that nobody sends anything.
fn orphan(server: &mut Postgres) {
    server.stop();
    let signal = server.data_dir().join("standby.signal");
    fs::write(&signal, "").unwrap();
    let owner = fs::metadata(server.data_dir()).unwrap();
    std::os::unix::fs::chown(&signal, Some(owner.uid()), Some(owner.gid())).unwrap();
    server.start_again();
    let began = Instant::now();
    while server.sql("postgres", "SELECT pg_is_in_recovery()") != "t" {
        assert!(began.elapsed() < PATIENCE);
    }
}

fn make_wal(server: &Postgres) {
    server.sql("postgres", "CREATE TABLE IF NOT EXISTS w (i int, t text)");
    server.sql(
        "postgres",
        "INSERT INTO w SELECT i, repeat('w', 90) FROM generate_series(1, 20000) i",
    );
}

/// Where the server left the first timeline.
fn switch(server: &Postgres) -> Lsn {
    let history = fs::read(server.data_dir().join("pg_wal/00000002.history")).unwrap();
    History::parse(second(), &history).unwrap().span(TimelineId::FIRST).unwrap().1.unwrap()
}

/// Demands that the second timeline is archived, with its history, and what
/// was left of the first.
fn both_are_archived(setting: &Setting, server: &Postgres, end: Lsn) {
    let switch = switch(server);
    let size = segment_size(server);
    setting.compare(server, second(), segment_start(switch, size), end);
    let archived = setting.archived();
    let history = fs::read(&archived["00000002.history"]).unwrap();
    let theirs = fs::read(server.data_dir().join("pg_wal/00000002.history")).unwrap();
    assert_eq!(history, theirs);
    if switch.offset(size) == 0 {
        return;
    }
    let name = hayloft_postgres::wal::SegmentName::containing(switch, TimelineId::FIRST, size);
    let left = archived
        .get(&format!("{name}.partial"))
        .or_else(|| archived.get(&name.to_string()))
        .unwrap_or_else(|| panic!("nothing is left of {name}: {archived:?}"));
    let left = fs::read(left).unwrap();
    let theirs = server.data_dir().join("pg_wal").join(name.on(second()).to_string());
    let theirs = fs::read(theirs).unwrap();
    let until = usize::try_from(switch.offset(size)).unwrap();
    assert!(left[..until] == theirs[..until], "{name} differs before {switch}");
}

#[test]
fn a_promotion_is_followed_while_it_is_streamed() {
    for programs in installed_versions() {
        let mut server = keeping().programs(&programs).initdb("--wal-segsize=1").start();
        make_wal(&server);
        orphan(&mut server);
        let setting = Setting::new(&server);
        let mut receiver = setting.receive(&[]);
        receiver.is_streaming();
        assert_eq!(server.sql("postgres", "SELECT pg_promote()"), "t");
        receiver.until_it_says("timeline 2 follows");
        receiver.until_it_says("streaming timeline 2");
        make_wal(&server);
        server.sql("postgres", "SELECT pg_switch_wal()");
        let end = position(&server);
        wait_for("the last byte", || told(&server) >= Some(end));
        assert_eq!(receiver.is_told(Signal::TERM), Some(0), "{}", receiver.says());
        setting.pg(&["wal", "archive"]).exits(0);
        both_are_archived(&setting, &server, end);
    }
}

#[test]
fn a_promotion_while_nobody_streams_is_followed_later() {
    let mut server = keeping().initdb("--wal-segsize=1").start();
    make_wal(&server);
    let setting = Setting::new(&server);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    let first = segment_start(told(&server).unwrap(), segment_size(&server));
    make_wal(&server);
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    make_wal(&server);
    orphan(&mut server);
    assert_eq!(server.sql("postgres", "SELECT pg_promote()"), "t");
    make_wal(&server);
    let end = setting.catch_up(&server);
    setting.compare(&server, TimelineId::FIRST, first, switch(&server));
    both_are_archived(&setting, &server, end);
}

/// Makes a copy of a server that follows it.
fn standby_of(primary: &Postgres) -> Postgres {
    let mut standby =
        keeping().initdb("--wal-segsize=1").setting("primary_conninfo", &conninfo(primary)).start();
    standby.stop();
    let (data, aside) = (standby.data_dir(), standby.directory().join("aside"));
    fs::rename(&data, &aside).unwrap();
    let mut command = primary.command("pg_basebackup");
    let output =
        command.args(["--checkpoint=fast", "--no-sync", "-D"]).arg(&data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(data.join("standby.signal"), "").unwrap();
    let owned = Command::new("chown").arg("-R").arg("--reference").args([&aside, &data]).status();
    assert!(owned.unwrap().success());
    standby.start_again();
    standby
}

#[test]
fn what_a_new_primary_did_not_take_over_is_kept_and_its_timeline_followed() {
    let mut primary = keeping().initdb("--wal-segsize=1").start();
    make_wal(&primary);
    let mut standby = standby_of(&primary);
    let setting = Setting::new(&primary);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    let at = position(&primary);
    wait_for("the standby", || {
        let replayed = standby.sql("postgres", "SELECT pg_last_wal_replay_lsn()");
        replayed.parse::<Lsn>().is_ok_and(|it| it >= at)
    });
    standby.stop();
    // The primary goes on; we get it, and the standby does not.
    for _ in 0..3 {
        make_wal(&primary);
    }
    primary.sql("postgres", "SELECT pg_switch_wal()");
    let reached = position(&primary);
    wait_for("the stream", || told(&primary) >= Some(reached));
    primary.crash();
    receiver.until_it_says("attempt ");
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    standby.start_again();
    assert_eq!(standby.sql("postgres", "SELECT pg_promote()"), "t");
    make_wal(&standby);

    let slot = "<slot_name>hayloft</slot_name><create_slot>auto</create_slot>";
    setting.configure(&conninfo(&standby), slot);
    let mut receiver = setting.receive(&[]);
    receiver.until_it_says("not part of the server's history");
    receiver.until_it_says("streaming timeline 2");
    let end = position(&standby);
    wait_for("the stream", || told(&standby) >= Some(end));
    assert_eq!(receiver.is_told(Signal::TERM), Some(0));
    let end = setting.catch_up(&standby);
    assert!(switch(&standby) < reached);
    both_are_archived(&setting, &standby, end);
    // What the old primary wrote is there too.
    let archived = setting.archived();
    let last = hayloft_postgres::wal::SegmentName::ending_at(
        segment_start(reached, segment_size(&standby)),
        TimelineId::FIRST,
        segment_size(&standby),
    );
    assert!(archived.contains_key(&last.to_string()), "{last}: {archived:?}");

    // The old primary is not followed back.
    primary.start_again();
    setting.configure(&conninfo(&primary), slot);
    let mut receiver = setting.receive(&[]);
    receiver.until_it_says("up to where WAL was received");
}
