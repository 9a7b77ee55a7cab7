//! A primary that finishes segments for its standby.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use hayloft_postgres::{
    Failure,
    server::{BackupStart, BackupStopped, Switching, while_switching},
};
use hayloft_tests::postgres::Postgres;

use super::{
    connect,
    standby::{standby_of, standby_with},
    version_of,
};

fn quick() -> Switching {
    // A request before the standby has decided where its backup ends leaves
    // nothing for the next ones to finish: a checkpoint writes something.
    let checkpoint_after = Some(Duration::from_secs(1));
    Switching { every: Duration::from_secs(1), times: 5, checkpoint_after, ..Switching::default() }
}

/// Writes WAL that nothing finishes, and waits until the standby has it: the
/// end of a backup would lie before it otherwise, and not wait for it.
fn write_wal(primary: &Postgres, standby: &Postgres) {
    primary.sql("postgres", "CREATE TABLE t AS SELECT generate_series(1, 1000)");
    let written = primary.sql("postgres", "SELECT pg_current_wal_lsn()");
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
    while standby.sql("postgres", &replayed) != "t" {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_backup_of_a_standby_that_waits_for_its_archive_ends() {
    // A standby refuses a backup without them.
    let primary = Postgres::options().setting("full_page_writes", "on").start();
    let archiving =
        Postgres::options().setting("archive_mode", "always").setting("archive_command", "true");
    let standby = standby_with(&primary, archiving);
    let (ours, theirs) = (connect(&standby, "postgres"), connect(&primary, "postgres"));
    let version = version_of(&ours);
    write_wal(&primary, &standby);
    BackupStart::begin(&ours, version, "waits", true).unwrap();
    let (stopped, switched) =
        while_switching(&theirs, &quick(), || BackupStopped::end(&ours, version, true));
    let stopped = stopped.unwrap();
    assert!(switched.times > 0 && switched.problem.is_none(), "{switched:?}");
    let last = primary.sql("postgres", "SELECT pg_current_wal_lsn()");
    assert!(stopped.lsn <= last.parse().unwrap());
}

#[test]
fn the_requests_end_with_the_work_and_tell_what_was_refused() {
    let primary = Postgres::start();
    let standby = standby_of(&primary);
    let theirs = connect(&primary, "postgres");
    let (result, switched) = while_switching(&theirs, &Switching::default(), || 7);
    assert_eq!((result, switched.times), (7, 0));

    // The wrong server: it cannot.
    let often = Switching {
        every: Duration::from_millis(20),
        times: 2,
        checkpoint_after: Some(Duration::from_millis(20)),
        ..Switching::default()
    };
    let wrong = connect(&standby, "postgres");
    let wait = || std::thread::sleep(Duration::from_secs(2));
    let ((), switched) = while_switching(&wrong, &often, wait);
    assert_eq!(switched.times, 0);
    assert!(switched.problem.is_some());
    let ((), switched) = while_switching(&theirs, &often, wait);
    assert!(switched.times == 3 && switched.checkpoint, "{switched:?}");

    // A panic ends them too.
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        while_switching(&theirs, &Switching::default(), || panic!("on purpose"))
    }));
    assert!(panicked.is_err());
}

#[test]
fn a_primary_that_hangs_costs_its_patience_and_no_more() {
    let primary = Postgres::start();
    let theirs = connect(&primary, "postgres");
    let pid = primary.sql("postgres", "SELECT pid FROM pg_stat_activity WHERE state = 'idle'");
    let signal = |name: &str| Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(signal("-STOP").success());
    let how = Switching {
        every: Duration::from_millis(10),
        times: 1,
        patience: Duration::from_secs(1),
        checkpoint_after: None,
    };
    let began = Instant::now();
    let wait = || std::thread::sleep(Duration::from_millis(500));
    let ((), switched) = while_switching(&theirs, &how, wait);
    let took = began.elapsed();
    assert!(signal("-CONT").success());
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(switched.times == 0 && switched.problem.is_some(), "{switched:?}");
}

#[test]
fn the_end_of_a_backup_does_not_wait_for_ever() {
    let primary = Postgres::options().setting("full_page_writes", "on").start();
    let archiving =
        Postgres::options().setting("archive_mode", "always").setting("archive_command", "false");
    let standby = standby_with(&primary, archiving);
    let ours = connect(&standby, "postgres");
    let version = version_of(&ours);
    write_wal(&primary, &standby);
    BackupStart::begin(&ours, version, "waits", true).unwrap();
    let began = Instant::now();
    let error = BackupStopped::end_within(&ours, version, Duration::from_secs(2)).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(error.to_string().contains("did not archive the WAL"), "{error}");
    assert!(error.hint().unwrap().contains("pg_switch_wal"), "{error}");
    // The session is as good as before.
    BackupStart::begin(&ours, version, "again", true).unwrap();
    BackupStopped::end(&ours, version, false).unwrap();
}
