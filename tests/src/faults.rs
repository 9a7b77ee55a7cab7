//! Faults at each single change that a program makes below a directory.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

/// What happens to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The program and its workers end, as by `kill -9`.
    Kill,
    /// From then on there is no room.
    Full,
    /// This one change fails.
    Io,
}

/// Lets the n-th change fail: see `fixtures/faults/nth.c`.
#[derive(Debug)]
pub struct Faults {
    directory: tempfile::TempDir,
    library: PathBuf,
    count: PathBuf,
}

impl Faults {
    /// Builds it.
    pub fn new() -> Self {
        let readable = fs::Permissions::from_mode(0o755);
        let mut directory = tempfile::Builder::new();
        let directory = directory.prefix("faults-").permissions(readable).tempdir().unwrap();
        let library = directory.path().join("nth.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/faults/nth.c");
        let mut command = Command::new("cc");
        command.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]);
        let output = command.arg(&library).arg(&source).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let count = directory.path().join("count");
        Self { directory, library, count }
    }

    /// Prepares a command whose `at`-th change below one of these directories
    /// is struck; none if that is 0.
    pub fn strike<'c>(
        &self,
        command: &'c mut Command,
        under: &[PathBuf],
        (fault, at): (Fault, u64),
    ) -> &'c mut Command {
        fs::write(&self.count, [0; 8]).unwrap();
        // Another account may run it.
        fs::set_permissions(&self.count, fs::Permissions::from_mode(0o666)).unwrap();
        let under: Vec<&str> = under.iter().map(|it| it.to_str().unwrap()).collect();
        let what = match fault {
            Fault::Kill => "kill",
            Fault::Full => "full",
            Fault::Io => "io",
        };
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAULT_COUNT", &self.count)
            .env("FAULT_UNDER", under.join(":"))
            .env("FAULT_AT", at.to_string())
            .env("FAULT_DO", what)
            .process_group(0)
    }

    /// Returns how many changes the last command has made.
    pub fn changes(&self) -> u64 {
        u64::from_ne_bytes(fs::read(&self.count).unwrap().try_into().unwrap())
    }

    /// Returns a directory for what a test needs aside.
    pub fn aside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}
