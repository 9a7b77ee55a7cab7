//! The command line as an administrator meets it, with wrong input above all.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::Duration,
};

use hayloft_tests::{Output, Sandbox};

const GOOD: &str = "\
<cb_config>
  <options>
    <starting_day>tuesday</starting_day>
    <working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user>
    <backup_group>$GROUP</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
  </options>
  <collect>
    <collect_dir>$SANDBOX/collect</collect_dir>
    <collect_mode>daily</collect_mode>
    <archive_mode>tarzst</archive_mode>
    <ignore_file>.cbignore</ignore_file>
    <dir><abs_path>$SANDBOX/source</abs_path></dir>
  </collect>
</cb_config>
";

fn sandbox(configuration: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    for dir in ["work", "collect", "source"] {
        sandbox.dir(dir);
    }
    sandbox.write("source/file.txt", "hay\n");
    sandbox.write("h.conf", configuration);
    sandbox
}

fn run(sandbox: &Sandbox, words: &[&str]) -> Output {
    let arguments: Vec<&str> = ["-c", "h.conf"].into_iter().chain(words.iter().copied()).collect();
    sandbox.run(&arguments)
}

#[test]
fn a_wrong_value_is_shown_where_it_stands_with_all_others() {
    let wrong = GOOD
        .replace("tuesday", "tusday")
        .replace("<collect_mode>daily", "<collect_mode>dayly")
        .replace("$SANDBOX/collect", "collect");
    let sandbox = sandbox(&wrong);
    for words in [&["config", "check"][..], &["run", "collect"]] {
        let output = run(&sandbox, words).exits(4);
        output
            .complains("h.conf:3:19")
            .complains("tusday")
            .complains("h.conf:10:18")
            .complains("h.conf:11:19")
            .complains("dayly")
            .complains("3 errors in the configuration");
    }
    assert_eq!(sandbox.names("work"), [""; 0], "nothing was written");
}

#[test]
fn findings_are_there_for_scripts() {
    let sandbox = sandbox(&GOOD.replace("tuesday", "tusday"));
    let found = run(&sandbox, &["config", "check", "--json"]).exits(4).json();
    assert_eq!(found[0]["severity"], "error");
    assert_eq!(found[0]["line"], 3);
    assert_eq!(found[0]["column"], 19);
    assert_eq!(found[0]["path"], "options/starting_day");
}

#[test]
fn what_is_not_well_formed_is_shown() {
    let sandbox = sandbox(&GOOD.replace("</options>", "</option>"));
    run(&sandbox, &["config", "check"]).exits(4).complains("h.conf:8:");
}

#[test]
fn a_misspelt_element_is_a_warning_with_the_name_that_was_meant() {
    let sandbox = sandbox(&GOOD.replace("</options>", "<backup_usr>x</backup_usr></options>"));
    let output = run(&sandbox, &["config", "check"]).exits(0);
    output.complains("backup_usr").complains("backup_user").says("1 warning");
}

#[test]
fn a_configuration_that_is_not_there_is_named_with_a_remedy() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&["-c", "missing.conf", "run", "collect"]).exits(4);
    output.complains("missing.conf").complains("hint: ");
}

#[test]
fn an_action_that_nobody_knows_is_answered_with_those_that_there_are() {
    let sandbox = sandbox(GOOD);
    let output = run(&sandbox, &["run", "colect"]).exits(4);
    output.complains("did you mean `collect`?");
    assert_eq!(sandbox.names("collect"), [""; 0]);
}

#[test]
fn a_python_module_is_reported_for_its_action_only() {
    let extension = "<extensions><action><name>mine</name><module>mine.backup</module>\
                     <function>run</function><index>50</index></action></extensions>";
    let sandbox = sandbox(&GOOD.replace("</cb_config>", &format!("{extension}</cb_config>")));
    let output = run(&sandbox, &["run", "mine", "collect"]).exits(1);
    output.complains("mine.backup").says("collect        ok");
}

