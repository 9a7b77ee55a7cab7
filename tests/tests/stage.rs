//! The program stages what peers collected.
#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

#[path = "stage/bad_input.rs"]
mod bad_input;
#[path = "stage/remote.rs"]
mod remote;

use std::{fs, path::Path, process::Command, thread, time::Duration};

use hayloft_tests::Sandbox;

const DAY: &str = "staging/2026/11/17";

/// A configuration with these peers. Their copy command is a script that
/// takes `user@peer:path` for the path on this machine.
fn sandbox(peers: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("HAYLOFT_NOW", "2026-11-17T02:00:00");
    sandbox.script(
        "copy",
        "#!/bin/sh\nfrom=${1#*:} to=${2#*:}\neval \"exec cp $from \\\"\\$to\\\"\"\n",
    );
    sandbox.dir("working");
    let text = format!(
        "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>$SANDBOX/copy</rcp_command>
  </options>
  <peers>{peers}</peers>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
</cb_config>\n"
    );
    sandbox.write("hayloft.xml", &text);
    sandbox
}

fn peer(kind: &str, name: &str, more: &str) -> String {
    format!(
        "\n<peer><type>{kind}</type><name>{name}</name>\
         <collect_dir>$SANDBOX/{name}</collect_dir>{more}</peer>"
    )
}

/// Lets a peer have collected these files.
fn collected(sandbox: &Sandbox, peer: &str, files: &[&str]) {
    for file in files {
        sandbox.write(&format!("{peer}/{file}"), &format!("{file} of {peer}"));
    }
    sandbox.write(&format!("{peer}/cback.collect"), "");
}

const STAGE: &[&str] = &["--config", "hayloft.xml", "run", "stage"];

#[test]
fn local_and_remote_peers_are_staged_and_told() {
    let sandbox = sandbox(&(peer("remote", "far", "") + &peer("local", "near", "")));
    collected(&sandbox, "near", &["a.tar.gz"]);
    collected(&sandbox, "far", &["b.tar", "c d.tar"]);

    sandbox.ok(STAGE).says("2 of 2 peers, 5 files");

    assert_eq!(sandbox.names(DAY), ["cback.stage", "far", "near"]);
    assert_eq!(sandbox.names(&format!("{DAY}/far")), ["b.tar", "c d.tar", "cback.collect"]);
    assert_eq!(sandbox.read(&format!("{DAY}/near/a.tar.gz")), "a.tar.gz of near");
    for peer in ["near", "far"] {
        assert!(sandbox.path(peer).join("cback.stage").exists(), "{peer} was told");
    }
    assert_eq!(sandbox.names("working"), ["hayloft"], "no indicator stays behind");
    sandbox.ok(STAGE);
}

#[test]
fn a_peer_that_is_not_ready_fails_the_run_and_the_day_until_it_is() {
    let sandbox = sandbox(&(peer("local", "late", "") + &peer("local", "near", "")));
    collected(&sandbox, "near", &["a.tar"]);
    sandbox.write("late/b.tar", "half");

    let output = sandbox.run(STAGE).exits(1);
    output.complains("peer [late] was not ready to be staged");
    assert_eq!(sandbox.names(DAY), ["near"]);

    collected(&sandbox, "late", &["b.tar"]);
    sandbox.ok(STAGE);
    assert_eq!(sandbox.names(DAY), ["cback.stage", "late", "near"]);
}

#[test]
fn a_peer_whose_failures_are_ignored_does_not_fail_the_run() {
    let often_off = peer("local", "late", "<ignore_failures>all</ignore_failures>");
    let sandbox = sandbox(&(often_off + &peer("local", "near", "")));
    collected(&sandbox, "near", &["a.tar"]);
    sandbox.ok(STAGE).says("1 of 2 peers");
    assert_eq!(sandbox.names(DAY), ["cback.stage", "near"]);
}

#[test]
fn names_of_peers_cannot_climb_out() {
    let inside = peer("local", "near", "").replace("<name>near", "<name>../../x");
    let sandbox = sandbox(&inside);
    collected(&sandbox, "near", &["a.tar"]);
    let output = sandbox.run(STAGE);
    assert!(output.code.is_some_and(|it| it != 0), "{output}");
    output.complains("the peer name \"../../x\" cannot be used: it contains a slash");
    assert!(!sandbox.path("staging").exists());
}

#[test]
fn a_dry_run_changes_nothing() {
    let sandbox = sandbox(&peer("local", "near", ""));
    collected(&sandbox, "near", &["a.tar"]);
    let output = sandbox.ok(&["--config", "hayloft.xml", "run", "--dry-run", "stage"]);
    output.says("would stage 2 files of near");
    assert!(!sandbox.path("staging").exists());
    assert_eq!(sandbox.names("near"), ["a.tar", "cback.collect"]);
}

#[test]
fn a_run_that_is_killed_leaves_nothing_that_looks_staged() {
    for signal in ["KILL", "TERM", "INT"] {
        let sandbox = sandbox(&(peer("remote", "far", "") + &peer("local", "near", "")));
        collected(&sandbox, "far", &["a.tar"]);
        let copy = sandbox.read("copy");
        // It hangs after the first file has arrived.
        sandbox.script(
            "copy",
            "#!/bin/sh\ncase $1 in *'*') echo half > $2/a.tar; touch $0.hangs; sleep 60;; esac\n\
             from=${1#*:} to=${2#*:}\neval \"exec cp $from \\\"\\$to\\\"\"\n",
        );
        let child = sandbox.spawn(STAGE);
        assert!(appears(&sandbox.path("copy.hangs")), "the copy was not started");
        let killed = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let output = sandbox.wait(child);
        assert_ne!(output.code, Some(0), "{signal}: {output}");
        let staged = sandbox.names(DAY);
        assert!(!staged.contains(&"cback.stage".to_owned()), "{signal}: {staged:?}");
        let half = staged.contains(&"far".to_owned());
        let told = staged.iter().any(|it| it.starts_with(".hayloft-claim-"));
        assert_eq!((half, told), (signal == "KILL", signal == "KILL"), "{signal}: {staged:?}");

        sandbox.script("copy", &copy);
        collected(&sandbox, "near", &["b.tar"]);
        sandbox.ok(STAGE);
        assert_eq!(sandbox.names(DAY), ["cback.stage", "far", "near"], "{signal}");
        assert_eq!(sandbox.read(&format!("{DAY}/far/a.tar")), "a.tar of far", "{signal}");
    }
}

fn appears(path: &Path) -> bool {
    for _ in 0..600 {
        if path.exists() {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

#[test]
fn a_link_that_a_peer_puts_into_its_directory_is_not_followed() {
    let sandbox = sandbox(&peer("local", "near", ""));
    collected(&sandbox, "near", &["a.tar"]);
    std::os::unix::fs::symlink("/etc/passwd", sandbox.path("near/evil")).unwrap();
    sandbox.run(STAGE).exits(1).complains("near/evil is not a regular file");
    fs::remove_file(sandbox.path("near/evil")).unwrap();
    sandbox.ok(STAGE);
}
