//! Files as servers and PostgreSQL's own programs bring them.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use hayloft_tests::postgres::{Postgres, installed_versions};
use rustix::process::{Pid, Signal, kill_process};

use super::setting::{Setting, make_segments, visible, wait_for};

/// Gives a directory to whom the server runs as.
fn give(server: &Postgres, path: &Path) {
    let owner = fs::metadata(server.data_dir()).unwrap();
    std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

#[test]
fn what_archive_command_copies_is_archived() {
    for programs in installed_versions() {
        let mut server = Postgres::options()
            .programs(&programs)
            .initdb("--wal-segsize=1")
            .setting("wal_keep_size", "1GB")
            .setting("archive_mode", "on")
            // It runs in the data directory.
            .setting("archive_command", "cp %p ../incoming/%f")
            .start();
        let incoming = server.directory().join("incoming");
        fs::create_dir(&incoming).unwrap();
        give(&server, &incoming);
        let path = incoming.display();
        let setting = Setting::with(
            &format!("<incoming_wals_directory>{path}</incoming_wals_directory>"),
            "",
        );
        let segments = make_segments(&server, 4);
        // A backup leaves a label in the archive.
        let backup = "SELECT pg_backup_start('b', true); SELECT lsn FROM pg_backup_stop(false)";
        server.sql("postgres", backup);
        // A promotion leaves a history, and what is left of the old timeline.
        server.stop();
        fs::write(server.data_dir().join("standby.signal"), "").unwrap();
        give(&server, &server.data_dir().join("standby.signal"));
        server.start_again();
        wait_for("the promotion", || server.sql("postgres", "SELECT pg_promote()") == "t");
        let kinds = [".backup", ".partial", ".history"];
        wait_for("all kinds of files", || {
            kinds.iter().all(|kind| visible(&incoming).iter().any(|it| it.ends_with(kind)))
        });
        wait_for("the archiver", || {
            server.sql("postgres", "SELECT pg_switch_wal()");
            let waits = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";
            server.sql("postgres", waits) == "0"
        });
        let waiting: Vec<PathBuf> = visible(&incoming).iter().map(|it| incoming.join(it)).collect();
        let aside = setting.sandbox.dir("aside");
        let copies: Vec<PathBuf> = waiting
            .iter()
            .map(|it| {
                let copy = aside.join(it.file_name().unwrap());
                fs::copy(it, &copy).unwrap();
                copy
            })
            .collect();
        setting.archive(&[]).exits(0);
        setting.has(&copies);
        setting.has(&segments);
        assert!(visible(&incoming).is_empty());
        assert!(setting.errors().is_empty());
    }
}

#[test]
fn what_pg_receivewal_receives_is_archived_while_it_goes_on() {
    let server =
        Postgres::options().initdb("--wal-segsize=1").setting("wal_keep_size", "1GB").start();
    let setting = Setting::new();
    fs::create_dir_all(setting.streaming()).unwrap();
    let mut command = server.command("pg_receivewal");
    command.arg("-D").arg(setting.streaming()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_for("the stream", || {
        server.sql("postgres", "SELECT count(*) FROM pg_stat_replication") == "1"
    });
    let segments = make_segments(&server, 12);
    let received = |name: &PathBuf| {
        let name = name.file_name().unwrap();
        setting.streaming().join(name).exists()
            || setting.archived().contains_key(name.to_str().unwrap())
    };
    let from = segments.iter().position(received).unwrap_or(0);
    wait_for("the segments", || {
        setting.archive(&[]).exits(0);
        segments[from..].iter().all(received)
    });
    setting.archive(&[]).exits(0);
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    child.wait().unwrap();
    setting.archive(&[]).exits(0);
    // The newest file stays; it is not whole, unless nothing has come after it.
    let left = visible(&setting.streaming());
    assert_eq!(left.len(), 1, "{left:?}");
    let archived = setting.archived();
    let name = |it: &PathBuf| it.file_name().unwrap().to_str().unwrap().to_owned();
    let first = segments.iter().position(|it| archived.contains_key(&name(it))).unwrap();
    let expected: Vec<PathBuf> =
        segments[first..].iter().filter(|it| name(it) != left[0]).cloned().collect();
    assert!(expected.len() > 3, "{expected:?}");
    setting.has(&expected);
}