#[test]
fn a_compressor_that_is_not_there_is_answered_with_those_that_are() {
    let sandbox = sandbox(&GOOD.replace("tarzst", "tarzzz"));
    let output = run(&sandbox, &["run", "collect"]);
    assert_ne!(output.code, Some(0));
    output.complains("zzz");
    assert_eq!(sandbox.names("collect"), [""; 0]);
}

#[test]
fn directories_that_are_not_there_are_named() {
    for (dir, code) in [("work", 4), ("collect", 1), ("source", 1)] {
        let sandbox = sandbox(GOOD);
        fs::remove_dir_all(sandbox.path(dir)).unwrap();
        let output = run(&sandbox, &["run", "collect"]).exits(code);
        output.complains(&format!("$SANDBOX/{dir}"));
        assert!(!sandbox.path("collect/cback.collect").exists());
    }
}

#[test]
fn one_run_at_a_time() {
    let slow = "<hooks><hook><on>pre_action</on><type>script</type>\
                <command>sleep 3</command></hook></hooks></cb_config>";
    let sandbox = sandbox(&GOOD.replace("</cb_config>", slow));
    let first = sandbox.spawn(&["-c", "h.conf", "run", "collect"]);
    std::thread::sleep(Duration::from_millis(700));
    let output = run(&sandbox, &["run", "collect"]).exits(3);
    output.complains("another run is at work").complains("collect since");
    let first = sandbox.wait(first);
    assert_eq!(first.code, Some(0), "{first}");
}

#[test]
fn a_log_that_cannot_be_written_is_known_before_anything_is_done() {
    let sandbox = sandbox(GOOD);
    let output = run(&sandbox, &["--log-file", "missing/log", "run", "collect"]).exits(3);
    output.complains("missing/log");
    assert_eq!(sandbox.names("collect"), [""; 0]);
}

