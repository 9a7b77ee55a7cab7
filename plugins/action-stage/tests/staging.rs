//! Stages from real directories, and with a real program in place of `scp`.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hayloft_action_stage::{
    StageError,
    peer::{IgnoreFailures, Peer, Place},
    remote::Patience,
    staging::{Order, Report},
    world::{Failure, World},
};
use tempfile::TempDir;

/// Runs real programs and remembers their command lines.
#[derive(Default)]
struct Real {
    lines: Mutex<Vec<Vec<String>>>,
    cancelled: AtomicBool,
}

impl World for Real {
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
    fn give(&self, _: &Path) -> Result<(), String> {
        Ok(())
    }
    fn run(&self, words: &[String], _: Duration) -> Result<(), Failure> {
        self.lines.lock().unwrap().push(words.to_vec());
        let output = Command::new(&words[0]).args(&words[1..]).output();
        let output = output.map_err(|e| Failure::NotStarted(e.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::Ended { code: output.status.code(), text })
    }
    fn copied(&self, _: &Path, _: u64) {}
}

/// Gives the line that `su` would get to a shell as it is.
struct Su<'a>(&'a Real);
impl World for Su<'_> {
    fn cancelled(&self) -> bool {
        false
    }
    fn give(&self, _: &Path) -> Result<(), String> {
        Ok(())
    }
    fn run(&self, words: &[String], limit: Duration) -> Result<(), Failure> {
        assert_eq!(words[..3], ["su", "backup", "-c"]);
        self.0.run(&["sh".to_owned(), "-c".to_owned(), words[3].clone()], limit)
    }
    fn copied(&self, _: &Path, _: u64) {}
}

/// Changes a file as soon as it was copied.
struct Growing(PathBuf);
impl World for Growing {
    fn cancelled(&self) -> bool {
        false
    }
    fn give(&self, _: &Path) -> Result<(), String> {
        Ok(())
    }
    fn run(&self, _: &[String], _: Duration) -> Result<(), Failure> {
        Err(Failure::NotStarted("nothing to run".to_owned()))
    }
    fn copied(&self, file: &Path, _: u64) {
        if file.ends_with("a.tar") {
            fs::write(&self.0, "something else").unwrap();
        }
    }
}

/// A staging area and peers below one temporary directory.
struct Pool {
    directory: TempDir,
    world: Real,
    order: Order,
}

const DAY: &str = "2026/11/17";

