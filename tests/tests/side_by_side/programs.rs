//! The two programs, each with its own directories under the same name.

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use hayloft_tests::Sandbox;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::{TUESDAY, cedar::Cedar, outcome::Outcome, tree::Tree};

const CONFIGURATION: &str = "<?xml version=\"1.0\"?>
<cb_config>
  <reference><author>somebody</author><revision>1</revision></reference>
  <options>
    <starting_day>tuesday</starting_day><working_dir>$SANDBOX/world/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
  </options>
  <peers>
    <peer><name>box</name><type>local</type><collect_dir>$SANDBOX/world/collect</collect_dir></peer>
    <peer><name>other</name><type>local</type><collect_dir>$SANDBOX/world/other</collect_dir></peer>
  </peers>
  <collect>
    <collect_dir>$SANDBOX/world/collect</collect_dir>
    <collect_mode>daily</collect_mode><archive_mode>targz</archive_mode>
    <ignore_file>.cbignore</ignore_file>
    <file><abs_path>$SANDBOX/tree/single.conf</abs_path></file>
    <dir>
      <abs_path>$SANDBOX/tree/data</abs_path><archive_mode>tar</archive_mode>
      <exclude><rel_path>excluded</rel_path><pattern>.*\\.bak</pattern></exclude>
    </dir>
    <dir><abs_path>$SANDBOX/tree/incr</abs_path><mode>incr</mode></dir>
    <dir>
      <abs_path>$SANDBOX/tree/weekly</abs_path><collect_mode>weekly</collect_mode>
      <archive_mode>tarbz2</archive_mode>
    </dir>
    <dir>
      <abs_path>$SANDBOX/tree/homes</abs_path><archive_mode>tar</archive_mode>
      <recursion_level>1</recursion_level>
    </dir>
  </collect>
  <stage><staging_dir>$SANDBOX/world/stage</staging_dir></stage>
  <purge>
    <dir><abs_path>$SANDBOX/world/stage</abs_path><retain_days>3</retain_days></dir>
    <dir><abs_path>$SANDBOX/world/collect</abs_path><retain_days>0</retain_days></dir>
    <dir><abs_path>$SANDBOX/world/other</abs_path><retain_days>0</retain_days></dir>
  </purge>
</cb_config>
";

/// What the programs have of their own.
pub(crate) struct Worlds<'a> {
    pub(crate) sandbox: Sandbox,
    cedar: &'a Cedar,
    tree: Tree,
    environment: Vec<(String, String)>,
}

/// The directories of the two, when it is not their turn.
pub(crate) const NAMES: [&str; 2] = ["theirs", "ours"];
/// The names under which the program is called.
const PROGRAMS: [&str; 2] = ["cback3", "cback3-span"];

impl<'a> Worlds<'a> {
    pub(crate) fn new(cedar: &'a Cedar) -> Self {
        Self::with(cedar, "", "")
    }

    /// Makes worlds with more in `<options>` and with more sections.
    pub(crate) fn with(cedar: &'a Cedar, options: &str, sections: &str) -> Self {
        let sandbox = Sandbox::new();
        for name in NAMES {
            for directory in ["working", "collect", "stage", "other"] {
                sandbox.dir(&format!("{name}/{directory}"));
            }
        }
        let configuration = CONFIGURATION
            .replace("</options>", &format!("{options}</options>"))
            .replace("</cb_config>", &format!("{sections}</cb_config>"));
        sandbox.write("cback3.conf", &configuration);
        for name in PROGRAMS {
            symlink(sandbox.program().path(), sandbox.path(name)).unwrap();
        }
        let others = NAMES.map(|name| sandbox.path(name).join("other"));
        let tree = Tree::new(sandbox.path("tree"), others);
        Self { sandbox, cedar, tree, environment: Vec::new() }
    }

    /// Sets a variable for both programs.
    pub(crate) fn env(&mut self, name: &str, value: String) {
        self.environment.push((name.to_owned(), value));
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Runs Cedar Backup, then Hayloft, at a time in seconds since 1970.
    pub(crate) fn run(&self, time: i64, arguments: &[&str]) -> [Outcome; 2] {
        let ours = self.one(NAMES[1], self.hayloft(PROGRAMS[0], time), time, (arguments, ""));
        [self.cedar(time, arguments), ours]
    }

    /// Runs the program that asks; `lines` are the answers.
    pub(crate) fn span(&self, time: i64, lines: &str) -> [Outcome; 2] {
        let theirs = self.cedar.command(PROGRAMS[1], time);
        let ours = self.hayloft(PROGRAMS[1], time);
        [(NAMES[0], theirs), (NAMES[1], ours)]
            .map(|(name, command)| self.one(name, command, time, (&[], lines)))
    }

    /// Runs Cedar Backup alone.
    pub(crate) fn cedar(&self, time: i64, arguments: &[&str]) -> Outcome {
        self.one(NAMES[0], self.cedar.command(PROGRAMS[0], time), time, (arguments, ""))
    }

    /// Runs Hayloft on what Cedar Backup left.
    pub(crate) fn switched(&self, time: i64, arguments: &[&str]) -> Outcome {
        self.one(NAMES[0], self.hayloft(PROGRAMS[0], time), time, (arguments, ""))
    }

    fn hayloft(&self, program: &str, time: i64) -> Command {
        let mut command = Command::new(self.sandbox.path(program));
        let (day, hour) = ((time - TUESDAY) / 86_400 + 1, time % 86_400 / 3600);
        command.env("HAYLOFT_NOW", format!("2030-01-{day:02}T{hour:02}:00:00Z"));
        command
    }

    fn one(
        &self,
        name: &str,
        mut command: Command,
        time: i64,
        (arguments, input): (&[&str], &str),
    ) -> Outcome {
        let world = self.sandbox.path("world");
        fs::rename(self.sandbox.path(name), &world).unwrap();
        let begun = SystemTime::now();
        command
            .arg("--logfile")
            .arg(self.sandbox.path("log"))
            .arg("--config")
            .arg(self.sandbox.path("cback3.conf"))
            .args(arguments)
            .env("TZ", "UTC")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.sandbox.path(""));
        let output = output(command, input);
        settle_times(&world, begun, time);
        let outcome = Outcome::of(&output, &world, self.cedar);
        fs::rename(&world, self.sandbox.path(name)).unwrap();
        outcome
    }
}

/// Runs a program with this as its input.
fn output(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it has read everything.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

/// Gives what was just written the time that it is said to be; and nothing
/// counts as read, because for Cedar Backup that makes a file younger.
fn settle_times(directory: &Path, begun: SystemTime, time: i64) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path: PathBuf = entry.path();
        if entry.file_type().unwrap().is_dir() {
            settle_times(&path, begun, time);
        }
        let modified = fs::symlink_metadata(&path).unwrap().modified().unwrap();
        // What was given its time before is neither older nor newer by chance:
        // that time is years away.
        let second = Duration::from_secs(1);
        let new = (begun - second..SystemTime::now() + second).contains(&modified);
        let seconds = if new { time } else { seconds_of(modified) };
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

fn seconds_of(time: SystemTime) -> i64 {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(seconds).unwrap()
}
