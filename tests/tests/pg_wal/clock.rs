//! A clock that is moved.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use hayloft_tests::{chaos::faketime, postgres::Postgres};

use super::{
    archiving::{copy, load, replay_by},
    ground::{Ground, PLAIN, archive_all, check_archive},
    segments::Segment,
};

/// How far the clock is off.
const OFFSETS: [&str; 6] = ["+0", "-1000d", "+3650d", "-5s", "+9999d", "-10d"];

/// A script that runs the program at the time that the file `offset` says.
fn script(ground: &Ground) {
    let text = ground.expand(&format!(
        "export FAKETIME=\"$(cat $DIR/offset)\" FAKETIME_DONT_FAKE_MONOTONIC=1 LD_PRELOAD={}\n\
         exec \"$@\"\n",
        faketime().display()
    ));
    fs::write(ground.path("shifted"), text).unwrap();
    set(ground, OFFSETS[2]);
    let date = Command::new("sh").arg(ground.path("shifted")).args(["date", "+%Y"]).output();
    let year: u32 = String::from_utf8(date.unwrap().stdout).unwrap().trim().parse().unwrap();
    let now = Command::new("date").arg("+%Y").output().unwrap().stdout;
    assert!(year > String::from_utf8(now).unwrap().trim().parse::<u32>().unwrap() + 8, "{year}");
    set(ground, OFFSETS[0]);
}

fn set(ground: &Ground, offset: &str) {
    // Whoever reads it gets one or the other.
    fs::write(ground.path("offset.new"), offset).unwrap();
    fs::rename(ground.path("offset.new"), ground.path("offset")).unwrap();
}

#[test]
fn segments_are_archived_and_replayed_while_the_clock_jumps() {
    let mut ground = Ground::new(PLAIN);
    script(&ground);
    let command = ground.expand("sh $DIR/shifted ") + &ground.line("push main %p");
    let archiving = ground.archiving().setting("archive_command", &command);
    let mut server = archiving.initdb("--wal-segsize=1").start();
    ground.belong_to(&server);
    server.pgbench("bench", 1);
    archive_all(&server);
    server.stop();
    let copy = copy(&server, &ground);
    server.start_again();
    let over = AtomicBool::new(false);
    let last = thread::scope(|scope| {
        scope.spawn(|| {
            for offset in OFFSETS.iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                set(&ground, offset);
                thread::sleep(Duration::from_millis(150));
            }
        });
        load(&server, 6).wait().unwrap();
        let last = archive_all(&server);
        over.store(true, Ordering::Relaxed);
        last
    });
    let failed = server.sql("postgres", "SELECT failed_count FROM pg_stat_archiver");
    assert_eq!(failed, "0", "{}", server.log());
    let checksum = server.checksum("bench", "pgbench_accounts");
    assert!(check_archive(&ground, &server) > 5);
    // What is fetched ahead was fetched at another time.
    let get = ground.expand("sh $DIR/shifted ") + &ground.line("get main %f %p");
    set(&ground, "-1000d");
    let options = Postgres::options().initdb("--wal-segsize=1");
    let replayed = replay_by(&ground, &copy, options.setting("restore_command", &get));
    assert_eq!(replayed.checksum("bench", "pgbench_accounts"), checksum);
    assert!(replayed.log().contains(&format!("restored log file \"{last}\"")));
}

#[test]
fn what_was_stored_ahead_in_another_year_is_known() {
    let ground = Ground::new(PLAIN);
    script(&ground);
    let segments: Vec<Segment> = (1..=6).map(Segment::number).collect();
    let paths: Vec<_> = segments.iter().map(|it| it.ready(&ground)).collect();
    for ((segment, path), offset) in segments.iter().zip(&paths).zip(OFFSETS) {
        set(&ground, offset);
        let pushed = ground.shifted(&["push", "main", path.to_str().unwrap()]);
        pushed.exits(0);
        assert!(ground.fetch(&segment.name()) == segment.bytes(), "{offset}");
    }
    ground.wal(&["verify", "main"]).exits(0).says("6 good segments");
}
