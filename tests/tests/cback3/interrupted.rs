//! A run that is ended in the middle, and two runs at once.

use std::{
    fs,
    io::Read,
    os::unix::fs::FileExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::installation::{Installation, Parts, hook};

/// A hook that says that it runs, and then waits.
const SLOW: &str = "/bin/sh -c \"touch $SANDBOX/running; sleep 60\"";

fn start(installation: &Installation, words: &[&str]) -> Child {
    let mut command = installation.command(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn wait_for(path: &Path) {
    let until = Instant::now() + Duration::from_mins(1);
    while !path.exists() {
        assert!(Instant::now() < until, "{} did not appear", path.display());
        sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Returns the exit code and what was shown.
fn end(mut child: Child) -> (Option<i32>, String) {
    let mut shown = String::new();
    child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    (child.wait().unwrap().code(), shown)
}

/// Names that no later run would know what to do with.
fn rubbish(installation: &Installation) -> Vec<String> {
    let names = ["collect", "work"].map(|it| installation.sandbox.names(it)).concat();
    names.into_iter().filter(|it| it.starts_with('.')).collect()
}

#[test]
fn a_signal_ends_a_hook_and_the_run() {
    for kill in [Signal::INT, Signal::TERM] {
        for (kind, collected) in [("pre", false), ("post", true)] {
            let options = hook(kind, "collect", SLOW);
            let installation = Installation::with(Parts { options: &options, ..Parts::default() });
            let child = start(&installation, &["collect", "stage"]);
            wait_for(&installation.sandbox.path("running"));
            let asked = Instant::now();
            signal(&child, kill);
            let (code, shown) = end(child);
            assert_eq!((code, shown.as_str()), (Some(5), "Backup interrupted.\n"), "{kind}");
            assert!(asked.elapsed() < Duration::from_secs(30), "the hook was waited for");
            let log = installation.log();
            assert!(log.trim_end().ends_with("Cedar Backup run completed with status 5."), "{log}");
            assert_eq!(installation.sandbox.names("stage"), [""; 0], "stage did not run");
            let ready = installation.sandbox.path("collect/cback.collect").exists();
            assert_eq!(ready, collected, "{kind}");
            // The next run knows nothing of it.
            installation.edit(SLOW, "/bin/true");
            installation.ends(&["collect", "stage"], 0);
        }
    }
}

#[test]
fn after_a_kill_during_a_hook_the_next_run_is_good() {
    let options = hook("pre", "collect", SLOW);
    let installation = Installation::with(Parts { options: &options, ..Parts::default() });
    let mut child = start(&installation, &["collect"]);
    wait_for(&installation.sandbox.path("running"));
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(installation.collected().is_empty());
    installation.edit(SLOW, "/bin/true");
    installation.ends(&["collect", "stage"], 0);
}

/// Makes so much to collect that there is time to interrupt it.
fn fill(installation: &Installation) {
    let file = fs::File::create(installation.sandbox.path("source/large")).unwrap();
    let mut noise = vec![0; 1 << 20];
    let mut state = 1u64;
    for i in 0..96 {
        for chunk in noise.chunks_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            chunk.copy_from_slice(&state.to_be_bytes());
        }
        file.write_all_at(&noise, i << 20).unwrap();
    }
}

/// Waits until an archive is being written.
fn wait_for_archive(installation: &Installation) {
    let until = Instant::now() + Duration::from_mins(1);
    let growing = |name: &String| {
        let path = installation.sandbox.path("collect").join(name);
        name.starts_with('.') && fs::metadata(path).is_ok_and(|it| it.len() > 0)
    };
    while !installation.collected().iter().any(growing) {
        assert!(Instant::now() < until, "no archive was begun");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_during_collect_leaves_nothing_half_done() {
    for kill in [Signal::INT, Signal::TERM] {
        let installation = Installation::new();
        fill(&installation);
        let child = start(&installation, &["collect"]);
        wait_for_archive(&installation);
        signal(&child, kill);
        let (code, shown) = end(child);
        assert_eq!((code, shown.as_str()), (Some(5), "Backup interrupted.\n"));
        assert_eq!(installation.collected(), [""; 0], "no archive, and not ready");
        assert_eq!(rubbish(&installation), [""; 0]);
        fs::remove_file(installation.sandbox.path("source/large")).unwrap();
        installation.ends(&["collect"], 0);
    }
}

#[test]
fn after_a_kill_the_next_run_is_good_and_leaves_no_rubbish() {
    let installation = Installation::new();
    installation.ends(&["collect"], 0);
    let before = installation.collected();
    fill(&installation);
    let mut child = start(&installation, &["collect", "stage"]);
    wait_for_archive(&installation);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    let after = installation.collected();
    let ready = after.contains(&"cback.collect".to_owned());
    assert!(!ready, "what is there is not said to be ready: {after:?}");
    for name in before.iter().filter(|it| *it != "cback.collect") {
        assert!(after.contains(name), "{name} of the last good run is gone");
    }
    // The worker ends by itself, and what it wrote goes with the next run.
    fs::remove_file(installation.sandbox.path("source/large")).unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        sleep(Duration::from_secs(6));
        installation.ends(&["collect", "stage"], 0);
        let left = rubbish(&installation);
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < until, "{left:?} stays");
    }
    assert_eq!(installation.collected().iter().filter(|it| it.ends_with(".tar.gz")).count(), 1);
}

#[test]
fn an_interrupt_that_is_ignored_at_the_start_stays_ignored() {
    let options = hook("pre", "collect", "/bin/sh -c \"touch $SANDBOX/running; sleep 2\"");
    let installation = Installation::with(Parts { options: &options, ..Parts::default() });
    let command = installation.command(&["collect"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' INT; exec \"$@\"", "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(installation.sandbox.path("")).env("TZ", "UTC");
    let child = shell.stdout(Stdio::piped()).spawn().unwrap();
    wait_for(&installation.sandbox.path("running"));
    signal(&child, Signal::INT);
    assert_eq!(end(child), (Some(0), String::new()));
    assert!(installation.sandbox.path("collect/cback.collect").exists());
}

#[test]
fn of_two_runs_at_once_the_second_one_says_why_it_does_nothing() {
    let options = hook("pre", "collect", SLOW);
    let installation = Installation::with(Parts { options: &options, ..Parts::default() });
    let child = start(&installation, &["collect"]);
    wait_for(&installation.sandbox.path("running"));
    let output = installation.ends(&["purge"], 6);
    output.says("Error executing backup: another run is at work: ");
    // Looking is always possible.
    installation.ends(&["validate"], 0);
    signal(&child, Signal::TERM);
    assert_eq!(end(child).0, Some(5));
    installation.ends(&["purge"], 0);
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_run() {
    let installation = Installation::new();
    let mut child = start(&installation, &["-b", "collect"]);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(installation.sandbox.path("collect/cback.collect").exists());
}
