//! Programs that an action runs.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::Host;
use crate::{
    abi::ProcessBox,
    error::{Error, ErrorKind, Result},
    shim::client,
};

/// A program with its arguments. There is never a shell in between.
///
/// What the program writes to standard error goes to the log, and its last
/// lines into the error if it fails. It is ended, with its whole process
/// group, when the action is cancelled or the time limit runs out.
#[derive(Debug)]
pub struct ProcessBuilder<'a> {
    host: &'a Host,
    request: SpawnRequest,
}

/// What crosses the boundary for a [`ProcessBuilder`].
#[doc(hidden)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpawnRequest {
    /// The program's name or path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables to set; `None` removes one.
    pub env: BTreeMap<String, Option<String>>,
    /// Whether its standard output is read by the action, not logged.
    pub capture: bool,
    /// What it reads from its standard input.
    pub stdin: Vec<u8>,
    /// The time limit in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The directory it is started in.
    pub directory: Option<String>,
}

/// How a program ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finished {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether its time limit ran out.
    pub timed_out: bool,
    /// The last lines of its standard error.
    pub stderr: String,
}

impl<'a> ProcessBuilder<'a> {
    pub(crate) fn new(host: &'a Host, program: &str) -> Self {
        let request = SpawnRequest { program: program.to_owned(), ..SpawnRequest::default() };
        Self { host, request }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.request.args.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Self {
        self.request.args.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable. The value is never logged.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.request.env.insert(name.to_owned(), Some(value.into()));
        self
    }

    /// Removes a variable.
    #[must_use]
    pub fn env_remove(mut self, name: &str) -> Self {
        self.request.env.insert(name.to_owned(), None);
        self
    }

    /// Gives it something to read; otherwise its input is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.request.stdin = bytes.into();
        self
    }

    /// Limits its time.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.request.timeout_ms = Some(limit.as_millis().try_into().unwrap_or(u64::MAX));
        self
    }

    /// Starts it; its standard output is read from the [`Process`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`], naming the program, if there is none.
    pub fn spawn(mut self) -> Result<Process> {
        self.request.capture = true;
        self.start()
    }

    /// Runs it to the end; its standard output goes to the log.
    ///
    /// # Errors
    ///
    /// As [`ProcessBuilder::spawn`], and as [`Process::finish`].
    pub fn run(self) -> Result<()> {
        self.start()?.finish()
    }

    /// Runs it to the end and returns what it wrote to its standard output.
    ///
    /// # Errors
    ///
    /// As [`ProcessBuilder::spawn`], and as [`Process::finish`].
    pub fn output(self) -> Result<Vec<u8>> {
        let mut process = self.spawn()?;
        let mut out = Vec::new();
        process.read_to_end(&mut out)?;
        process.finish()?;
        Ok(out)
    }

    fn start(self) -> Result<Process> {
        let request = client::to_json(&self.request)?;
        let raw = client::plain(self.host.raw.spawn(request.as_str().into()))?;
        Ok(Process { program: self.request.program, raw, ended: false })
    }
}

/// A running program; reading from it reads its standard output. It is killed
/// if it is dropped before [`Process::wait`].
pub struct Process {
    program: String,
    raw: ProcessBox,
    ended: bool,
}

impl Process {
    /// Waits for its end and tells how it ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CANCELLED`] if the action was cancelled meanwhile.
    pub fn wait(&mut self) -> Result<Finished> {
        let json = client::plain(self.raw.wait())?;
        self.ended = true;
        client::from_json(&json)
    }

    /// Waits for its end, which must be a good one.
    ///
    /// # Errors
    ///
    /// The program's name, how it ended, and the last lines that it wrote to
    /// its standard error.
    pub fn finish(mut self) -> Result<()> {
        let finished = self.wait()?;
        finished.into_result(&self.program)
    }
}

impl Finished {
    /// Turns a bad end into an error.
    ///
    /// # Errors
    ///
    /// See [`Process::finish`].
    pub fn into_result(self, program: &str) -> Result<()> {
        let how = match (self.timed_out, self.code, self.signal) {
            (false, Some(0), _) => return Ok(()),
            (true, ..) => "did not end within its time limit".to_owned(),
            (_, Some(code), _) => format!("failed with exit code {code}"),
            (_, None, Some(signal)) => format!("was ended by signal {signal}"),
            (_, None, None) => "ended in an unknown way".to_owned(),
        };
        let kind = if self.timed_out { ErrorKind::TIMED_OUT } else { ErrorKind::OTHER };
        let stderr = self.stderr.trim();
        if stderr.is_empty() {
            return Err(Error::new(kind, format!("{program} {how}")));
        }
        Err(Error::new(kind, stderr).context(format!("{program} {how}")))
    }
}

impl Read for Process {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        client::plain(self.raw.read(buffer.into())).map_err(Error::into_io)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            self.raw.kill();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("program", &self.program).finish_non_exhaustive()
    }
}
