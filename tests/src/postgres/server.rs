//! The running server process.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ends the server and removes its directory when its standard input ends
/// without a word, which is when the test process has died.
const WATCHDOG: &str = r#"
trap "" HUP INT TERM
read -r word && exit 0
kill -QUIT "$1"
tries=0
while kill -0 "$1" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries+1)); done
rm -rf -- "$2"
"#;

/// A server that is ready.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    watchdog: Child,
}

impl Server {
    /// Starts `postgres`; fails with the server's log.
    pub(super) fn start(mut command: Command, data: &Path, home: &Path) -> Result<Self, String> {
        let log = File::create(home.join("log")).expect("the scratch directory is writable");
        let errors = log.try_clone().expect("a descriptor can be copied");
        command.arg("-D").arg(data).stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut process = command.spawn().expect("postgres can be started");
        let watchdog = watch(&process, home);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if matches!(process.try_wait(), Ok(Some(_))) {
                break;
            }
            if is_ready(data, process.id()) {
                return Ok(Self { process, watchdog });
            }
            sleep(Duration::from_millis(10));
        }
        let server = Self { process, watchdog };
        server.crash();
        Err(read_log(home))
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Fast shutdown: clients are sent away, everything is written.
    pub(super) fn stop(mut self) {
        self.end(Signal::INT);
    }

    /// Immediate shutdown.
    pub(super) fn crash(mut self) {
        self.end(Signal::QUIT);
    }

    /// Leaves the server to the watchdog, and waits for that.
    #[cfg(test)]
    pub(super) fn abandon(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.process.wait();
        let _ = self.watchdog.wait();
    }

    fn end(&mut self, signal: Signal) {
        if let (Ok(None), Some(pid)) = (self.process.try_wait(), pid_of(&self.process)) {
            // It may end by itself in between.
            let _ = kill_process(pid, signal);
        }
        let _ = self.process.wait();
        if let Some(mut input) = self.watchdog.stdin.take() {
            let _ = input.write_all(b"done\n");
        }
        let _ = self.watchdog.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(Signal::QUIT);
    }
}

fn watch(process: &Child, home: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", WATCHDOG, "watchdog", &process.id().to_string()]).arg(home);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("sh can be started")
}

fn pid_of(process: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process.id()).ok()?)
}

/// The server writes its state into the eighth line of `postmaster.pid`.
fn is_ready(data: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let mut lines = text.lines();
    lines.next() == Some(pid.to_string().as_str())
        // A hot standby says `standby`, and takes connections too.
        && lines.nth(6).is_some_and(|state| matches!(state.trim_end(), "ready" | "standby"))
}

pub(super) fn read_log(home: &Path) -> String {
    let bytes = fs::read(home.join("log")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
