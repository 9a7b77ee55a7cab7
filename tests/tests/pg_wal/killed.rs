//! `kill -9` at any moment.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use hayloft_tests::postgres::Postgres;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    archiving::{copy, load, replay, replay_by},
    ground::{Ground, PATIENCE, PLAIN, archive_all, check_archive, done, wait_for, waiting},
    segments::Segment,
};

/// Kills processes of the program that have one of these words in their
/// command line, after pauses of all lengths, until the work is over; returns
/// how many. The work is told how many there are so far.
fn kill_while(
    ground: &Ground,
    words: &[&str],
    most: u32,
    workload: impl FnOnce(&AtomicU32),
) -> u32 {
    let (over, killed) = (AtomicBool::new(false), AtomicU32::new(0));
    let program = ground.path("bin/hayloft");
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut pause, mut words) = (1, words.iter().cycle());
            while !over.load(Ordering::Relaxed) && killed.load(Ordering::Relaxed) < most {
                pause = (pause * 7 + 3) % 61;
                if let Some(pid) = words.next().and_then(|it| find(&program, it)) {
                    thread::sleep(Duration::from_millis(pause));
                    if kill_process(pid, Signal::KILL).is_ok() {
                        killed.fetch_add(1, Ordering::Relaxed);
                    }
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        workload(&killed);
        over.store(true, Ordering::Relaxed);
    });
    killed.into_inner()
}

/// Finds a process of the program, also one that it has started itself.
pub(crate) fn find(program: &Path, word: &str) -> Option<Pid> {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|it| it.parse::<i32>().ok()) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|it| *it == 0).collect();
        let ours = fs::read_link(entry.path().join("exe")).is_ok_and(|it| it == program);
        if ours && words.contains(&word.as_bytes()) {
            return Pid::from_raw(pid);
        }
    }
    None
}

/// No file that is being written is left in a storage.
fn no_rubbish(ground: &Ground) {
    let program = ground.path("bin/hayloft");
    wait_for("the end of what stores ahead", || find(&program, "drain").is_none());
    // The next one that writes sweeps.
    let path = ground.path("0000FFFF.history");
    fs::write(&path, "1\t0/5000000\tfor the sweep\n").unwrap();
    ground.wal(&["push", "main", path.to_str().unwrap()]).exits(0);
    let staging = fs::read_dir(ground.path("disk")).unwrap().flatten();
    for directory in staging.filter(|it| it.file_name().to_string_lossy().starts_with('.')) {
        let left = fs::read_dir(directory.path()).unwrap().flatten();
        let left: Vec<_> = left.map(|it| it.file_name()).filter(|it| it != "lock").collect();
        assert!(left.is_empty(), "{left:?} in {}", directory.path().display());
    }
    let spool = fs::read_dir(ground.path("spool/ahead")).unwrap().flatten();
    let left = spool.filter(|it| it.file_name().to_string_lossy().starts_with(".new-")).count();
    assert_eq!(left, 0, "{left} files in the spool");
}

#[test]
fn pushes_that_are_killed_lose_nothing_and_leave_nothing() {
    let mut ground = Ground::new(PLAIN);
    // The shell lives on, so that the server tries again at once.
    let command = ground.line("push main %p || exit 1");
    let archiving = || ground.archiving().setting("archive_command", &command);
    let mut server = archiving().initdb("--wal-segsize=1").start();
    ground.belong_to(&server);
    server.pgbench("bench", 1);
    archive_all(&server);
    server.stop();
    let copy = copy(&server, &ground);
    server.start_again();
    let began = Instant::now();
    let killed = kill_while(&ground, &["push", "drain"], 100, |killed| {
        // However slow this machine is, some are killed, and some are not.
        let enough = || killed.load(Ordering::Relaxed) > 3 && done(&server).len() > 20;
        while !enough() && began.elapsed() < PATIENCE {
            load(&server, 1).wait().unwrap();
            server.sql("postgres", "SELECT pg_switch_wal()");
        }
    });
    assert!(killed > 3, "{killed} were killed");
    archive_all(&server);
    let checksum = server.checksum("bench", "pgbench_accounts");
    assert!(check_archive(&ground, &server) > 10);
    no_rubbish(&ground);
    let options = Postgres::options().initdb("--wal-segsize=1");
    let replayed = replay(&ground, &copy, options);
    assert_eq!(replayed.checksum("bench", "pgbench_accounts"), checksum);
}

/// Does what the server's archiver does, and kills most of its calls: in the
/// end everything that it was told is archived, is.
#[test]
fn hundreds_of_pushes_that_are_killed_lose_nothing() {
    let mut ground = Ground::new(PLAIN);
    let setting = ground.archiving().setting("archive_command", "false");
    let mut server = setting.initdb("--wal-segsize=1").start();
    ground.belong_to(&server);
    server.pgbench("bench", 1);
    load(&server, 8).wait().unwrap();
    server.sql("postgres", "SELECT pg_switch_wal()");
    server.stop();
    let status = server.data_dir().join("pg_wal/archive_status");
    let (mut killed, mut round, began) = (0, 0_u32, Instant::now());
    // About as long as a push takes here: most are killed, at every moment, and
    // yet each comes to its end at last.
    let mut within = Duration::from_millis(40);
    for name in waiting(&server) {
        let path = server.data_dir().join("pg_wal").join(&name);
        let words = ["push", "main", path.to_str().unwrap()];
        loop {
            round += 1;
            let mut child = ground.command(&words).spawn().unwrap();
            if killed < 400 && began.elapsed() < Duration::from_mins(1) {
                thread::sleep(within * (round * 7 % 113) / 113);
                // It may have ended by itself.
                let _ = child.kill();
            }
            if child.wait().unwrap().success() {
                within = within.mul_f64(0.7);
                break;
            }
            within = within.mul_f64(1.05);
            killed += 1;
        }
        fs::rename(status.join(format!("{name}.ready")), status.join(format!("{name}.done")))
            .unwrap();
        assert!(ground.fetch(&name) == fs::read(&path).unwrap(), "{name}");
    }
    assert!(killed > 20, "{killed} were killed in {round} rounds");
    assert!(check_archive(&ground, &server) > 10);
    no_rubbish(&ground);
}

