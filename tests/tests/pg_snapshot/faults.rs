//! What goes wrong is told, and never taken for a backup.

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::setting::{Archive, Setting, archiving, kill, sandbox_for, sessions, snapshot, within};

fn setting() -> (Archive, Setting) {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    (archive, setting)
}

fn reason(record: &Value) -> String {
    record["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_killed_holder_makes_the_backup_void_at_once() {
    let (_archive, setting) = setting();
    let begun = setting.begin();
    kill(&begun["holder"]["pid"], "-KILL");
    let asked = Instant::now();
    let output = setting.snapshot(&["end", "main"]).exits(1);
    output.complains("the backup is void").complains("is gone");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(!setting.place().join("backup_label").exists());
    assert!(!setting.place().join("socket").exists(), "a stale socket is swept");
    assert!(within(|| sessions(&setting.server) == "0"));
    // The next one is none the worse.
    setting.begin();
    setting.snapshot(&["end", "main"]).exits(0);
}

#[test]
fn a_holder_killed_with_its_watcher_is_noticed_by_status() {
    let (_archive, setting) = setting();
    let begun = setting.begin();
    let pid = begun["holder"]["pid"].to_string();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|it| it.strip_prefix("PPid:")).unwrap().trim().to_owned();
    kill(&parent.parse::<u32>().unwrap().into(), "-KILL");
    kill(&begun["holder"]["pid"], "-KILL");
    let failed = setting.reaches("failed");
    assert!(!reason(&failed).is_empty(), "{failed}");
}

#[test]
fn a_restarted_server_makes_the_backup_void() {
    let (_archive, mut setting) = setting();
    setting.begin();
    setting.server.stop();
    let failed = setting.reaches("failed");
    assert!(reason(&failed).contains("the session that held the backup is lost"), "{failed}");
    setting.server.start_again();
    setting.snapshot(&["end", "main"]).exits(1).complains("the backup is void");
    setting.begin();
    setting.snapshot(&["end", "main"]).exits(0);
}

#[test]
fn a_crashed_server_makes_the_backup_void() {
    let (_archive, mut setting) = setting();
    setting.begin();
    setting.server.crash();
    setting.reaches("failed");
    setting.snapshot(&["end", "main"]).exits(1).complains("the backup is void");
    setting.snapshot(&["begin", "main"]).exits(1).complains("cannot connect");
}

#[test]
fn a_terminated_session_makes_the_backup_void() {
    let (_archive, setting) = setting();
    let begun = setting.begin();
    let backend = &begun["backend_pid"];
    setting.server.sql("postgres", &format!("SELECT pg_terminate_backend({backend})"));
    let failed = setting.reaches("failed");
    assert!(reason(&failed).contains("terminating connection"), "{failed}");
    setting.snapshot(&["end", "main"]).exits(1).complains("terminating connection");
}

#[test]
fn a_time_limit_for_idle_sessions_does_not_end_the_backup() {
    let archive = Archive::new();
    let options = archiving(&archive).setting("idle_session_timeout", "500ms");
    let setting = Setting::new(options.setting("statement_timeout", "2s").start());
    setting.begin();
    thread::sleep(Duration::from_secs(2));
    setting.snapshot(&["end", "main"]).exits(0);
}

#[test]
fn a_backup_that_takes_too_long_is_given_up() {
    let (_archive, setting) = setting();
    setting.snapshot(&["begin", "main", "--deadline", "2s"]).exits(0);
    let failed = setting.reaches("failed");
    assert!(reason(&failed).contains("the deadline passed"), "{failed}");
    setting.snapshot(&["end", "main"]).exits(1).complains("the deadline passed");
    assert!(within(|| sessions(&setting.server) == "0"));
}

#[test]
fn the_second_beginner_is_told_who_holds_the_session() {
    let (_archive, setting) = setting();
    let begun = setting.begin();
    let output = setting.snapshot(&["begin", "main"]).exits(1);
    output.complains("a snapshot session is running already");
    output.complains(begun["id"].as_str().unwrap()).complains("snapshot abort main");
    // From elsewhere the server's lock tells.
    let elsewhere = sandbox_for(&setting.server, "");
    let output = snapshot(&elsewhere, &["begin", "main"]).exits(1);
    output.complains("another snapshot session is open at the server");
    output.complains(&format!("its process {}", begun["backend_pid"]));
    assert_eq!(setting.status()["id"], begun["id"], "the first one is as before");
    setting.snapshot(&["end", "main"]).exits(0);
}

