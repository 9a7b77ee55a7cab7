//! Why a peer was not staged.

use std::{error::Error as _, io, os::unix::ffi::OsStrExt, path::Path};

use hayloft_plugin_api::text::one_line;

/// Why a peer was not staged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// Its collection is not finished.
    #[error("it was not ready to be staged: {why}")]
    NotReady {
        /// How that was seen.
        why: String,
    },
    /// Its collect directory has an entry that is no regular file.
    #[error("{path} is not a regular file")]
    NotRegular {
        /// The entry.
        path: String,
    },
    /// Its `cback.collect` went away while the files were copied.
    #[error("cback.collect was not among the files copied from {path}")]
    Incomplete {
        /// The directory.
        path: String,
    },
    /// The files were collected anew while they were copied.
    #[error("{path} changed while it was copied")]
    Changed {
        /// The file.
        path: String,
    },
    /// A program could not be started.
    #[error("{failure}")]
    Program {
        /// What the system, or the shell, said.
        failure: String,
    },
    /// A program failed.
    #[error("{what}: {failure}")]
    Command {
        /// What was to be done.
        what: String,
        /// What the program said.
        failure: String,
    },
    /// The system refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// With which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// A file could not be given to the backup user.
    #[error("cannot change the owner of {path}: {why}")]
    Owner {
        /// The file.
        path: String,
        /// Why not.
        why: String,
    },
    /// The work is to end.
    #[error("interrupted")]
    Cancelled,
}

impl StageError {
    /// Tells whether the peer simply had nothing for us yet.
    pub fn is_not_ready(&self) -> bool {
        matches!(self, Self::NotReady { .. })
    }

    /// Returns it with everything below it, in one line.
    pub fn line(&self) -> String {
        match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// Returns what makes an error of the system one of ours.
    pub(crate) fn io<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { what, path: shown(path), source }
    }
}

/// Returns a path as it can stand in one line of a log.
pub(crate) fn shown(path: impl AsRef<Path>) -> String {
    one_line(path.as_ref().as_os_str().as_bytes())
}
