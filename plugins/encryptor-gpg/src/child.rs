//! The gpg process as a stream.
//!
//! Its pipes never block: what it takes is written straight from the input,
//! what it gives is read straight into the output, and if neither is possible
//! it is waited for.

use std::{
    ffi::OsString,
    fmt,
    io::{self, ErrorKind as IoKind, PipeReader, PipeWriter, Read, Write},
    os::fd::AsFd,
    process::{Child, Command},
};

use hayloft_plugin_api::{Codec, Error, ErrorKind, Op, Result, Step, config::Secret};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::OFlags,
};

use crate::status::{Status, Task};

/// How much fits into a pipe; the kernel may give less.
const PIPE: usize = 1 << 20;

/// A stream through gpg.
pub(crate) struct GpgCodec {
    task: Task,
    child: Child,
    /// What goes before the input: the passphrase.
    first: Vec<u8>,
    /// `None` once it is closed.
    stdin: Option<PipeWriter>,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    status: Status,
    /// Whether gpg has ended, and well.
    ended: bool,
}

impl fmt::Debug for GpgCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpgCodec").field("task", &self.task).finish_non_exhaustive()
    }
}

impl GpgCodec {
    /// Starts gpg.
    pub(crate) fn start(
        program: &str,
        arguments: &[OsString],
        task: Task,
        passphrase: Option<&Secret>,
    ) -> Result<Self> {
        let failed = |e: io::Error| Error::from(e).context(format!("cannot run {program}"));
        let (stdin_end, stdin) = io::pipe().map_err(failed)?;
        let (stdout, stdout_end) = io::pipe().map_err(failed)?;
        let (stderr, stderr_end) = io::pipe().map_err(failed)?;
        for end in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
            rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK).map_err(|e| failed(e.into()))?;
        }
        for end in [stdin.as_fd(), stdout.as_fd()] {
            // Only a matter of speed.
            let _ = rustix::pipe::fcntl_setpipe_size(end, PIPE);
        }
        let child = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            .stdin(stdin_end)
            .stdout(stdout_end)
            .stderr(stderr_end)
            .spawn()
            .map_err(|e| failed(e).hint("install GnuPG (package gnupg), or set <program>"))?;
        let first = passphrase.map(|it| format!("{}\n", it.expose()).into_bytes());
        Ok(Self {
            task,
            child,
            first: first.unwrap_or_default(),
            stdin: Some(stdin),
            stdout: Some(stdout),
            stderr: Some(stderr),
            status: Status::default(),
            ended: false,
        })
    }

    /// Hands over what gpg can take now, and returns how much of `input` that
    /// was.
    fn write(&mut self, input: &[u8]) -> Result<usize> {
        if !self.first.is_empty() {
            let taken = self.write_some(&self.first)?;
            self.first.drain(..taken);
            if !self.first.is_empty() {
                return Ok(0);
            }
        }
        let taken = self.write_some(input)?;
        Ok(taken)
    }

    fn write_some(&self, bytes: &[u8]) -> Result<usize> {
        let Some(mut stdin) = self.stdin.as_ref() else { return Ok(0) };
        if bytes.is_empty() {
            return Ok(0);
        }
        match retry(|| stdin.write(bytes)) {
            Ok(n) => Ok(n),
            Err(e) if e.kind() == IoKind::WouldBlock => Ok(0),
            // It takes no more: why, it says at its end.
            Err(e) if e.kind() == IoKind::BrokenPipe => Ok(0),
            Err(e) => Err(Error::from(e).context("cannot write to gpg")),
        }
    }

    /// Takes what gpg has for us now.
    fn read(&mut self, output: &mut [u8]) -> Result<usize> {
        let mut produced = 0;
        while let Some(stdout) = self.stdout.as_mut().filter(|_| produced < output.len()) {
            match retry(|| stdout.read(&mut output[produced..])) {
                Ok(0) => self.stdout = None,
                Ok(n) => produced += n,
                Err(e) if e.kind() == IoKind::WouldBlock => break,
                Err(e) => return Err(Error::from(e).context("cannot read from gpg")),
            }
        }
        self.listen()?;
        Ok(produced)
    }

    fn listen(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        while let Some(stderr) = &mut self.stderr {
            match retry(|| stderr.read(&mut buffer)) {
                Ok(0) => self.stderr = None,
                Ok(n) => self.status.push(&buffer[..n]),
                Err(e) if e.kind() == IoKind::WouldBlock => break,
                Err(e) => return Err(Error::from(e).context("cannot read messages of gpg")),
            }
        }
        Ok(())
    }

    /// Waits until gpg takes or gives something.
    fn wait(&self, writing: bool) -> Result<()> {
        let mut watched = Vec::with_capacity(3);
        if writing {
            watched.extend(self.stdin.iter().map(|it| PollFd::new(it, PollFlags::OUT)));
        }
        watched.extend(self.stdout.iter().map(|it| PollFd::new(it, PollFlags::IN)));
        watched.extend(self.stderr.iter().map(|it| PollFd::new(it, PollFlags::IN)));
        match poll(&mut watched, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(Error::from(io::Error::from(e)).context("cannot wait for gpg")),
        }
    }

    /// Waits for gpg's end, after its last output, and tells what came of it.
    fn end(&mut self) -> Result<()> {
        self.stdin = None;
        let status = retry(|| self.child.wait())
            .map_err(|e| Error::from(e).context("cannot wait for gpg"))?;
        self.listen()?;
        self.status.outcome(self.task, status.code())?;
        self.ended = true;
        Ok(())
    }
}

impl Codec for GpgCodec {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let mut step = Step::default();
        loop {
            if self.stdout.is_none() && !self.ended {
                self.end()?;
            }
            if self.ended {
                return after_the_end(step, input, op);
            }
            let rest = &input[step.consumed..];
            let taken = self.write(rest)?;
            step.consumed += taken;
            let all_taken = step.consumed == input.len() && self.first.is_empty();
            if all_taken && op == Op::FINISH {
                self.stdin = None;
            }
            let produced = self.read(&mut output[step.produced..])?;
            step.produced += produced;
            if self.stdout.is_none() {
                continue;
            }
            let enough = step.produced == output.len();
            if enough || (all_taken && op != Op::FINISH) {
                // Blocks of gpg are not to be forced out.
                step.done = all_taken && op == Op::FLUSH && !enough;
                return Ok(step);
            }
            if taken == 0 && produced == 0 {
                self.wait(!all_taken)?;
            }
        }
    }
}

/// gpg reads up to the end of its input; if it has ended before, something
/// follows that does not belong to the stream.
fn after_the_end(mut step: Step, input: &[u8], op: Op) -> Result<Step> {
    if step.consumed < input.len() {
        let message = "there is something after the end of the gpg stream";
        return Err(Error::new(ErrorKind::CORRUPT, message));
    }
    step.done = op != Op::RUN;
    Ok(step)
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == IoKind::Interrupted => {}
            other => return other,
        }
    }
}

impl Drop for GpgCodec {
    fn drop(&mut self) {
        if !self.ended {
            // It may have ended already.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
