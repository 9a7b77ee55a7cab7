//! Backups that are interrupted.

use std::{
    fs,
    process::{Child, Stdio},
};

use hayloft_tests::chaos;

use super::ground::{Ended, Ground, ONE, TWO, wait_for};

/// Begins a backup that takes long, and waits until it copies.
pub(crate) fn begin(ground: &Ground) -> Child {
    let mut command = ground.command(&["backup", "main", "--fast", "--max-rate", "1MB"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the beginning of the backup", || {
        ground
            .ids("disk")
            .last()
            .is_some_and(|id| ground.info("disk", id).contains("status=STARTED"))
    });
    child
}

#[test]
fn a_lost_session_makes_a_backup_void() {
    let ground = Ground::new(ONE);
    let child = begin(&ground);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE application_name = 'hayloft'";
    assert_eq!(ground.sql(end), "1");
    let ended = Ended::of(&child.wait_with_output().unwrap()).exits(1);
    ended.complains("the session with the server was lost");
    let id = ground.ids("disk").remove(0);
    let info = ground.info("disk", &id);
    assert!(info.contains("status=FAILED") && info.contains("error=the session"), "{info}");
    assert!(ground.parts("disk", &id).is_empty());
    ground.pg(&["restore", "main", "$DIR/x"]).exits(1).complains("no backup that can be restored");
}

#[test]
fn what_a_killed_backup_leaves_is_put_in_order_by_the_next_one() {
    // No part is whole before the end, so there is nothing to be gone on with.
    let ground = Ground::new(&TWO.replace("4MB", "1GB"));
    let mut child = begin(&ground);
    chaos::power_cut(&mut child);
    wait_for("the end of the session", || {
        ground.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hayloft'")
            == "0"
    });
    let killed = ground.ids("disk").remove(0);
    assert!(ground.info("disk", &killed).contains("status=STARTED"));
    ground.pg(&["restore", "main", "$DIR/x"]).exits(1).complains("no backup that can be restored");
    let id = ground.backup(&[]);
    for storage in ["disk", "other"] {
        assert_eq!(ground.ids(storage), [killed.clone(), id.clone()]);
        let info = ground.info(storage, &killed);
        assert!(
            info.contains("status=FAILED") && info.contains("error=it was interrupted"),
            "{info}"
        );
        assert!(ground.parts(storage, &killed).is_empty());
        assert!(ground.info(storage, &id).contains("status=DONE"));
    }
}

#[test]
fn a_backup_is_done_only_when_its_wal_is_archived() {
    let ground = Ground::with(ONE, |it| it.setting("archive_command", "false"));
    let words = ["backup", "main", "--fast", "--json", "--wait-timeout", "1s"];
    let ended = ground.pg(&words).exits(7);
    let report = ended.json();
    assert_eq!(report["status"], "WAITING_FOR_WALS");
    assert_eq!(report["waits_for"], report["begin_wal"]);
    assert_eq!(ground.status("disk"), "WAITING_FOR_WALS");
    ground.pg(&["restore", "main", "$DIR/x"]).exits(1).complains("which is in no storage");
    let waits = ground.pg(&["backup", "main", "--fast", "--json", "--no-wait"]).exits(0);
    assert_eq!(waits.json()["status"], "WAITING_FOR_WALS");
    // Nobody says that they are done before they are.
    ground.pg(&["wal", "archive", "main"]).exits(0);
    ground.pg(&["expire", "main"]).exits(0);
    let ids = ground.ids("disk");
    for id in &ids {
        assert!(ground.info("disk", id).contains("status=WAITING_FOR_WALS"));
    }
    ground.archives_again();
    ground.archive_all();
    ground.pg(&["wal", "archive", "main"]).exits(0);
    for id in &ids {
        assert!(ground.info("disk", id).contains("status=DONE"));
    }
    ground.pg(&["verify", "main"]).exits(0);
    ground.pg(&["restore", "main", "$DIR/x"]).exits(0);
}

