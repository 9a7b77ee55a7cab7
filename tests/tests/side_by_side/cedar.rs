//! The real Cedar Backup.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use hayloft_tests::Program;

/// The release that is compared with.
const VERSION: &str = "3.12.0";
/// Names the virtual environment, if it is to be another than ours.
pub(crate) const PLACE: &str = "HAYLOFT_TESTS_CEDAR_BACKUP";
/// How the line begins that says that there is no comparison.
pub(crate) const SKIPPED: &str = "SKIPPED:";

/// Cedar Backup in a virtual environment.
pub(crate) struct Cedar {
    python: PathBuf,
}

impl Cedar {
    /// Finds it, or installs it beside the program. `None`, after a line on
    /// the terminal that no test runner keeps to itself, if that is
    /// impossible.
    pub(crate) fn find() -> Option<Self> {
        // The tests of this file run at the same time.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = env::var_os(PLACE).map_or_else(
            || Program::find().directory().join(format!("cedar-backup-{VERSION}")),
            PathBuf::from,
        );
        let python = directory.join("bin/python");
        if !works(&python)
            && let Err(why) = install(&directory)
        {
            let line = format!(
                "{SKIPPED} no side-by-side comparison, Cedar Backup cannot be installed: {why}\n"
            );
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            return None;
        }
        Some(Self { python })
    }

    /// Prepares to run one of its programs at a time, in seconds since 1970.
    pub(crate) fn command(&self, program: &str, time: i64) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(fixture("cback3.py")).arg(time.to_string()).arg(program);
        command
    }

    /// Prepares to list archives.
    pub(crate) fn members(&self, archives: impl Iterator<Item = PathBuf>) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(fixture("members.py")).args(archives);
        command
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/side-by-side").join(name)
}

fn works(python: &Path) -> bool {
    Command::new(python)
        .args(["-c", "import CedarBackup3.cli"])
        .output()
        .is_ok_and(|it| it.status.success())
}

/// Built under another name, so that a half-made one is never taken for it.
fn install(directory: &Path) -> Result<(), String> {
    let making = directory.with_extension(format!("making-{}", std::process::id()));
    drop(fs::remove_dir_all(directory));
    let python = making.join("bin/python");
    let package = format!("cedar-backup3=={VERSION}");
    let made = run(Command::new("python3").args(["-m", "venv"]).arg(&making)).and_then(|()| {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python).args(pip).arg(&package))
    });
    let made = made.and_then(|()| fs::rename(&making, directory).map_err(|e| e.to_string()));
    if made.is_err() {
        drop(fs::remove_dir_all(&making));
    }
    // Another process may have been faster.
    if works(&directory.join("bin/python")) { Ok(()) } else { made }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(text.lines().last().unwrap_or("no reason given").to_owned())
}
