//! A program that is run to its end, or to the end of its time.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, Result};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    process::{Pid, PidfdFlags, Signal},
};

use crate::tail::Tail;

/// Where the host takes command lines and the output of programs from.
const OUTPUT: &str = "output";
/// How long a program may take to end itself when it is told to.
const GRACE: Duration = Duration::from_secs(5);
/// How often to look for the program's end where nothing tells of it.
const TICK: Duration = Duration::from_millis(20);
/// How much is read before looking at the clock again, in buffers.
const READS: usize = 64;

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// The program, and its arguments.
    pub(crate) arguments: &'a [String],
    /// Variables that it gets besides ours.
    pub(crate) environment: BTreeMap<String, String>,
    /// What it can read from its standard input.
    pub(crate) input: Vec<u8>,
    pub(crate) timeout: Duration,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Code(i32),
    Signal(i32),
    TimedOut(Duration),
}

/// How it ended, and what it wrote last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) ending: Ending,
    pub(crate) tail: Tail,
}

impl Finished {
    /// Says how it ended, with its last lines.
    pub(crate) fn describe(&self, program: &str) -> String {
        let mut text = match self.ending {
            Ending::Code(code) => format!("{program} ended with exit code {code}"),
            Ending::Signal(signal) => format!("{program} was ended by signal {signal}"),
            Ending::TimedOut(limit) => {
                format!("{program} did not end within {} s", limit.as_secs_f64())
            }
        };
        let mut lines = self.tail.lines().peekable();
        if lines.peek().is_some() {
            text.push_str("; it wrote at last:");
        }
        for line in lines {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {line}");
        }
        text
    }
}

impl Program<'_> {
    /// Runs it, in a process group of its own. What it starts in the
    /// background and leaves behind is not waited for.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn run(&self) -> Result<Finished> {
        let name = &self.arguments[0];
        tracing::debug!(target: OUTPUT, "executing {:?}", self.arguments);
        let failed = |e: io::Error| Error::from(e).context(format!("cannot run {name}"));
        let (input_end, input) = io::pipe().map_err(failed)?;
        let (output, output_end) = io::pipe().map_err(failed)?;
        for end in [input.as_fd(), output.as_fd()] {
            rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK).map_err(|e| failed(e.into()))?;
        }
        let mut command = Command::new(name);
        command
            .args(&self.arguments[1..])
            .envs(&self.environment)
            .process_group(0)
            .stdin(input_end)
            .stdout(output_end.try_clone().map_err(failed)?)
            .stderr(output_end);
        let child = command.spawn().map_err(|e| {
            failed(e).hint("the program must be there and executable; there is no shell")
        })?;
        // Its own ends of the pipes must be closed on our side.
        drop(command);
        let mut running = Running::new(child, input, output, &self.input);
        let ending = running.until_end(self.timeout).map_err(failed)?;
        Ok(Finished { ending, tail: std::mem::take(&mut running.tail) })
    }
}

struct Running<'a> {
    child: Child,
    group: Pid,
    /// Becomes readable when the process ends. Some containers forbid it.
    pidfd: Option<OwnedFd>,
    input: Option<PipeWriter>,
    unwritten: &'a [u8],
    output: Option<PipeReader>,
    tail: Tail,
}

impl<'a> Running<'a> {
    fn new(child: Child, input: PipeWriter, output: PipeReader, unwritten: &'a [u8]) -> Self {
        let group = Pid::from_child(&child);
        let pidfd = rustix::process::pidfd_open(group, PidfdFlags::empty()).ok();
        let (input, output, tail) = (Some(input), Some(output), Tail::default());
        Self { child, group, pidfd, input, unwritten, output, tail }
    }

    fn until_end(&mut self, timeout: Duration) -> io::Result<Ending> {
        let mut end = Instant::now().checked_add(timeout);
        let mut timed_out = false;
        let status = loop {
            self.wait(end)?;
            self.write()?;
            self.read()?;
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                let signal = if timed_out { Signal::KILL } else { Signal::TERM };
                // It may have ended in this very moment.
                let _ = rustix::process::kill_process_group(self.group, signal);
                end = Instant::now().checked_add(GRACE);
                timed_out = true;
            }
        };
        self.read()?;
        self.tail.finish(|line| tracing::info!(target: OUTPUT, "{line}"));
        if timed_out {
            // Whatever of it took no notice of the first signal.
            let _ = rustix::process::kill_process_group(self.group, Signal::KILL);
            return Ok(Ending::TimedOut(timeout));
        }
        Ok(ending_of(status))
    }

    /// Waits until there is something to do, or until `end`.
    fn wait(&self, end: Option<Instant>) -> io::Result<()> {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = if self.pidfd.is_some() { left } else { Some(TICK) };
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut watched = Vec::with_capacity(3);
        watched.extend(self.pidfd.iter().map(|it| PollFd::new(it, PollFlags::IN)));
        watched.extend(self.input.iter().map(|it| PollFd::new(it, PollFlags::OUT)));
        watched.extend(self.output.iter().map(|it| PollFd::new(it, PollFlags::IN)));
        match poll(&mut watched, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Hands over what the program can take. One that does not read it, or
    /// not all of it, is as good as any other.
    fn write(&mut self) -> io::Result<()> {
        while let Some(input) = self.input.as_mut().filter(|_| !self.unwritten.is_empty()) {
            match input.write(self.unwritten) {
                Ok(n) => self.unwritten = &self.unwritten[n..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => self.unwritten = &[],
                Err(e) => return Err(e),
            }
        }
        self.input = None;
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        for _ in 0..READS {
            let Some(output) = &mut self.output else { break };
            match output.read(&mut buffer) {
                Ok(0) => self.output = None,
                Ok(n) => {
                    self.tail.push(&buffer[..n], |line| tracing::info!(target: OUTPUT, "{line}"));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process_group(self.group, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn ending_of(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Code(code),
        (None, signal) => Ending::Signal(signal.unwrap_or(0)),
    }
}
