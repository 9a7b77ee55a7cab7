//! Programs that an action runs.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RSliceMut, RString},
};

use super::Shared;
use crate::{
    Finished, SpawnRequest,
    abi::{Fallible, ProcessBox, RawProcess, RawProcess_TO},
    error::{Error, ErrorKind, Result},
    shim::{client, guard},
};

struct Running {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
    until: Option<Instant>,
    shared: Arc<Shared>,
}

pub(super) fn start(request: &SpawnRequest, shared: &Arc<Shared>) -> Result<ProcessBox> {
    let mut command = Command::new(&request.program);
    command.args(&request.args).stdin(Stdio::piped()).stderr(Stdio::piped());
    command.stdout(if request.capture { Stdio::piped() } else { Stdio::null() });
    for (name, value) in &request.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(directory) = &request.directory {
        command.current_dir(directory);
    }
    let failed = |e| Error::from(e).context(format!("cannot run {}", request.program));
    let mut child = command.spawn().map_err(failed)?;
    let (stdin, input) = (child.stdin.take(), request.stdin.clone());
    // A program that does not read all of its input is no failure.
    thread::spawn(move || stdin.map(|mut it| it.write_all(&input)));
    let stderr = child.stderr.take().map(|mut stderr| {
        thread::spawn(move || {
            let mut text = Vec::new();
            drop(stderr.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let until = request.timeout_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
    let stdout = child.stdout.take();
    let running = Running { child, stdout, stderr, until, shared: Arc::clone(shared) };
    Ok(RawProcess_TO::from_value(running, TD_Opaque))
}

impl Running {
    fn finish(&mut self) -> Result<Finished> {
        use std::os::unix::process::ExitStatusExt;
        let mut timed_out = false;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            timed_out = self.until.is_some_and(|until| Instant::now() > until);
            if self.shared.cancelled.load(Ordering::Relaxed) {
                self.child.kill()?;
                self.child.wait()?;
                return Err(Error::new(ErrorKind::CANCELLED, "interrupted"));
            }
            if timed_out {
                self.child.kill()?;
                break self.child.wait()?;
            }
            thread::sleep(Duration::from_millis(2));
        };
        let stderr = self.stderr.take().and_then(|it| it.join().ok()).unwrap_or_default();
        Ok(Finished { code: status.code(), signal: status.signal(), timed_out, stderr })
    }
}

impl RawProcess for Running {
    fn read(&mut self, mut buffer: RSliceMut<'_, u8>) -> Fallible<usize> {
        guard(|| match &mut self.stdout {
            Some(stdout) => Ok(stdout.read(buffer.as_mut_slice())?),
            None => Ok(0),
        })
    }

    fn wait(&mut self) -> Fallible<RString> {
        guard(|| client::to_json(&self.finish()?).map(RString::from))
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