#[test]
fn the_log_has_the_form_of_cedar_backup_and_names_cannot_forge_lines() {
    let sandbox = sandbox(GOOD);
    sandbox.write("source/new\nline", "");
    let words = ["--log-file", "log", "--log", "trace", "-q", "run", "collect"];
    let output = run(&sandbox, &words).exits(0);
    assert_eq!(output.to_string(), "", "silence means success");
    let log = sandbox.read("log");
    for line in log.lines() {
        let stamped = line.get(4..5) == Some("-") && line.contains(" UTC --> [");
        assert!(stamped, "{line}");
    }
    assert!(log.contains("--> [INFO   ] action collect begins"), "{log}");
    let mode = fs::metadata(sandbox.path("log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn wrong_words_are_explained() {
    let sandbox = sandbox(GOOD);
    let cases = [
        (&["run"][..], "ACTION"),
        (&["run", "--fast", "collect"], "--fast"),
        (&["--now", "yesterday", "run", "collect"], "yesterday"),
        (&["restor"], "restor"),
    ];
    for (words, complaint) in cases {
        run(&sandbox, words).exits(2).complains(complaint);
    }
}

#[test]
fn a_hook_may_veto_and_the_action_is_not_done() {
    let hooks = "<hooks>\
        <hook><on>pre_action</on><type>script</type><command>$SANDBOX/no</command></hook>\
        <hook><on>post_action</on><type>script</type><command>$SANDBOX/post</command></hook>\
        <hook><on>on_error</on><type>script</type><command>$SANDBOX/post</command></hook>\
        </hooks></cb_config>";
    let sandbox = sandbox(&GOOD.replace("</cb_config>", hooks));
    sandbox.script("no", "#!/bin/sh\necho not today\nexit 1\n");
    let told = "#!/bin/sh\nset -e\ncat >> $SANDBOX/told\n\
                echo \" $HAYLOFT_EVENT $HAYLOFT_ACTION $HAYLOFT_STATUS\" >> $SANDBOX/told\n";
    sandbox.script("post", told);
    let output = run(&sandbox, &["run", "collect"]).exits(1);
    output.complains("not today");
    assert_eq!(sandbox.names("collect"), [""; 0]);
    let told = sandbox.read("told");
    assert!(told.contains("post_action collect failed"), "{told}");
    assert!(told.contains("on_error collect"), "{told}");
    assert!(told.contains("\"name\":\"post_action\""), "{told}");
}

#[test]
fn hooks_of_cedar_backup_run_around_their_action() {
    let hooks = "<pre_action_hook><action>collect</action><command>$SANDBOX/note before</command>\
        </pre_action_hook><post_action_hook><action>collect</action>\
        <command>$SANDBOX/note \"after it\"</command></post_action_hook></options>";
    let sandbox = sandbox(&GOOD.replace("</options>", hooks));
    sandbox.script("note", "#!/bin/sh\necho \"$1\" >> $SANDBOX/notes\n");
    run(&sandbox, &["run", "collect"]).exits(0);
    assert_eq!(sandbox.read("notes"), "before\nafter it\n");
    fs::remove_dir_all(sandbox.path("source")).unwrap();
    run(&sandbox, &["run", "collect"]).exits(1);
    assert_eq!(sandbox.read("notes"), "before\nafter it\nbefore\n", "not after a failure");
}

#[test]
fn status_tells_what_ran_and_what_is_overdue() {
    let sandbox = sandbox(GOOD);
    run(&sandbox, &["status"]).exits(0).says("nothing has run yet");
    run(&sandbox, &["--now", "2026-11-17T02:00", "run", "collect"]).exits(0);
    run(&sandbox, &["--now", "2026-11-17T03:00", "status"]).exits(0).says("collect");
    let late = run(&sandbox, &["--now", "2026-11-19T03:00", "status", "--json"]).exits(7).json();
    assert_eq!(late["actions"]["collect"]["overdue"], true);
    run(&sandbox, &["--now", "2026-11-17T03:00", "status", "--prometheus"])
        .exits(0)
        .says("hayloft_action_ok{action=\"collect\"} 1");
}

#[test]
fn a_dry_run_changes_nothing() {
    let sandbox = sandbox(GOOD);
    run(&sandbox, &["run", "--dry-run", "collect"]).exits(0);
    assert_eq!(sandbox.names("collect"), [""; 0]);
    assert!(!sandbox.path("work/hayloft/history").exists());
}

#[test]
fn json_of_a_run_is_one_document() {
    let sandbox = sandbox(GOOD);
    let record = run(&sandbox, &["--json", "run", "collect"]).exits(0).json();
    assert_eq!(record["exit_code"], 0);
    assert_eq!(record["actions"][0]["action"], "collect");
    assert_eq!(record["actions"][0]["status"], "ok");
}

/// A mount of its own, which goes away with the process.
const SMALL_DISK: &str = "\
    mount -t tmpfs -o size=2m,mode=700 tmpfs $SANDBOX/collect || exit 99
    touch $SANDBOX/collect/yesterday
    \"$0\" -c $SANDBOX/h.conf run collect; echo \"code $?\"; ls -A $SANDBOX/collect
";

/// Where nobody may mount: no file may be larger than a megabyte.
const SMALL_FILES: &str = "\
    trap '' XFSZ; ulimit -f 2048; touch $SANDBOX/collect/yesterday
    \"$0\" -c $SANDBOX/h.conf run collect; echo \"code $?\"; ls -A $SANDBOX/collect
";

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let sandbox = sandbox(GOOD);
    let noise = Command::new("head").args(["-c", "8000000", "/dev/urandom"]).output().unwrap();
    fs::write(sandbox.path("source/noise"), noise.stdout).unwrap();
    let run = |command: &[&str], script: &str| {
        let mut shell = Command::new(command[0]);
        shell.args(&command[1..]).arg(sandbox.expand(script)).arg(sandbox.program().path());
        let output = shell.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    let unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c"];
    let (mut stdout, mut stderr) = run(&unshare, SMALL_DISK);
    let mut complaint = "No space left on device";
    if stderr.contains("Operation not permitted") {
        (stdout, stderr) = run(&["sh", "-c"], SMALL_FILES);
        complaint = "File too large";
    }
    assert!(stdout.contains("code 1\nyesterday\n"), "{stdout}{stderr}");
    assert!(stderr.contains(complaint), "{stderr}");
}

#[test]
fn a_run_that_is_killed_leaves_the_last_good_state() {
    let sandbox = sandbox(GOOD);
    let noise = Command::new("head").args(["-c", "60000000", "/dev/urandom"]).output().unwrap();
    fs::write(sandbox.path("source/noise"), noise.stdout).unwrap();
    for delay in [5, 20, 60, 120, 250, 400] {
        let mut child = sandbox.spawn(&["-c", "h.conf", "run", "collect"]);
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        let names = sandbox.names("collect");
        let ready = names.iter().any(|it| it == "cback.collect");
        let whole = names.iter().any(|it| it.ends_with(".tar.zst"));
        assert!(!ready || whole, "{names:?}");
    }
    // A worker whose parent is gone ends by itself, and lets go of its files.
    std::thread::sleep(Duration::from_secs(6));
    run(&sandbox, &["run", "collect"]).exits(0);
    let names = sandbox.names("collect");
    assert_eq!(names.len(), 2, "one archive, one indicator and no rubbish: {names:?}");
}

#[test]
fn completions_and_manual_pages_know_the_commands_of_plugins() {
    let sandbox = Sandbox::new();
    sandbox.dir("man");
    for shell in ["bash", "zsh", "fish"] {
        sandbox.ok(&["completions", shell]).says("restore");
    }
    sandbox.ok(&["man", "man"]);
    let pages = sandbox.names("man");
    for page in ["hayloft.1", "hayloft-run.1", "hayloft-restore.1", "hayloft-plugin-list.1"] {
        assert!(pages.iter().any(|it| it == page), "{pages:?}");
    }
    sandbox.ok(&["--help"]).says("restore");
}

#[test]
fn starting_is_quick_and_nothing_is_loaded_to_list() {
    let sandbox = Sandbox::new();
    let listed = sandbox.ok(&["plugin", "list", "--json"]).json();
    let ids: Vec<&str> =
        listed.as_array().unwrap().iter().filter_map(|it| it["id"].as_str()).collect();
    for id in ["collect", "zstd", "local", "script", "age"] {
        assert!(ids.contains(&id), "{id} is not in {ids:?}");
    }
    sandbox.ok(&["plugin", "show", "zstd"]).says("offers compressor `zstd`").says("suffix: .zst");
    sandbox.run(&["plugin", "show", "nosuch"]).exits(1).complains("nosuch");
    sandbox.ok(&["plugin", "check"]).says("zstd is good");
}

/// Runs the program with a standard output that takes nothing.
#[expect(clippy::unwrap_used, reason = "test code fails by panicking")]
fn run_into(sandbox: &Sandbox, words: &[&str], output: File) -> (Option<i32>, String) {
    let mut command = sandbox.command(&[&["-c", "h.conf"], words].concat());
    let output = command.stdout(output).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure_of_every_command() {
    let sandbox = sandbox(GOOD);
    run(&sandbox, &["run", "collect"]).exits(0);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let commands: [&[&str]; 15] = [
        &["--help"],
        &["--version"],
        &["run", "--help"],
        &["restore", "--help"],
        &["plugin", "list"],
        &["plugin", "show", "zstd"],
        &["config", "check"],
        &["config", "show"],
        &["config", "schema"],
        &["status"],
        &["status", "--json"],
        &["completions", "bash"],
        &["list"],
        &["run", "collect", "--full"],
        &["pg", "server", "grant-sql", "--server-version", "15"],
    ];
    for words in commands {
        let (code, complaint) = run_into(&sandbox, words, full());
        assert_eq!(code, Some(1), "{words:?}: {complaint}");
        let told = complaint.matches("cannot write the output").count();
        assert_eq!(told, 1, "{words:?}: {complaint}");
    }
    let names = sandbox.names("collect");
    assert!(names.iter().any(|it| it == "cback.collect"), "the backup is good all the same");
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let sandbox = sandbox(GOOD);
    for words in [&["--help"][..], &["run", "collect"], &["status"], &["pg", "--help"], &["list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, complaint) =
            run_into(&sandbox, words, File::from(std::os::fd::OwnedFd::from(writer)));
        assert_eq!((code, complaint.as_str()), (Some(0), ""), "{words:?}");
    }
}