#[test]
fn of_several_who_begin_at_once_one_does() {
    let (_archive, setting) = setting();
    let all: Vec<_> = (0..5)
        .map(|_| {
            let arguments =
                ["--config", "hayloft.xml", "pg", "snapshot", "begin", "main", "--json"];
            setting.sandbox.spawn(&arguments)
        })
        .collect();
    let all: Vec<_> = all.into_iter().map(|it| setting.sandbox.wait(it)).collect();
    let (good, bad): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.code == Some(0));
    assert_eq!(good.len(), 1, "{bad:?}");
    for output in bad {
        output.exits(1).complains("a snapshot session is running already");
    }
    let id = good[0].json()["id"].as_str().unwrap().to_owned();
    assert_eq!(setting.status()["id"], id.as_str());
    assert_eq!(sessions(&setting.server), "1");
    setting.snapshot(&["end", "main", "--id", "other"]).exits(1).complains(&id);
    setting.snapshot(&["end", "main", "--id", &id]).exits(0);
}

#[test]
fn an_end_is_told_once_unless_the_session_is_named() {
    let (_archive, setting) = setting();
    let id = setting.begin()["id"].as_str().unwrap().to_owned();
    let first = setting.snapshot(&["end", "main", "--json"]).exits(0).json();
    // A script whose `begin` never ran must not get last night's good answer.
    let again = setting.snapshot(&["end", "main"]).exits(1);
    again.complains("no snapshot session is running").complains(&id);
    let named = setting.snapshot(&["end", "main", "--id", &id, "--json"]).exits(0).json();
    assert_eq!(named, first);
}

#[test]
fn two_ends_at_once_get_the_same_answer() {
    let (archive, setting) = setting();
    archive.break_it();
    setting.begin();
    let end = ["--config", "hayloft.xml", "pg", "snapshot", "end", "main", "--json"];
    let all: Vec<_> = (0..2).map(|_| setting.sandbox.spawn(&end)).collect();
    setting.reaches("archiving");
    thread::sleep(Duration::from_millis(500));
    archive.mend();
    setting.server.sql("postgres", "SELECT pg_switch_wal()");
    for child in all {
        assert_eq!(setting.sandbox.wait(child).exits(0).json()["phase"], "complete");
    }
}

#[test]
fn a_label_for_which_there_is_no_room_can_be_written_elsewhere() {
    let (_archive, setting) = setting();
    let small = setting.sandbox.dir("small");
    let mounted = full_disk(&small);
    setting.snapshot(&["begin", "main", "-o", small.to_str().unwrap()]).exits(0);
    let output = setting.snapshot(&["end", "main"]).exits(1);
    output.complains("the backup was not ended").complains("cannot write");
    assert_eq!(setting.status()["phase"], "undelivered");
    assert!(!small.join("backup_label").exists());
    let other = setting.sandbox.dir("other");
    setting.snapshot(&["end", "main", "-o", other.to_str().unwrap()]).exits(0);
    let label = fs::read_to_string(other.join("backup_label")).unwrap();
    assert!(label.starts_with("START WAL LOCATION"), "{label}");
    drop(mounted);
}

/// Makes a place that nothing can be written into.
fn full_disk(directory: &std::path::Path) -> Full {
    if rustix::process::geteuid().is_root() {
        let mount = ["-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "none"];
        let done = Command::new("mount").args(mount).arg(directory).stderr(Stdio::null()).status();
        if done.is_ok_and(|it| it.success()) {
            fs::write(directory.join("filler"), [0; 4096]).unwrap();
            return Full(Some(directory.to_owned()));
        }
    }
    // Without the right to mount: what cannot be replaced is in the way.
    fs::create_dir_all(directory.join(".backup_label.new/x")).unwrap();
    fs::create_dir_all(directory).unwrap();
    Full(None)
}

/// Gone with the test.
struct Full(Option<std::path::PathBuf>);

impl Drop for Full {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = Command::new("umount").arg(path).status();
        }
    }
}

#[test]
fn stale_state_is_no_session() {
    let (_archive, setting) = setting();
    setting.begin();
    setting.snapshot(&["end", "main"]).exits(0);
    // As a machine that lost its power leaves it; the number is another's now.
    let path = setting.place().join("session.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["phase"] = "running".into();
    record["holder"]["pid"] = std::process::id().into();
    fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    symlink("/nonexistent", setting.place().join("socket")).unwrap();
    setting.snapshot(&["end", "main"]).exits(1).complains("the backup is void");
    setting.begin();
    setting.snapshot(&["end", "main"]).exits(0);
}

#[test]
fn state_that_others_can_change_is_not_believed() {
    let (_archive, setting) = setting();
    setting.begin();
    setting.snapshot(&["abort", "main"]).exits(0);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o770);
    fs::set_permissions(setting.place(), open).unwrap();
    for command in ["begin", "end", "status", "abort"] {
        setting.snapshot(&[command, "main"]).exits(1).complains("can be changed by others");
    }
}