impl Pool {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("working")).unwrap();
        let order = Order {
            staging_dir: at("staging"),
            day: DAY.to_owned(),
            working_dir: at("working"),
            peers: Vec::new(),
            full: false,
            switch_user: None,
            patience: Patience { pause: Duration::from_millis(1), ..Patience::default() },
        };
        Self { directory, world: Real::default(), order }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    /// Adds a local peer that has collected `files`; each file's content is its name.
    fn local(mut self, name: &str, files: &[&str]) -> Self {
        for file in files {
            self.write(&format!("{name}/{file}"), file);
        }
        self.order.peers.push(Peer {
            name: name.to_owned(),
            collect_dir: self.at(name),
            ignore: IgnoreFailures::None,
            place: Place::Local,
        });
        self
    }

    /// Makes the last peer one that is reached with a program which takes
    /// `user@peer:path` for the path on this machine.
    fn remote(mut self, script_body: &str) -> Self {
        let script = self.at("copy");
        fs::write(&script, format!("#!/bin/sh\n{script_body}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let copy_command = format!("{} -B", script.to_str().unwrap());
        let peer = self.order.peers.last_mut().unwrap();
        peer.place = Place::Remote { user: "backup".to_owned(), copy_command };
        self
    }

    fn ignoring(mut self, mode: IgnoreFailures) -> Self {
        self.order.peers.last_mut().unwrap().ignore = mode;
        self
    }

    fn stage(&self) -> Report {
        self.order.check().unwrap();
        self.order.stage(&self.world).unwrap()
    }

    /// Returns what lies in a directory below the day's.
    fn day(&self, path: &str) -> BTreeSet<String> {
        names(&self.at("staging").join(DAY).join(path))
    }
}

/// Copies as `scp -r` would not: files only, the asterisk resolved here.
const COPY: &str = r#"shift
from=${1#*:} to=${2#*:}
eval exec cp $from '"$to"'"#;

fn names(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path).unwrap();
    entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn failures(report: &Report) -> Vec<String> {
    let failed = report.peers.iter().filter_map(|it| it.result.as_ref().err());
    failed.map(StageError::line).collect()
}

#[test]
fn local_peers_are_copied_and_told() {
    let pool = Pool::new()
        .local("box", &["a.tar", "b.tar", "cback.collect"])
        .local("other", &["c.tar", "cback.collect"]);

    let report = pool.stage();

    assert!(report.good, "{report:?}");
    assert_eq!(pool.day(""), set(&["box", "cback.stage", "other"]));
    assert_eq!(pool.day("box"), set(&["a.tar", "b.tar", "cback.collect"]));
    assert_eq!(pool.day("other"), set(&["c.tar", "cback.collect"]));
    assert_eq!(pool.read("staging/2026/11/17/box/a.tar"), "a.tar");
    assert!(pool.at("box/cback.stage").exists() && pool.at("other/cback.stage").exists());
    let first = report.peers[0].result.as_ref().unwrap();
    assert_eq!((first.files, first.bytes), (3, 5 + 5 + 13));
    let mode = |path| fs::metadata(pool.at(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("staging/2026/11/17/box/a.tar"), 0o600);
    assert_eq!(mode("staging/2026/11/17/box"), 0o700);
}

#[test]
fn a_peer_that_is_not_ready_fails_alone_and_spoils_the_day() {
    let pool = Pool::new().local("late", &["a.tar"]).local("box", &["b.tar", "cback.collect"]);

    let report = pool.stage();

    assert!(!report.good);
    let why = format!(
        "it was not ready to be staged: there is no cback.collect in {}",
        pool.at("late").display()
    );
    assert_eq!(failures(&report), [why]);
    assert_eq!(pool.day(""), set(&["box"]));
    assert!(!pool.at("late/cback.stage").exists());
}

#[test]
fn failures_that_are_ignored_do_not_spoil_the_day_unless_nothing_is_left() {
    let pool = Pool::new()
        .local("late", &["a.tar"])
        .ignoring(IgnoreFailures::Daily)
        .local("box", &["b.tar", "cback.collect"]);
    let report = pool.stage();
    assert!(report.good && report.peers[0].ignored);

    let alone = Pool::new().local("late", &["a.tar"]).ignoring(IgnoreFailures::All);
    let report = alone.stage();
    assert!(!report.good && report.peers[0].ignored);
    assert_eq!(alone.day(""), set(&[]));
}

#[test]
fn a_directory_or_link_in_the_collection_stops_that_peer_before_anything_is_copied() {
    let links = Pool::new().local("box", &["a.tar", "cback.collect"]);
    symlink("a.tar", links.at("box/link")).unwrap();
    let directories = Pool::new().local("box", &["a.tar", "cback.collect", "link/inner"]);
    for pool in [links, directories] {
        let report = pool.stage();
        let why = format!("{} is not a regular file", pool.at("box/link").display());
        assert_eq!(failures(&report), [why]);
        assert_eq!(pool.day(""), set(&[]));
        assert!(!pool.at("box/cback.stage").exists());
    }
}

#[test]
fn staging_again_changes_nothing_and_keeps_what_was_stored() {
    let pool = Pool::new().local("box", &["a.tar", "cback.collect"]);
    pool.stage();
    pool.write("staging/2026/11/17/cback.store", "");
    let report = pool.stage();
    assert!(report.good);
    assert_eq!(pool.day(""), set(&["box", "cback.stage", "cback.store"]));
    // As Cedar Backup does, the indicator of the first staging comes along.
    assert_eq!(pool.day("box"), set(&["a.tar", "cback.collect", "cback.stage"]));
}

#[test]
fn staging_something_new_makes_the_day_one_that_is_not_stored() {
    let pool = Pool::new().local("box", &["a.tar", "old.tar", "cback.collect"]);
    pool.stage();
    pool.write("staging/2026/11/17/cback.store", "");
    pool.write("box/a.tar", "A.TAR");
    fs::remove_file(pool.at("box/old.tar")).unwrap();
    let report = pool.stage();
    assert!(report.good);
    assert_eq!(pool.day(""), set(&["box", "cback.stage"]));
    assert_eq!(pool.read("staging/2026/11/17/box/a.tar"), "A.TAR");
    assert_eq!(pool.read("staging/2026/11/17/box/old.tar"), "old.tar", "kept");
    let names = ["a.tar", "cback.collect", "cback.stage", "old.tar"];
    assert_eq!(pool.day("box"), set(&names));
    assert!(report.peers[0].result.as_ref().unwrap().changed.contains(&"a.tar".into()));
}

#[test]
fn a_peer_that_was_staged_earlier_today_keeps_the_day_good() {
    let pool = Pool::new()
        .local("box", &["a.tar", "cback.collect"])
        .local("part", &["b.tar", "cback.collect"]);
    pool.stage();
    pool.write("box/a.tar", "A.TAR");
    fs::remove_file(pool.at("part/cback.collect")).unwrap();
    let report = pool.stage();
    assert!(report.good);
    assert_eq!(failures(&report).len(), 1, "it is a failure all the same");
    assert_eq!(pool.day(""), set(&["box", "cback.stage", "part"]));
}

#[test]
fn what_an_interrupted_run_left_is_removed_and_never_staged() {
    let pool = Pool::new().local("box", &["a.tar", "cback.collect", ".hayloft-half"]);
    pool.write("staging/2026/11/17/.hayloft-stage-7/x", "x");
    pool.write("staging/2026/11/17/.hayloft-cback.stage", "");
    pool.write("staging/2026/11/17/.hayloft-claim-3", "half\n");
    pool.write("staging/2026/11/17/half/cback.collect", "");
    pool.stage();
    assert_eq!(pool.day(""), set(&["box", "cback.stage"]));
    assert_eq!(pool.day("box"), set(&["a.tar", "cback.collect"]));
}

#[test]
fn an_interruption_leaves_the_day_without_indicator() {
    let pool = Pool::new().local("box", &["a.tar", "cback.collect"]);
    pool.world.cancelled.store(true, Ordering::Relaxed);
    let error = pool.order.stage(&pool.world).unwrap_err();
    assert!(matches!(error, StageError::Cancelled));
    assert_eq!(pool.day(""), set(&[]));
}

#[test]
fn names_that_climb_out_are_refused_before_anything_is_written() {
    let mut pool = Pool::new().local("box", &["cback.collect"]);
    pool.order.peers[0].name = "../../x".to_owned();
    assert!(pool.order.check().is_err());
    assert!(!pool.at("staging").exists());
}

#[test]
fn a_remote_peer_is_staged_with_the_known_command_lines() {
    let pool = Pool::new().local("p1", &["a.tar", "b.tar", "cback.collect"]).remote(COPY);

    let report = pool.stage();

    assert!(report.good, "{:?}", failures(&report));
    assert_eq!(pool.day("p1"), set(&["a.tar", "b.tar", "cback.collect"]));
    assert_eq!(pool.read("staging/2026/11/17/p1/b.tar"), "b.tar");
    assert!(pool.at("p1/cback.stage").exists());
    assert_eq!(names(&pool.at("working")), set(&[]));
    let root = pool.directory.path().display().to_string();
    let lines: Vec<_> =
        pool.world.lines.lock().unwrap().iter().map(|it| it.join(" ").replace(&root, "")).collect();
    assert_eq!(
        lines,
        [
            "/copy -B backup@p1:/p1/cback.collect /working/cback.collect",
            "/copy -B backup@p1:/p1/* /staging/2026/11/17/p1",
            "/copy -B /working/cback.stage backup@p1:/p1/cback.stage",
        ]
    );
}

#[test]
fn as_root_the_commands_go_through_the_backup_user_s_shell() {
    let mut pool = Pool::new().local("p1", &["a.tar", "cback.collect"]).remote(COPY);
    pool.order.switch_user = Some("backup".to_owned());

    let report = pool.order.stage(&Su(&pool.world)).unwrap();

    assert!(report.good, "{:?}", failures(&report));
    assert_eq!(pool.day("p1"), set(&["a.tar", "cback.collect"]));
    let root = pool.directory.path().display().to_string();
    let lines: Vec<_> =
        pool.world.lines.lock().unwrap().iter().map(|it| it[2].replace(&root, "")).collect();
    assert_eq!(
        lines,
        [
            "/copy -B backup@p1:/p1/cback.collect /working/cback.collect",
            "/copy -B backup@p1:/p1/* /staging/2026/11/17/p1",
            "/copy -B \"/working/cback.stage\" \"backup@p1:/p1/cback.stage\"",
        ]
    );
}

#[test]
fn staging_a_remote_peer_again_is_no_failure() {
    let pool = Pool::new().local("p1", &["a.tar", "cback.collect"]).remote(COPY);
    pool.stage();
    pool.write("p1/a.tar", "A.TAR");
    let report = pool.stage();
    assert!(report.good, "{:?}", failures(&report));
    assert_eq!(pool.read("staging/2026/11/17/p1/a.tar"), "A.TAR");
}

#[test]
fn a_directory_with_blanks_and_worse_is_reached() {
    let pool = Pool::new().local("p $(touch oops);1", &["a.tar", "cback.collect"]).remote(COPY);
    let mut pool = pool;
    pool.order.peers[0].name = "p1".to_owned();
    let report = pool.stage();
    assert!(report.good, "{:?}", failures(&report));
    assert_eq!(pool.day("p1"), set(&["a.tar", "cback.collect"]));
}

#[test]
fn a_remote_peer_that_is_not_ready_is_asked_once() {
    let pool = Pool::new().local("p1", &["a.tar"]).remote(COPY);
    let report = pool.stage();
    assert!(!report.good);
    assert!(report.peers[0].result.as_ref().unwrap_err().is_not_ready());
    assert!(failures(&report)[0].contains("No such file"), "{:?}", failures(&report));
    assert_eq!(pool.world.lines.lock().unwrap().len(), 1);
}

#[test]
fn a_broken_connection_is_tried_again_and_then_given_up() {
    let broken = Pool::new().local("p1", &["cback.collect"]).remote("echo gone >&2; exit 255");
    let report = broken.stage();
    assert_eq!(failures(&report), ["it was not ready to be staged: gone (tried 3 times)"]);

    let flaky =
        format!("[ -e $0.{{n}} ] || {{ touch $0.{{n}}; exit 255; }}\n{COPY}").replace("{n}", "1");
    let pool = Pool::new().local("p1", &["a.tar", "cback.collect"]).remote(&flaky);
    assert!(pool.stage().good);
}

#[test]
fn a_copy_program_that_is_missing_is_no_peer_that_is_not_ready() {
    for (program, said) in [("/no/scp", "No such file or directory"), ("/dev/null", "denied")] {
        for root in [false, true] {
            let mut pool = Pool::new().local("p1", &["a.tar", "cback.collect"]);
            let place = Place::Remote { user: "backup".into(), copy_command: program.into() };
            pool.order.peers[0].place = place;
            pool.order.switch_user = root.then(|| "backup".to_owned());
            let report =
                if root { pool.order.stage(&Su(&pool.world)).unwrap() } else { pool.stage() };
            assert!(!report.peers[0].result.as_ref().unwrap_err().is_not_ready(), "{program}");
            let said = if root { program } else { said };
            assert!(failures(&report)[0].contains(said), "{:?}", failures(&report));
            assert_eq!(pool.day(""), set(&[]));
        }
    }
}

#[test]
fn a_copy_that_breaks_off_leaves_what_was_staged_before() {
    let pool = Pool::new().local("p1", &["a.tar", "b.tar", "cback.collect"]).remote(COPY);
    pool.stage();
    pool.write("p1/a.tar", "A.TAR");
    let half = "shift; case $1 in *'*') echo half > $2/a.tar; echo broken >&2; exit 1;; esac\nset -- x \"$@\"\n";
    let pool = pool.remote(&format!("{half}{COPY}"));
    let report = pool.stage();
    let into = pool.world.lines.lock().unwrap().last().unwrap().last().unwrap().clone();
    assert!(into.ends_with("/.hayloft-stage-0"), "the good copy is not written to: {into}");
    assert!(failures(&report)[0].ends_with("broken (tried 3 times)"), "{:?}", failures(&report));
    assert_eq!(pool.read("staging/2026/11/17/p1/a.tar"), "a.tar");
    assert!(report.good, "the earlier staging of the day is still whole");
}

#[test]
fn a_first_copy_that_breaks_off_leaves_nothing() {
    let half = "shift; case $1 in *'*') echo half > $2/a.tar; exit 1;; esac\nset -- x \"$@\"\n";
    let pool = Pool::new().local("p1", &["a.tar", "cback.collect"]);
    let pool = pool.remote(&format!("{half}{COPY}"));
    assert!(!pool.stage().good);
    assert_eq!(pool.day(""), set(&[]));
}

#[test]
fn a_copy_program_that_takes_backslashes_for_a_part_of_the_name_gets_none() {
    // As `scp` does since OpenSSH 9, when it copies to another machine.
    let literal = "case $3 in *:*\\\\*) echo no such directory >&2; exit 1;; esac\n\
                   case $3 in *:*) exec cp $2 \"${3#*:}\";; esac\n";
    let mut pool = Pool::new().local("a b", &["a.tar", "cback.collect"]);
    pool.order.peers[0].name = "p1".to_owned();
    let pool = pool.remote(&format!("{literal}{COPY}"));
    let report = pool.stage();
    assert!(report.good, "{:?}", failures(&report));
    assert!(pool.at("a b/cback.stage").exists());
    assert_eq!(pool.world.lines.lock().unwrap().len(), 4);
}

#[test]
fn links_that_another_machine_sends_are_refused() {
    let pool = Pool::new()
        .local("p1", &["a.tar", "cback.collect"])
        .remote(&format!("case $2 in *'*') ln -s /etc/passwd $3/evil;; esac\n{COPY}"));
    let report = pool.stage();
    assert!(
        failures(&report)[0].ends_with("evil is not a regular file"),
        "{:?}",
        failures(&report)
    );
    assert!(!pool.at("staging/2026/11/17/p1").exists());
}

#[test]
fn a_file_that_changes_while_it_is_copied_is_not_staged() {
    let pool = Pool::new().local("box", &["a.tar", "cback.collect"]);
    let report = pool.order.stage(&Growing(pool.at("box/a.tar"))).unwrap();
    assert!(failures(&report)[0].ends_with("a.tar changed while it was copied"));
    assert!(!report.good);
    assert_eq!(pool.day(""), set(&[]));
}
