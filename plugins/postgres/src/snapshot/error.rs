//! What can go wrong with a snapshot session.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::error::{ErrorKind, Failure};

/// Why a snapshot session cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A file or directory of ours cannot be used.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was to be done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The directory for the state is not ours alone.
    #[error("{} can be changed by others: it must belong to us, with mode 0700", path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
    },
    /// The record is not what we write.
    #[error("{} cannot be read", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Another session is held in the same place.
    #[error("a snapshot session is running already: {0}")]
    Held(String),
    /// There is no session.
    #[error("no snapshot session is running{0}")]
    None(String),
    /// The label must not be put there.
    #[error("{} is the data directory of a running server", path.display())]
    LiveData {
        /// The directory.
        path: PathBuf,
    },
    /// The process that holds the session did not answer.
    #[error("the process that holds the session does not answer: {0}")]
    Silent(String),
}

impl SnapshotError {
    pub(super) fn file(what: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        Self::File { what, path: path.to_owned(), source }
    }
}

impl Failure for SnapshotError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::File { source, .. } => ErrorKind::of_io(source),
            Self::NotPrivate { .. } => ErrorKind::PermissionDenied,
            Self::Record { .. } | Self::LiveData { .. } => ErrorKind::Invalid,
            Self::Held(_) => ErrorKind::AlreadyExists,
            Self::None(_) => ErrorKind::NotFound,
            Self::Silent(_) => ErrorKind::TimedOut,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::LiveData { .. } => Some(
                "put the label into the copy: in the original it would keep a server that crashed \
                 from starting"
                    .to_owned(),
            ),
            Self::NotPrivate { path } => {
                Some(format!("run `chmod 0700 {}`, or name another directory", path.display()))
            }
            Self::Silent(_) => Some("look into the log beside the socket".to_owned()),
            _ => None,
        }
    }
}
