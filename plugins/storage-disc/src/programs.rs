//! Runs the programs.

use std::{
    io::Read,
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, ErrorKind, Finished, Host, Result};
use tracing::debug;

use crate::tools::{Program, Tool, Tools};

/// How long a program may take that only asks something or moves the tray.
/// One that burns may take as long as it wants: the action has a time limit.
const LIMIT: Duration = Duration::from_mins(10);
/// How much of what a program says is kept.
const MOST: u64 = 1 << 20;
/// How often a pause looks whether the work is to end.
const PULSE: Duration = Duration::from_millis(50);

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// What it wrote to its standard output.
    pub output: String,
    /// Its name, for errors.
    pub name: String,
    /// Whether it was xorriso in its place.
    pub is_xorriso: bool,
    /// How it ended.
    pub finished: Finished,
}

impl Ran {
    /// Tells whether it ended well.
    pub fn is_good(&self) -> bool {
        self.finished.code == Some(0)
    }

    /// Returns everything that it said.
    pub fn everything(&self) -> String {
        format!("{}\n{}", self.output, self.finished.stderr)
    }

    /// Returns what it wrote to its standard output, if it ended well.
    ///
    /// # Errors
    ///
    /// How it ended, with its last words.
    pub fn good(self) -> Result<String> {
        self.finished.into_result(&self.name)?;
        Ok(self.output)
    }
}

/// The programs of the configuration, and the host that runs them.
#[derive(Debug, Clone, Copy)]
pub struct Programs<'a> {
    /// The host.
    pub host: &'a Host,
    /// The programs.
    pub tools: &'a Tools,
}

impl Programs<'_> {
    /// Runs a program that answers soon. `arguments` are told which program it
    /// is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is no such program; not that it ends
    /// badly.
    pub fn ask(&self, tool: Tool, arguments: impl Fn(&Program) -> Vec<String>) -> Result<Ran> {
        self.run(tool, &[], Some(LIMIT), arguments)
    }

    /// Runs a program that takes its time, with these variables.
    ///
    /// # Errors
    ///
    /// As [`Programs::ask`].
    pub fn work(
        &self,
        tool: Tool,
        variables: &[(&str, &str)],
        arguments: impl Fn(&Program) -> Vec<String>,
    ) -> Result<Ran> {
        self.run(tool, variables, None, arguments)
    }

    fn run(
        &self,
        tool: Tool,
        variables: &[(&str, &str)],
        limit: Option<Duration>,
        arguments: impl Fn(&Program) -> Vec<String>,
    ) -> Result<Ran> {
        self.host.check_cancelled()?;
        let mut missing = None;
        for program in self.tools.candidates(tool) {
            let mut process = self.host.process(&program.path).args(program.prefix.iter().copied());
            process = process.args(arguments(&program));
            for (name, value) in variables {
                process = process.env(name, *value);
            }
            if let Some(limit) = limit {
                process = process.timeout(limit);
            }
            let mut running = match process.spawn() {
                Ok(running) => running,
                Err(error) if error.kind() == ErrorKind::NOT_FOUND => {
                    // The first one has the name that people know.
                    missing.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            debug!(program = program.path, "started");
            let output = read_all(&mut running);
            let finished = running.wait()?;
            let output = String::from_utf8_lossy(&output?).into_owned();
            return Ok(Ran {
                output,
                name: tool.name().to_owned(),
                is_xorriso: program.is_xorriso,
                finished,
            });
        }
        let unknown = || Error::new(ErrorKind::NOT_FOUND, format!("there is no {}", tool.name()));
        Err(missing.unwrap_or_else(unknown))
    }

    /// Does nothing for a while.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CANCELLED`] if the work is to end meanwhile.
    pub fn pause(&self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        loop {
            self.host.check_cancelled()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(PULSE));
        }
    }
}

/// Reads to the end, and keeps the beginning: a program that burns a disc
/// shows its progress for an hour.
fn read_all(process: &mut impl Read) -> Result<Vec<u8>> {
    let mut kept = Vec::new();
    process.by_ref().take(MOST).read_to_end(&mut kept)?;
    std::io::copy(process, &mut std::io::sink())?;
    Ok(kept)
}
