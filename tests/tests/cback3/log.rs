//! The screen and the log.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Command,
};

use super::installation::{Installation, Parts, hook};

/// `2026-11-17T02:00:00 UTC --> [INFO   ] text`
fn is_log_line(line: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd UTC --> [";
    let Some(head) = line.get(..pattern.len()) else { return false };
    let fits = |(c, p): (char, char)| if p == 'd' { c.is_ascii_digit() } else { c == p };
    let levels = ["DEBUG  ] ", "INFO   ] ", "WARNING] ", "ERROR  ] "];
    head.chars().zip(pattern.chars()).all(fits)
        && levels.iter().any(|it| line[pattern.len()..].starts_with(it))
}

#[test]
fn a_good_run_says_nothing_and_logs_everything() {
    let installation = Installation::new();
    assert_eq!(installation.ends(&["collect", "stage", "purge"], 0).stdout, "");
    let log = installation.log();
    for line in log.lines() {
        assert!(is_log_line(line), "{line}");
    }
    let texts: Vec<&str> = log.lines().map(|it| it.split_once("] ").unwrap().1).collect();
    let head = [
        "Cedar Backup run started.",
        "Options were [--config \"c.conf\" --logfile \"log\" \"collect\" \"stage\" \"purge\" ]",
        "Logfile is [log]",
        "Encoding......: utf-8",
    ];
    assert_eq!(texts[..4], head);
    let path = texts.iter().position(|it| *it == "Configuration path is [c.conf]").unwrap();
    assert_eq!(path, 9, "after the six facts");
    assert_eq!(texts[10], "Action ordering will use 'index' order mode.");
    let order = "Action order will be: ['initialize', 'rebuild', 'validate', 'collect', 'stage', \
                 'store', 'purge']";
    assert_eq!(texts[11], order);
    assert_eq!(*texts.last().unwrap(), "Cedar Backup run completed with status 0.");
    assert_eq!(installation.executed(), ["collect", "stage", "purge"]);
}

#[test]
fn verbose_shows_the_log_without_its_prefix_and_quiet_beats_it() {
    let installation = Installation::new();
    let output = installation.ends(&["-b", "collect"], 0);
    let log = installation.log();
    let texts = log.lines().map(|it| it.split_once("] ").unwrap().1);
    let shown = output.stdout.lines().map(|it| installation.sandbox.expand(it));
    assert_eq!(shown.collect::<Vec<_>>(), texts.collect::<Vec<_>>());
    assert_eq!(installation.ends(&["-bq", "collect"], 0).stdout, "");
    assert_eq!(installation.ends(&["-d", "collect"], 0).stdout, "");
    assert!(installation.log().contains("--> [DEBUG  ] "));
    let output = installation.ends(&["-d", "--verb", "collect"], 0);
    output.says("Cedar Backup run started.");
}

#[test]
fn errors_are_shown_on_standard_output_unless_nothing_is_to_be_shown() {
    let installation = Installation::new();
    installation.edit("$SANDBOX/source", "$SANDBOX/nothing");
    let output = installation.ends(&["collect"], 6);
    assert!(output.stdout.starts_with("Error executing backup: cannot collect $SANDBOX/nothing"));
    assert_eq!(installation.ends(&["-q", "collect"], 6).stdout, "");
    let log = installation.log();
    assert_eq!(log.matches("[ERROR  ] Error executing backup: ").count(), 2, "{log}");
}

#[test]
fn with_stack_the_causes_go_to_standard_error_and_the_exit_code_is_1() {
    let installation = Installation::new();
    installation.edit("$SANDBOX/source", "$SANDBOX/nothing");
    let output = installation.run(&["--stack", "collect"]).exits(1);
    assert_eq!(output.stdout, "");
    output.complains("cannot collect $SANDBOX/nothing\n  because: No such file");
    assert!(!installation.log().contains("completed with status"));
    // Neither the configuration nor the actions are concerned.
    installation.ends(&["-s", "nosuch"], 4);
    installation.ends(&["-s", "purge"], 0);
    let output = installation.run(&["-s", "-l", "no/such/log", "purge"]).exits(1);
    output.complains("Error setting up logging: [Errno 2]");
}

#[test]
fn a_log_that_cannot_be_written_ends_the_run_before_it_begins() {
    let installation = Installation::new();
    let cases = [
        ("no/such/log", "[Errno 2] No such file or directory: 'no/such/log'"),
        ("work", "[Errno 21] Is a directory: 'work'"),
        ("c.conf/log", "[Errno 20] Not a directory: 'c.conf/log'"),
    ];
    for (path, message) in cases {
        let output = installation.run(&["-l", path, "collect"]).exits(3);
        assert_eq!(output.stdout, "");
        output.complains(&format!("Error setting up logging: {message}\n"));
    }
    assert!(installation.collected().is_empty());
}

fn mode(installation: &Installation) -> u32 {
    let log = fs::metadata(installation.sandbox.path("log")).unwrap();
    log.permissions().mode() & 0o7777
}

#[test]
fn a_new_log_gets_its_mode_whatever_the_umask_and_an_existing_one_keeps_it() {
    for (words, expected) in [
        (&["-q"][..], 0o640),
        (&["-m", "600"], 0o600),
        (&["-m", "0o666"], 0o666),
        (&["--mode=6_44"], 0o644),
    ] {
        for umask in ["0", "077"] {
            let installation = Installation::new();
            let run = |words: &[&str]| {
                let command = installation.command(&[words, &["purge"]].concat());
                let mut shell = Command::new("sh");
                shell.args(["-c", "umask \"$0\"; exec \"$@\"", umask]);
                shell.arg(command.get_program()).args(command.get_args());
                shell.current_dir(installation.sandbox.path("")).env("TZ", "UTC");
                installation.output(&mut shell).exits(0)
            };
            run(words);
            assert_eq!(mode(&installation), expected, "{words:?} {umask}");
            run(&["-m", "604"]);
            assert_eq!(mode(&installation), expected, "an existing log keeps its mode");
        }
    }
}

#[test]
fn a_new_log_is_given_to_its_owner_if_there_is_one() {
    let owner = |installation: &Installation| {
        let log = fs::metadata(installation.sandbox.path("log")).unwrap();
        (log.uid(), log.gid())
    };
    let root = rustix::process::geteuid().is_root();
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let number = |database: &str, name: &str| -> u32 {
        let output = Command::new("getent").args([database, name]).output().unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        line.split(':').nth(2).unwrap().parse().unwrap()
    };
    let others = (number("passwd", "daemon"), number("group", "daemon"));
    let adm = (0, number("group", "adm"));
    let cases: [(&[&str], (u32, u32)); 4] = [
        (&["-o", "daemon:daemon"], if root { others } else { own }),
        (&["-q"], if root { adm } else { own }),
        (&["-o", "nosuchuser:daemon"], own),
        (&["-o", "1:1"], own),
    ];
    for (words, expected) in cases {
        let installation = Installation::new();
        assert_eq!(installation.ends(&[words, &["purge"]].concat(), 0).stdout, "");
        assert_eq!(owner(&installation), expected, "{words:?}");
        installation.ends(&["-o", "root:root", "purge"], 0);
        assert_eq!(owner(&installation), expected, "an existing log keeps its owner");
    }
}

#[test]
fn what_other_programs_write_is_logged_only_if_it_is_asked_for() {
    let options =
        hook("pre", "purge", "/bin/sh -c \"echo from the hook; echo and this &gt;&amp;2\"");
    for (words, logged) in [(&["-b"][..], false), (&["-O"], true), (&["-d"], true)] {
        let installation = Installation::with(Parts { options: &options, ..Parts::default() });
        let output = installation.ends(&[words, &["purge"]].concat(), 0);
        assert!(!output.stdout.contains("from the hook"), "{output}");
        let log = installation.log();
        let command = r#"executing ["/bin/sh", "-c", "echo from the hook; echo and this >&2"]"#;
        for line in [command, "from the hook", "and this"] {
            assert_eq!(log.lines().any(|it| it == line), logged, "{words:?}: {log}");
        }
    }
}

#[test]
fn no_name_can_forge_a_line() {
    let forged = "2026-11-17T02:00:00 UTC --> [INFO   ] forged";
    let installation = Installation::new();
    installation.edit("$SANDBOX/source", &format!("/nothing\n{forged}\u{9b}31m"));
    let output = installation.ends(&["collect"], 6);
    assert!(output.stdout.lines().all(|it| it != forged), "{output}");
    let log = installation.log();
    assert!(log.lines().all(is_log_line), "{log}");
    assert!(!log.contains('\u{9b}'), "{log}");
    let output = installation.ends(&[&format!("x\n{forged}")], 4);
    assert!(output.stdout.lines().all(|it| it != forged), "{output}");
    assert!(installation.log().lines().all(|it| it != forged));
}

#[test]
fn a_full_disk_for_the_log_does_not_stop_the_backup() {
    let installation = Installation::new();
    let output = installation.run(&["-l", "/dev/full", "collect"]).exits(0);
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
    output.says("cannot write the log: ");
    assert!(installation.sandbox.path("collect/cback.collect").exists());
}
