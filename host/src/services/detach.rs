//! A command of a plugin that goes on when the program has ended.
//!
//! The worker starts this program once more; see `commands/detached`, which is
//! the other side.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use hayloft_plugin_api::{Arguments, Error, Result};
use serde::{Deserialize, Serialize};

use crate::worker::protocol::{self, Job};

/// The hidden command by which this program starts itself detached.
pub const COMMAND: &str = "detached-process";

/// What the detached process is to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Detached {
    /// The configuration file, absolute.
    pub configuration: Option<PathBuf>,
    /// Directories with plugins that the command line named, absolute.
    pub plugin_dirs: Vec<PathBuf>,
    /// What the log is to hold, in the form of `RUST_LOG`.
    pub log_filter: String,
    /// Where the log goes.
    pub log_file: PathBuf,
    /// The plugin's command.
    pub command: String,
    /// What it is called with.
    pub arguments: Arguments,
}

/// What the detached process writes when it has left its caller.
pub const LEFT: &[u8] = b"left\n";

/// Starts it, and returns its number when it has left our session. Nothing
/// but words for people is in its arguments.
///
/// # Errors
///
/// If it cannot be started.
pub fn start(job: &Job, command: &str, arguments: &Arguments, log_file: &Path) -> Result<u32> {
    let absolute = |it: &PathBuf| std::path::absolute(it);
    let detached = Detached {
        configuration: job.configuration.as_ref().map(absolute).transpose()?,
        plugin_dirs: job.plugin_dirs.iter().map(absolute).collect::<std::io::Result<_>>()?,
        log_filter: job.log_filter.clone(),
        log_file: std::path::absolute(log_file)?,
        command: command.to_owned(),
        arguments: arguments.clone(),
    };
    let mut child = Command::new("/proc/self/exe")
        .arg(COMMAND)
        .arg(command)
        .args(&arguments.subcommands)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| Error::from(e).context("cannot start a process of its own"))?;
    match introduce(&mut child, &detached) {
        Ok(()) => Ok(child.id()),
        Err(error) => {
            // It may have ended by itself; it must not become a zombie.
            drop(child.kill());
            drop(child.wait());
            Err(error.context("the process of its own did not begin"))
        }
    }
}

fn introduce(child: &mut Child, detached: &Detached) -> Result<()> {
    if let Some(mut stdin) = child.stdin.take() {
        protocol::tell(&mut stdin, detached)?;
    }
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LEFT.len() as u64).read_to_end(&mut said)?;
    }
    if said == LEFT { Ok(()) } else { Err(Error::msg("it ended at once")) }
}