/// V-11: Barman calls a backup failed for good once a segment has come before
/// the one that it follows.
#[test]
fn wal_of_a_backup_may_come_in_any_order() {
    let alone = ONE.replace("<backup>", "<wal><push_ahead>0</push_ahead></wal><backup>");
    let ground =
        Ground::with(&alone, |it| it.setting("archive_command", "false").initdb("--wal-segsize=1"));
    ground.sql("CREATE TABLE filled AS SELECT 1 AS a");
    let (id, segments) = backup_of_several_segments(&ground);
    let push = |name: &String| {
        let path = ground.server.data_dir().join("pg_wal").join(name);
        ground.pg(&["wal", "push", "main", path.to_str().unwrap()]).exits(0);
        ground.pg(&["expire", "main"]).exits(0);
    };
    for name in segments[1..].iter().rev() {
        push(name);
        assert!(ground.info("disk", &id).contains("status=WAITING_FOR_WALS"), "{name}");
    }
    push(&segments[0]);
    assert!(ground.info("disk", &id).contains("status=DONE"), "{segments:?}");
    ground.pg(&["restore", "main", "$DIR/x"]).exits(0);
}

/// Takes a backup while segments end; returns its id, and those that it needs.
fn backup_of_several_segments(ground: &Ground) -> (String, Vec<String>) {
    loop {
        let words = ["backup", "main", "--fast", "--json", "--no-wait", "--max-rate", "8MB"];
        let known = ground.ids("disk").len();
        let child = ground.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        wait_for("the beginning of the backup", || ground.ids("disk").len() > known);
        for _ in 0..3 {
            ground.sql("INSERT INTO filled VALUES (2)");
            ground.sql("SELECT pg_switch_wal()");
        }
        let report = Ended::of(&child.unwrap().wait_with_output().unwrap()).exits(0).json();
        let text = |name: &str| report[name].as_str().unwrap().to_owned();
        let (first, last) = (text("begin_wal"), text("end_wal"));
        // It was quicker than the segments.
        if first == last {
            continue;
        }
        let entries = fs::read_dir(ground.server.data_dir().join("pg_wal")).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        let needed = |it: &String| it.len() == 24 && *it >= first && *it <= last;
        let mut names: Vec<String> = names.filter(needed).collect();
        names.sort();
        return (text("id"), names);
    }
}

#[test]
fn whoever_comes_next_completes_what_waited_for_wal() {
    for next in [&["expire", "main"] as &[&str], &["backup", "main", "--fast"]] {
        let ground = Ground::new(ONE);
        let words = ["backup", "main", "--fast", "--json", "--no-wait"];
        let id = ground.pg(&words).exits(0).json()["id"].as_str().unwrap().to_owned();
        ground.archive_all();
        assert!(ground.info("disk", &id).contains("status=WAITING_FOR_WALS"));
        ground.pg(next).exits(0);
        assert!(ground.info("disk", &id).contains("status=DONE"), "{next:?}");
    }
}

#[test]
fn two_machines_do_not_back_up_a_server_at_the_same_time() {
    let ground = Ground::new(&ONE.replace("4MB", "1GB"));
    ground.second_machine();
    let mut child = begin(&ground);
    let other = |words: &[&str]| {
        let mut command = ground.command_of("second.conf", words);
        Ended::of(&command.output().unwrap())
    };
    other(&["backup", "main", "--fast"]).exits(1).complains("has the lease main/leases/backup");
    // Nor does it put in order what is under way.
    assert_eq!(ground.status("disk"), "STARTED");
    chaos::power_cut(&mut child);
    // It has died, and loses the lease.
    other(&["backup", "main", "--fast"]).exits(0);
    let ids = ground.ids("disk");
    assert!(ground.info("disk", &ids[0]).contains("status=FAILED"));
    assert!(ground.info("disk", &ids[1]).contains("status=DONE"));
}

#[test]
fn two_backups_of_a_server_are_not_taken_at_the_same_time() {
    let ground = Ground::new(ONE);
    let mut child = begin(&ground);
    ground.pg(&["backup", "main", "--fast"]).exits(1).complains("is being taken already");
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    child.wait().unwrap();
    assert_eq!(ground.status("disk"), "FAILED");
}

#[test]
fn a_storage_that_fails_does_not_keep_the_other_from_its_backup() {
    let ground = Ground::new(TWO);
    let base = ground.path("other/main/base");
    fs::create_dir_all(base.parent().unwrap()).unwrap();
    fs::write(&base, "no directory").unwrap();
    for path in ["other", "other/main", "other/main/base"] {
        ground.give(&ground.path(path));
    }
    let ended = ground.pg(&["backup", "main", "--fast", "--json"]).exits(1);
    ended.complains("is not in all storages").complains("other");
    assert_eq!(ground.status("disk"), "DONE");
    ground.pg(&["restore", "main", "$DIR/copy"]).exits(0);
}
