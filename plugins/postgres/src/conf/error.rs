//! What can go wrong with configuration files.

use thiserror::Error;

use super::Problem;
use crate::{
    error::{ErrorKind, Failure},
    file::FileError,
};

/// Why a file could not be read, edited or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfError {
    /// Not the name of a parameter.
    #[error("`{name}` cannot be the name of a parameter")]
    BadName {
        /// What was given.
        name: String,
    },
    /// The server cannot read a zero byte.
    #[error("the value of `{name}` holds a zero byte, which the server cannot read")]
    ZeroByte {
        /// The parameter.
        name: String,
    },
    /// The server reads no newline back from `ALTER SYSTEM`.
    #[error("the value of `{name}` holds a line end, which ALTER SYSTEM refuses")]
    LineEnd {
        /// The parameter.
        name: String,
    },
    /// There is no line to put a new setting below.
    #[error("no line holds `{text}`")]
    NoSuchLine {
        /// What was looked for.
        text: String,
    },
    /// `postgresql.auto.conf` belongs to the server.
    #[error("{} is written by the server only", path.display())]
    AutoConf {
        /// The file.
        path: std::path::PathBuf,
    },
    /// The server would not take the file, or not all of it.
    #[error("the configuration would have mistakes: {}", list(problems))]
    Refused {
        /// Each mistake.
        problems: Vec<Problem>,
    },
    /// The server's own program refused the file.
    #[error("postgres refuses the file: {message}")]
    RefusedByServer {
        /// What it said.
        message: String,
    },
    /// The server's own program is of another version than the cluster, and
    /// would judge by other rules.
    #[error("{} is of version {found}, and the cluster is of version {needed}", program.display())]
    VersionMismatch {
        /// The program.
        program: std::path::PathBuf,
        /// Its version.
        found: String,
        /// The cluster's.
        needed: String,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
}

fn list(problems: &[Problem]) -> String {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    all.join("; ")
}

impl Failure for ConfError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::BadName { .. } | Self::ZeroByte { .. } | Self::LineEnd { .. } => {
                ErrorKind::Invalid
            }
            Self::NoSuchLine { .. } => ErrorKind::NotFound,
            Self::AutoConf { .. } => ErrorKind::Unsupported,
            Self::VersionMismatch { .. } => ErrorKind::VersionMismatch,
            Self::Refused { .. } | Self::RefusedByServer { .. } => ErrorKind::BadConfiguration,
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::AutoConf { .. } => {
                Some("use ALTER SYSTEM SET or ALTER SYSTEM RESET, then reload".to_owned())
            }
            Self::File(error) => error.hint(),
            _ => None,
        }
    }
}
