//! Servers that others wrote: programs of their own, on a free port.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::TcpListener,
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
        let mut said = String::new();
        for _ in 0..PORTS {
            let port = free_port("127.0.0.1");
            let log = directory.path().join("log");
            let mut command = tied(program);
            prepare(&mut command, port, directory.path());
            command.current_dir(directory.path());
            if let Some(child) = listening(command, port, &log) {
                return Self { child, port, directory };
            }
            said = fs::read_to_string(&log).unwrap_or_default();
        }
        panic!("{} does not listen:\n{said}", program.display());
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
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// On how many ports is tried: between our look and its start somebody else
/// may have taken one.
pub(crate) const PORTS: u32 = 5;
/// How long a program is waited for, in steps of [`STEP`].
const STEPS: u32 = 2400;
const STEP: Duration = Duration::from_millis(50);

/// Prepares a program that ends with us, however we end.
pub(crate) fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

/// Returns a port of an address on which nobody listens.
pub(crate) fn free_port(address: &str) -> u16 {
    let listener = TcpListener::bind((address, 0)).expect("loopback has free ports");
    listener.local_addr().expect("a listener has an address").port()
}

/// Starts a program and waits until it listens on the port; `None` if it ends
/// before. That somebody listens there would say nothing.
pub(crate) fn listening(mut command: Command, port: u16, log: &Path) -> Option<Child> {
    let log = File::create(log).expect("our directory is writable");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut child = command.spawn().expect("setpriv (package util-linux) can be started");
    for _ in 0..STEPS {
        if is_listening(child.id(), port) {
            return Some(child);
        }
        if child.try_wait().is_ok_and(|it| it.is_some()) {
            return None;
        }
        sleep(STEP);
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Tells whether a process listens on a port.
fn is_listening(process: u32, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let end = format!(":{port:04X}");
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let fields = sockets.lines().map(|it| it.split_whitespace().collect::<Vec<_>>());
    let ours: Vec<String> = fields
        .filter(|it| it.len() > 9 && it[1].ends_with(&end) && it[3] == LISTEN)
        .map(|it| format!("socket:[{}]", it[9]))
        .collect();
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let mut links = open.filter_map(|it| fs::read_link(it.path()).ok());
    links.any(|it| ours.iter().any(|socket| it.as_os_str() == socket.as_str()))
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
