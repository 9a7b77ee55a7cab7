//! Real servers under load archive, and others replay what they have archived.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use hayloft_tests::postgres::{Options, Postgres, version};

use super::ground::{Ground, PLAIN, archive_all, check_archive, done, wait_for};

/// Lets pgbench write for so many seconds.
pub(crate) fn load(server: &Postgres, seconds: u32) -> Child {
    let mut command = server.command("pgbench");
    command.args(["--client=4", "--jobs=2", "--no-vacuum", &format!("--time={seconds}"), "bench"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Copies the files of a stopped server.
pub(crate) fn copy(server: &Postgres, ground: &Ground) -> std::path::PathBuf {
    let copy = ground.path("copy");
    let copied = Command::new("cp").arg("-a").arg(server.data_dir()).arg(&copy).status().unwrap();
    assert!(copied.success());
    copy
}

/// Starts a server on the copy that replays everything there is, and returns
/// it when it has done so.
pub(crate) fn replay(ground: &Ground, copy: &std::path::Path, options: Options) -> Postgres {
    replay_by(ground, copy, options.setting("restore_command", &ground.line("get main %f %p")))
}

/// The same with a `restore_command` of these options.
pub(crate) fn replay_by(ground: &Ground, copy: &std::path::Path, options: Options) -> Postgres {
    let mut server = options.start();
    server.stop();
    fs::remove_dir_all(server.data_dir()).unwrap();
    fs::rename(copy, server.data_dir()).unwrap();
    let signal = server.data_dir().join("recovery.signal");
    fs::write(&signal, "").unwrap();
    ground.give(&signal);
    server.start_again();
    wait_for("the end of the recovery", || {
        server.sql("postgres", "SELECT pg_is_in_recovery()") == "f"
    });
    server
}

/// A server archives under load, in segments of this size; then another one
/// replays all of it.
fn archive_and_replay(major: u32, segment_size: &str, seconds: u32) {
    let programs = version(major);
    let mut ground = Ground::new(PLAIN);
    let size = format!("--wal-segsize={segment_size}");
    let mut server = ground.archiving().programs(&programs).initdb(&size).start();
    ground.belong_to(&server);
    server.pgbench("bench", 2);
    archive_all(&server);
    server.stop();
    let copy = copy(&server, &ground);
    server.start_again();

    assert!(load(&server, seconds).wait().unwrap().success());
    let last = archive_all(&server);
    let checksum = server.checksum("bench", "pgbench_accounts");

    let checked = check_archive(&ground, &server);
    assert!(checked >= 2, "{checked} segments only");
    assert!(done(&server).contains(&last));

    let options = Postgres::options().programs(&programs).initdb(&size);
    let replayed = replay(&ground, &copy, options);
    assert_eq!(replayed.checksum("bench", "pgbench_accounts"), checksum, "{}", replayed.log());
    assert!(replayed.log().contains(&format!("restored log file \"{last}\"")));
}

#[test]
fn what_a_server_archives_under_load_another_one_replays() {
    archive_and_replay(15, "16", 8);
}

#[test]
fn the_newest_version_archives_and_replays_too() {
    archive_and_replay(18, "16", 5);
}

#[test]
fn small_segments_come_in_crowds_and_none_is_lost() {
    archive_and_replay(15, "1", 8);
}

#[test]
fn large_segments_are_archived_whole() {
    archive_and_replay(15, "64", 5);
}

#[test]
fn a_server_that_is_stopped_and_crashes_goes_on_archiving() {
    let mut ground = Ground::new(PLAIN);
    let mut server = ground.archiving().initdb("--wal-segsize=1").start();
    ground.belong_to(&server);
    server.pgbench("bench", 1);
    for round in 0..4 {
        // It ends with its server.
        let mut load = load(&server, 600);
        let before = done(&server).len();
        wait_for("further segments", || done(&server).len() > before + 3);
        if round % 2 == 0 {
            server.crash();
        } else {
            server.stop();
        }
        load.wait().unwrap();
        server.start_again();
    }
    archive_all(&server);
    assert!(check_archive(&ground, &server) > 12);
}
