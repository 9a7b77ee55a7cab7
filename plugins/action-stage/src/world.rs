//! What staging needs of the outside.

use std::{path::Path, time::Duration};

/// What staging needs of the outside. Several threads use it at once.
pub trait World: Sync {
    /// Tells whether the work is to end.
    fn cancelled(&self) -> bool;

    /// Gives a file or directory to the backup user, if we are root.
    ///
    /// # Errors
    ///
    /// Why that cannot be done.
    fn give(&self, path: &Path) -> Result<(), String>;

    /// Runs a program to its end.
    ///
    /// # Errors
    ///
    /// How it ended.
    fn run(&self, words: &[String], limit: Duration) -> Result<(), Failure>;

    /// Is told of every piece of a file that was copied.
    fn copied(&self, file: &Path, bytes: u64);
}

/// How a program failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It could not be started.
    NotStarted(String),
    /// It was ended when its time was over.
    TimedOut(String),
    /// It ended by itself with an exit code, or by a signal.
    Ended {
        /// The exit code.
        code: Option<i32>,
        /// What it said.
        text: String,
    },
    /// The work is to end.
    Cancelled,
}
