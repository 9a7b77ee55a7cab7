//! The process that holds a session bothers nobody.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::setting::{Archive, Setting, archiving, kill, within};

/// A shell script in the sandbox, with `$HAYLOFT` and `$BEGIN`.
fn shell(setting: &Setting, script: &str) -> Command {
    let program = setting.sandbox.program().path();
    let begin = format!("{} --config hayloft.xml pg snapshot begin main", program.display());
    let mut command = setting.sandbox.command(&[]);
    let directory = setting.sandbox.path("");
    let mut shell = Command::new("bash");
    for (name, value) in command.stdin(Stdio::null()).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.args(["-c", script]).env("BEGIN", begin).current_dir(directory);
    shell
}

#[test]
fn a_caller_that_captures_the_output_returns_at_once() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    let began = Instant::now();
    // A pipe, a descriptor of the caller's own, and a lock that it holds.
    let script = "exec 7>&1 8>held; flock 8; out=$($BEGIN 2>&1 | cat); echo \"$out\"";
    let output = shell(&setting, script).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let mut free = Command::new("flock");
    free.args(["-n", "held", "true"]).current_dir(setting.sandbox.path(""));
    assert!(free.status().unwrap().success(), "the caller's lock is not held any more");

    let holder = setting.status()["holder"]["pid"].clone();
    let home = format!("/proc/{holder}");
    assert_eq!(fs::read_link(format!("{home}/cwd")).unwrap().to_str(), Some("/"));
    assert_eq!(fs::read_link(format!("{home}/fd/0")).unwrap().to_str(), Some("/dev/null"));
    let command_line = fs::read(format!("{home}/cmdline")).unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains("host="));
    setting.snapshot(&["end", "main"]).exits(0);
    assert!(within(|| !fs::exists(&home).unwrap()), "it ends with the session");
}

#[test]
fn the_end_of_the_callers_group_and_terminal_is_not_the_end_of_the_session() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    // As cron, ssh and systemd do when a job is over.
    let script = "$BEGIN && trap '' TERM HUP && kill -TERM 0; kill -HUP 0; true";
    let mut command = Command::new("setsid");
    let inner = shell(&setting, script);
    command.arg("--wait").arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(setting.sandbox.path(""));
    command.output().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(setting.status()["phase"], "running");
    setting.snapshot(&["end", "main"]).exits(0);
}

#[test]
fn a_polite_signal_gives_the_backup_up() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    let begun = setting.begin();
    // The process that holds it is watched over by its parent.
    let pid = begun["holder"]["pid"].to_string();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|it| it.strip_prefix("PPid:")).unwrap().trim();
    kill(&parent.parse::<u32>().unwrap().into(), "-TERM");
    let failed = setting.reaches("failed");
    assert!(failed["reason"].as_str().unwrap().contains("told to end"), "{failed}");
    setting.snapshot(&["end", "main"]).exits(1).complains("the backup is void");
}

#[test]
fn a_secret_is_in_no_argument_variable_or_file() {
    const PASSWORD: &str = "dont-tell-anybody-4711";
    let archive = Archive::new();
    let server = archiving(&archive).password(PASSWORD).start();
    let setting = Setting::new(server);
    let text = setting.sandbox.read("hayloft.xml");
    let file = setting.sandbox.write("password", PASSWORD);
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&file, private).unwrap();
    let login =
        format!("<login><password_file>{}</password_file></login></server>", file.display());
    setting.sandbox.write("hayloft.xml", &text.replace("</server>", &login));
    let begun = setting.begin();
    let home = format!("/proc/{}", begun["holder"]["pid"]);
    for name in ["cmdline", "environ"] {
        let bytes = fs::read(format!("{home}/{name}")).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(PASSWORD), "{name}");
    }
    setting.snapshot(&["end", "main"]).exits(0);
    for name in fs::read_dir(setting.place()).unwrap() {
        let bytes = fs::read(name.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(PASSWORD));
    }
}
