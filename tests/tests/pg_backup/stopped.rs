//! The server ends while it is backed up.

use std::process::Stdio;

use super::ground::{Ended, Ground, ONE, wait_for};

/// Stops the server as an administrator does, while it is copied.
fn stop(ground: &Ground, mode: &str) {
    let mut command = ground.server.unprivileged("pg_ctl");
    command.args(["stop", "-w", "-t", "240", "-m", mode, "-D"]).arg(ground.server.data_dir());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The part size is large, so that the next backup has nothing to go on with.
fn stopped(method: &str, mode: &str) {
    let mut ground = Ground::new(&ONE.replace("4MB", "1GB"));
    let previous = ground.backup(&[]);
    let words = ["backup", "main", "--fast", "--max-rate", "1MB", "--method", method];
    let mut command = ground.command(&words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let now = || ground.ids("disk").pop().filter(|it| *it != previous);
    wait_for("the beginning of the copy", || {
        now().is_some_and(|id| ground.info("disk", &id).contains("status=STARTED"))
    });
    let id = now().unwrap();
    stop(&ground, mode);
    let ended = Ended::of(&child.wait_with_output().unwrap()).exits(1);
    let info = ground.info("disk", &id);
    assert!(info.contains("status=FAILED"), "{method} {mode}: {info}");
    let error = info.lines().find_map(|it| it.strip_prefix("error=")).unwrap();
    assert!(error.contains("server") && error != "None", "{method} {mode}: {error}");
    ended.complains("server");
    assert!(ground.parts("disk", &id).is_empty());
    // What was there can be restored, and what comes next can be taken.
    ground.pg(&["verify", "main"]).exits(0);
    ground.pg(&["backup", "main"]).exits(1).complains("main");
    ground.server.stop();
    ground.server.start_again();
    let next = ground.backup(&[]);
    assert!(ground.info("disk", &next).contains("status=DONE"));
    let failed = ground.info("disk", &id);
    assert!(failed.contains("status=FAILED") && failed.contains(error), "{failed}");
    ground.pg(&["verify", "main"]).exits(0);
}

#[test]
fn a_server_that_is_stopped_makes_a_local_backup_void() {
    stopped("local", "fast");
}

#[test]
fn a_server_that_crashes_makes_a_local_backup_void() {
    stopped("local", "immediate");
}

#[test]
fn a_server_that_is_stopped_makes_a_streamed_backup_void() {
    stopped("stream", "fast");
}

#[test]
fn a_server_that_crashes_makes_a_streamed_backup_void() {
    stopped("stream", "immediate");
}