#[test]
fn gets_that_are_killed_never_deliver_half_a_segment() {
    let ground = Ground::new(PLAIN);
    for number in 1..=8 {
        let path = Segment { size: 16 << 20, ..Segment::number(number) }.write(&ground);
        ground.wal(&["push", "main", path.to_str().unwrap()]).exits(0);
    }
    let target = ground.path("RECOVERYXLOG");
    let (mut delivered, mut killed, began) = (0, 0, Instant::now());
    for round in 0_u64.. {
        let segment = Segment { size: 16 << 20, ..Segment::number(1 + round % 8) };
        let words = ["get", "main", &segment.name(), target.to_str().unwrap()];
        let _ = fs::remove_file(&target);
        let mut child = ground.command(&words).spawn().unwrap();
        thread::sleep(Duration::from_millis(round * 3 % 97));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        if target.exists() {
            assert!(fs::read(&target).unwrap() == segment.bytes(), "round {round}");
            delivered += 1;
        }
        killed += u32::from(!ended.success());
        if (delivered > 10 && killed > 60) || began.elapsed() > Duration::from_mins(2) {
            break;
        }
    }
    assert!(killed > 20, "{killed} were killed, {delivered} delivered");
    let left: Vec<_> = fs::read_dir(ground.dir())
        .unwrap()
        .flatten()
        .filter(|it| it.file_name().to_string_lossy().starts_with(".RECOVERYXLOG"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let segment = Segment { size: 16 << 20, ..Segment::number(1) };
    ground.wal(&["get", "main", &segment.name(), target.to_str().unwrap()]).exits(0);
    assert!(fs::read(&target).unwrap() == segment.bytes());
}

/// Kills each call several times before it lets one live, as an impatient
/// person would who starts the server again each time.
const KILLER: &str = "for moment in 0 1 2 4 8; do
  \"$@\" &
  sleep 0.0$moment
  kill -9 $! 2>/dev/null
  wait $!
  code=$?
  [ $code = 137 ] || exit $code
  echo killed >> $DIR/killed
done
exec \"$@\"
";

#[test]
fn a_recovery_whose_gets_are_killed_hundreds_of_times_comes_to_the_last_segment() {
    let mut ground = Ground::new(PLAIN);
    let mut server = ground.archiving().initdb("--wal-segsize=1").start();
    ground.belong_to(&server);
    server.pgbench("bench", 1);
    archive_all(&server);
    server.stop();
    let copy = copy(&server, &ground);
    server.start_again();
    let before = done(&server).len();
    while done(&server).len() < before + 60 {
        load(&server, 1).wait().unwrap();
        archive_all(&server);
        server.sql("bench", "UPDATE pgbench_accounts SET abalance = abalance + 1");
    }
    let last = archive_all(&server);
    let checksum = server.checksum("bench", "pgbench_accounts");
    server.stop();
    fs::write(ground.path("killer"), ground.expand(KILLER)).unwrap();
    let get = ground.expand("sh $DIR/killer ") + &ground.line("get main %f %p");
    let options = Postgres::options().initdb("--wal-segsize=1").setting("restore_command", &get);
    let mut replayed = None;
    // What fetches ahead is killed too.
    kill_while(&ground, &["prefetch"], u32::MAX, |_| {
        replayed = Some(replay_by(&ground, &copy, options));
    });
    let replayed = replayed.unwrap();
    let killed = fs::read_to_string(ground.path("killed")).unwrap().lines().count();
    assert!(killed >= 60, "{killed} were killed");
    assert!(replayed.log().contains(&format!("restored log file \"{last}\"")));
    assert_eq!(replayed.checksum("bench", "pgbench_accounts"), checksum);
}

#[test]
fn a_push_that_is_killed_while_it_stores_ahead_is_taken_up_again() {
    let ground = Ground::new(PLAIN);
    let segments: Vec<Segment> = (1..=12).map(Segment::number).collect();
    let paths: Vec<_> = segments.iter().map(|it| it.ready(&ground)).collect();
    let program = ground.path("bin/hayloft");
    for round in 0_u64..40 {
        let first = usize::try_from(round).unwrap() % paths.len();
        let words = ["push", "main", paths[first].to_str().unwrap()];
        let mut child = ground.command(&words).spawn().unwrap();
        thread::sleep(Duration::from_millis(round * 5 % 83));
        child.kill().unwrap();
        child.wait().unwrap();
        // What stores ahead in a process of its own is killed too, now and then.
        if let Some(pid) = find(&program, "drain").filter(|_| round % 3 > 0) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    for (segment, path) in segments.iter().zip(&paths) {
        ground.wal(&["push", "main", path.to_str().unwrap()]).exits(0);
        assert!(ground.fetch(&segment.name()) == segment.bytes(), "{}", segment.name());
    }
    no_rubbish(&ground);
}
