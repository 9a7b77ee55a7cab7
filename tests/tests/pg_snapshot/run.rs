//! `run -- COMMAND` wraps whatever makes a snapshot.

use std::fs;

use super::setting::{Archive, Setting, archiving, kill, sessions, within};

fn setting() -> (Archive, Setting) {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    (archive, setting)
}

#[test]
fn the_command_runs_while_the_backup_does() {
    let (_archive, setting) = setting();
    let output = setting.sandbox.dir("label");
    let script = setting.sandbox.script(
        "snap",
        "#!/bin/sh\necho \"$HAYLOFT_SNAPSHOT_ID|$HAYLOFT_SNAPSHOT_SERVER|\
         $HAYLOFT_SNAPSHOT_START_LSN|$HAYLOFT_SNAPSHOT_OUTPUT|$*\" > seen\n\
         echo it is taken\nls \"$HAYLOFT_SNAPSHOT_OUTPUT\" >> seen\n",
    );
    let (script, label) = (script.to_str().unwrap(), output.to_str().unwrap());
    let done = setting.snapshot(&["run", "main", "-o", label, "--", script, "-r", "a b", "--x"]);
    done.clone().exits(0).says("it is taken").says("complete");
    let seen = setting.sandbox.read("seen");
    let record = setting.status();
    let text = |name: &str| record[name].as_str().unwrap().to_owned();
    let wanted = format!("{}|main|{}|{label}|-r a b --x\n", text("id"), text("start_lsn"));
    assert_eq!(seen, wanted, "and there is no label while the files are copied");
    assert!(output.join("backup_label").exists());
    assert!(within(|| sessions(&setting.server) == "0"));
    let json = setting.snapshot(&["run", "main", "--json", "--", script]).exits(0).json();
    assert_eq!(json["phase"], "complete", "what the command writes is not among it");
}

#[test]
fn a_command_that_fails_gives_the_backup_up() {
    let (_archive, setting) = setting();
    let script = setting.sandbox.script("snap", "#!/bin/sh\necho no such pool >&2\nexit 3\n");
    let output = setting.snapshot(&["run", "main", "--", script.to_str().unwrap()]).exits(1);
    output.complains("the backup was given up").complains("exit code 3").complains("no such pool");
    assert_eq!(setting.status()["phase"], "aborted");
    assert!(!setting.place().join("backup_label").exists());
    let output = setting.snapshot(&["run", "main", "--", "no-such-program"]).exits(1);
    output.complains("no-such-program");
    assert!(within(|| sessions(&setting.server) == "0"));
}

#[test]
fn a_session_that_is_lost_meanwhile_is_told_though_the_command_ended_well() {
    let (_archive, setting) = setting();
    let script = setting.sandbox.script("snap", "#!/bin/sh\ntouch begun\nsleep 3\n");
    let script = script.to_str().unwrap();
    let run = ["--config", "hayloft.xml", "pg", "snapshot", "run", "main", "--", script];
    let child = setting.sandbox.spawn(&run);
    assert!(within(|| setting.sandbox.path("begun").exists()));
    let terminate = format!("SELECT pg_terminate_backend({})", setting.status()["backend_pid"]);
    setting.server.sql("postgres", &terminate);
    setting.sandbox.wait(child).exits(1).complains("the backup is void");
}

#[test]
fn an_interruption_ends_the_command_and_the_session() {
    let (_archive, setting) = setting();
    let script = setting.sandbox.script(
        "snap",
        "#!/bin/sh\ntrap 'echo told > told; exit 1' TERM\ntouch begun\nsleep 60 & wait\n",
    );
    let script = script.to_str().unwrap();
    let run = ["--config", "hayloft.xml", "pg", "snapshot", "run", "main", "--", script];
    let child = setting.sandbox.spawn(&run);
    assert!(within(|| setting.sandbox.path("begun").exists()));
    kill(&child.id().into(), "-INT");
    setting.sandbox.wait(child).exits(5);
    assert_eq!(setting.sandbox.read("told"), "told\n", "the signal was passed on");
    assert!(within(|| sessions(&setting.server) == "0"));
    assert!(!setting.place().join("backup_label").exists());
}

#[test]
fn a_power_cut_of_the_program_ends_the_session() {
    let (_archive, setting) = setting();
    let script = setting.sandbox.script("snap", "#!/bin/sh\ntouch begun\nexec sleep 5\n");
    let script = script.to_str().unwrap();
    let run = ["--config", "hayloft.xml", "pg", "snapshot", "run", "main", "--", script];
    let mut child = setting.sandbox.spawn(&run);
    assert!(within(|| setting.sandbox.path("begun").exists()));
    hayloft_tests::chaos::power_cut(&mut child);
    assert!(within(|| sessions(&setting.server) == "0"));
    // The worker may have had the time to give it up.
    let ended = || setting.status()["phase"].as_str().map(ToOwned::to_owned);
    assert!(within(|| ended().is_some_and(|it| ["failed", "aborted"].contains(&it.as_str()))));
    setting.snapshot(&["end", "main"]).exits(1);
    assert!(!setting.place().join("backup_label").exists());
}

#[test]
fn hooks_are_asked_before_and_told_after() {
    let (_archive, setting) = setting();
    let script = setting.sandbox.script(
        "hook",
        "#!/bin/sh\necho \"$HAYLOFT_EVENT $HAYLOFT_SERVER $HAYLOFT_OUTCOME\" >> events\n\
         test ! -e veto || exit 1\n",
    );
    let hooks: Vec<String> = ["pre_snapshot", "post_snapshot"]
        .iter()
        .map(|it| {
            let command = script.display();
            format!("<hook><on>{it}</on><type>script</type><command>{command}</command></hook>")
        })
        .collect();
    let text = setting.sandbox.read("hayloft.xml");
    let text =
        text.replace("</cb_config>", &format!("<hooks>{}</hooks></cb_config>", hooks.concat()));
    setting.sandbox.write("hayloft.xml", &text);
    setting.begin();
    setting.snapshot(&["end", "main"]).exits(0);
    assert_eq!(setting.sandbox.read("events"), "pre_snapshot main \npost_snapshot main complete\n");
    fs::write(setting.sandbox.path("veto"), "").unwrap();
    setting.snapshot(&["begin", "main"]).exits(1).complains("stopped it");
    setting.snapshot(&["run", "main", "--", "touch", "ran"]).exits(1);
    assert!(!setting.sandbox.path("ran").exists());
    assert_eq!(sessions(&setting.server), "0");
}
