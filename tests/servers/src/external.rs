//! Servers that others wrote: programs of their own, on a free port.

use std::{
    ffi::OsStr,
    fs::File,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

/// A running program that listens on a port of 127.0.0.1. Ended when dropped.
#[derive(Debug)]
pub(crate) struct External {
    child: Child,
    pub(crate) port: u16,
    /// A directory of its own, which it begins in.
    pub(crate) directory: TempDir,
}

impl External {
    /// Starts a program, and waits until it listens. `prepare` is given the
    /// command, the port and the directory.
    ///
    /// # Panics
    ///
    /// If it is not installed or does not listen: a test that cannot run must
    /// not pass.
    pub(crate) fn start(program: &Path, prepare: impl Fn(&mut Command, u16, &Path)) -> Self {
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|it| it.local_addr())
            .expect("127.0.0.1 has a free port")
            .port();
        let log = File::create(directory.path().join("log")).expect("our directory is writable");
        // It ends with us, however we end.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(program);
        prepare(&mut command, port, directory.path());
        let child = command
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("setpriv (package util-linux) can be started");
        let it = Self { child, port, directory };
        for _ in 0..2400 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return it;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("{} does not answer:\n{}", program.display(), it.log());
    }

    /// Runs another program in its directory, and returns what it prints.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub(crate) fn run(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
        let program = program.as_ref();
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}\n{complaint}\n{}", self.log());
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// What a script has installed below `scratch`.
///
/// # Panics
///
/// If it is not there.
pub(crate) fn installed(path: &str, script: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scratch").join(path);
    assert!(program.exists(), "{} is not there; run scripts/{script}", program.display());
    program
}

impl Drop for External {
    fn drop(&mut self) {
        // One that has ended needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
