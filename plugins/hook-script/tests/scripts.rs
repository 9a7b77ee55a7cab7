//! Real programs as hooks.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hayloft_hook_script::{Config, Script};
use hayloft_plugin_api::{ErrorKind, Event, Hook, Result, Verdict, config};

struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a shell script and makes a hook of it.
    fn script(&self, text: &str) -> Config {
        let path = self.path("script");
        // Written by a child: while this process has it open for writing, a
        // fork of another test would inherit that, and it could not be run.
        let written = std::process::Command::new("sh")
            .args(["-c", "printf '%s' \"$2\" > \"$1\"", "sh"])
            .arg(&path)
            .arg(format!("#!/bin/sh\n{text}\n"))
            .status();
        assert!(written.unwrap().success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Config { command: path.display().to_string(), ..Config::default() }
    }
}

fn tell(config: Config, event: &Event) -> Result<Verdict> {
    Script::new(config)?.on_event(event)
}

fn event() -> Event {
    Event::new("pre_archive").field("wal", "0001").field("barman.server", "main")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_script_gets_variables_and_the_whole_event() {
    let sandbox = Sandbox::new();
    let config = sandbox.script(
        "cd \"$(dirname \"$0\")\"; cat > json; \
         echo \"$HAYLOFT_EVENT $HAYLOFT_WAL $BARMAN_SERVER $BARMAN_RETRY\" > variables",
    );
    assert_eq!(tell(config, &event()).unwrap(), Verdict::Continue);
    assert_eq!(read(&sandbox.path("variables")), "pre_archive 0001 main 0\n");
    let told: Event = serde_json::from_str(&read(&sandbox.path("json"))).unwrap();
    assert_eq!(told, event());
}

#[test]
fn arguments_are_handed_over_as_they_are_and_no_shell_sees_them() {
    let sandbox = Sandbox::new();
    let script = "cd \"$(dirname \"$0\")\"; for it; do printf '[%s]' \"$it\"; done > arguments";
    let cases = [
        (" one \"two words\" \"\" $HOME;x *", vec![], "[one][two words][][$HOME;x][*]"),
        ("", vec!["a  b", "", "\"c\""], "[a  b][][\"c\"]"),
    ];
    for (rest, argument, expected) in cases {
        let mut config = sandbox.script(script);
        config.command.push_str(rest);
        config.argument = argument.into_iter().map(str::to_owned).collect();
        assert_eq!(tell(config, &event()).unwrap(), Verdict::Continue);
        assert_eq!(read(&sandbox.path("arguments")), expected);
    }
}

#[test]
fn a_failure_is_a_veto_with_the_last_lines_whatever_their_encoding() {
    let sandbox = Sandbox::new();
    let config = sandbox.script("seq 1 20; printf 'caf\\351\\n' >&2; printf 'no newline'; exit 3");
    let Verdict::Veto(reason) = tell(config, &event()).unwrap() else { unreachable!() };
    let expected: Vec<_> = (13..=20)
        .map(|n| format!("  {n}"))
        .chain(["  caf\u{fffd}".into(), "  no newline".into()])
        .collect();
    let (first, rest) = reason.split_once('\n').unwrap();
    assert!(first.ends_with("/script ended with exit code 3; it wrote at last:"), "{first}");
    assert_eq!(rest, expected.join("\n"));
}

#[test]
fn exit_codes_of_a_retried_hook_are_barmans() {
    let sandbox = Sandbox::new();
    let event = event().field("retry", "1");
    for (code, expected) in [(0, "continue"), (62, "continue"), (63, "veto"), (1, "retry")] {
        let config = sandbox.script(&format!("test \"$BARMAN_RETRY\" = 1 && exit {code}"));
        let found = match tell(config, &event).unwrap() {
            Verdict::Continue => "continue",
            Verdict::Veto(_) => "veto",
            Verdict::Retry(_) => "retry",
            _ => "unknown",
        };
        assert_eq!(found, expected, "{code}");
    }
}

#[test]
fn a_script_that_reads_nothing_does_not_break_however_long_the_event() {
    let sandbox = Sandbox::new();
    let long = event().field("error", "x".repeat(3_000_000));
    for script in ["exit 0", "exec 0<&-; exit 0", "head -c 10 > /dev/null"] {
        assert_eq!(tell(sandbox.script(script), &long).unwrap(), Verdict::Continue, "{script}");
    }
    let config = sandbox.script("cd \"$(dirname \"$0\")\"; wc -c > count");
    assert_eq!(tell(config, &long).unwrap(), Verdict::Continue);
    assert!(read(&sandbox.path("count")).trim().parse::<u32>().unwrap() > 3_000_000);
}

#[test]
fn much_output_does_not_stop_anything() {
    let sandbox = Sandbox::new();
    let config = sandbox.script("head -c 3000000 /dev/zero | tr '\\0' 'x'; seq 1 100000 >&2");
    assert_eq!(tell(config, &event()).unwrap(), Verdict::Continue);
}

#[test]
fn a_script_that_runs_too_long_is_ended_with_all_that_it_started() {
    let sandbox = Sandbox::new();
    let scripts = [
        "sleep 100 & echo $! > \"$0.pid\"; wait",
        "trap '' TERM; sh -c 'trap \"\" TERM; sleep 100' & echo $! > \"$0.pid\"; sleep 100; sleep 100",
        "trap '' TERM; echo $$ > \"$0.pid\"; yes; yes",
    ];
    for (script, longest) in scripts.into_iter().zip([4, 9, 9]) {
        let mut config = sandbox.script(script);
        config.timeout = config::Duration(Duration::from_millis(300));
        let begun = Instant::now();
        let error = tell(config, &event()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TIMED_OUT);
        assert!(error.message().contains("did not end within 0.3 s"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(longest), "{script}");
        let pid = read(&sandbox.path("script.pid"));
        let process = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
        let gone = || fs::read_to_string(&process).map_or(true, |it| it.contains(") Z "));
        assert!((0..100).any(|_| gone() || {
            std::thread::sleep(Duration::from_millis(20));
            false
        }));
    }
}

#[test]
fn what_is_left_in_the_background_is_not_waited_for() {
    let sandbox = Sandbox::new();
    let begun = Instant::now();
    let config = sandbox.script("sleep 20 & echo started");
    assert_eq!(tell(config, &event()).unwrap(), Verdict::Continue);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_program_that_is_not_there_or_not_executable_is_named() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("plain"), "x").unwrap();
    let cases = [
        ("/nonexistent/check".to_owned(), ErrorKind::NOT_FOUND),
        (sandbox.path("plain").display().to_string(), ErrorKind::PERMISSION),
    ];
    for (command, kind) in cases {
        let error = tell(Config { command: command.clone(), ..Config::default() }, &event());
        let error = error.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.message(), format!("cannot run {command}"));
        assert!(error.remedy().is_some());
    }
}

#[test]
fn a_script_that_is_killed_is_a_veto() {
    let sandbox = Sandbox::new();
    let config = sandbox.script("kill -9 $$");
    let Verdict::Veto(reason) = tell(config, &event()).unwrap() else { unreachable!() };
    assert!(reason.ends_with("/script was ended by signal 9"), "{reason}");
}