#[test]
fn a_beginning_that_is_interrupted_leaves_no_session() {
    // A spread checkpoint takes its time.
    let archive = Archive::new();
    let options = archiving(&archive).setting("checkpoint_timeout", "1h");
    let setting = Setting::new(options.start());
    setting.server.pgbench("bench", 1);
    let begin = ["--config", "hayloft.xml", "pg", "snapshot", "begin", "main", "--spread"];
    let child = setting.sandbox.spawn(&begin);
    let early = within(|| setting.status()["phase"] == "starting");
    kill(&child.id().into(), "-INT");
    let output = setting.sandbox.wait(child);
    assert!(early, "{output}");
    output.exits(5);
    assert!(within(|| sessions(&setting.server) == "0"));
    let record = setting.status();
    assert!(["aborted", "failed"].contains(&record["phase"].as_str().unwrap()), "{record}");
}

#[test]
fn a_begin_that_fails_keeps_the_label_of_the_last_backup() {
    let (_archive, mut setting) = setting();
    setting.begin();
    let ended = setting.snapshot(&["end", "main", "--json"]).exits(0).json();
    let label = setting.file(&ended["label_file"]);
    let text = fs::read(&label).unwrap();
    setting.server.stop();
    setting.snapshot(&["begin", "main"]).exits(1).complains("cannot connect");
    assert_eq!(fs::read(&label).unwrap(), text, "it is all that makes the last copy a backup");
    setting.server.start_again();
    // A backup that has begun makes it that of another one.
    setting.begin();
    assert!(!label.exists());
    setting.snapshot(&["end", "main"]).exits(0);
    assert_ne!(fs::read(&label).unwrap(), text);
}

/// No file may get longer, as on a disk that is full.
const FULL: &str = "trap '' XFSZ; exec timeout 60 prlimit --fsize=\"$1\" \"$0\" -c hayloft.xml \
                    pg snapshot begin main";

#[test]
fn a_full_disk_is_told_at_once() {
    let (_archive, setting) = setting();
    let program = setting.sandbox.program().path();
    // The record grows with what is known: it is cut off at different times.
    for size in [0, 200, 500, 600, 700, 800, 900, 1000] {
        let mut shell = Command::new("sh");
        shell.args(["-c", FULL]).arg(&program).arg(size.to_string());
        shell.current_dir(setting.sandbox.path("")).env("HOME", setting.sandbox.path(""));
        let output = shell.env("XDG_STATE_HOME", "").output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            assert_eq!(setting.status()["phase"], "running", "{size}");
            let ended = setting.snapshot(&["abort", "main"]);
            assert_eq!(ended.code, Some(0), "{size}: {ended}");
        } else {
            assert_eq!(output.status.code(), Some(1), "{size}: {told}");
            assert!(told.contains("error: "), "{size}: {told}");
        }
        let idle = within(|| sessions(&setting.server) == "0");
        assert!(idle, "{size}: nobody is left in backup mode: {told}");
    }
}

#[test]
fn a_clone_does_not_take_the_label_of_the_original() {
    let (_archive, setting) = setting();
    let begun = setting.begin();
    let id = begun["id"].as_str().unwrap();
    setting.snapshot(&["end", "main"]).exits(0);
    setting.snapshot(&["end", "main", "--id", id]).exits(0);
    let path = setting.place().join("session.json");
    let text = fs::read_to_string(&path).unwrap();
    let here = begun["machine"].as_str().unwrap();
    fs::write(&path, text.replace(here, "elsewhere 1 pid:[2]")).unwrap();
    let output = setting.snapshot(&["end", "main", "--id", id]).exits(1);
    output.complains("on another machine");
    setting.snapshot(&["status", "main"]).says("elsewhere 1 pid:[2], which is not this one");
    // What the original still held is lost in the clone: its lock is not.
    let held = text.replace(here, "elsewhere 1 pid:[2]").replace("\"complete\"", "\"running\"");
    fs::write(&path, held).unwrap();
    setting.snapshot(&["end", "main", "--id", id]).exits(1).complains("the backup is void");
    setting.begin();
    setting.snapshot(&["end", "main"]).exits(0);
}

#[test]
fn a_server_that_says_nothing_is_lost_after_its_time_and_not_before() {
    let archive = Archive::new();
    let server = archiving(&archive).start();
    let sandbox = sandbox_for(&server, "<keepalive_timeout>3s</keepalive_timeout>");
    let setting = Setting { server, sandbox };
    let begun = setting.begin();
    let backend = begun["backend_pid"].clone();
    kill(&backend, "-STOP");
    // Longer than the interval of one second: a loaded server answers late.
    thread::sleep(Duration::from_millis(1800));
    assert_eq!(setting.status()["phase"], "running");
    kill(&backend, "-CONT");
    setting.snapshot(&["end", "main"]).exits(0);
    let begun = setting.begin();
    kill(&begun["backend_pid"], "-STOP");
    let failed = setting.reaches("failed");
    kill(&begun["backend_pid"], "-CONT");
    assert!(reason(&failed).contains("did not answer within 3 s"), "{failed}");
}
