//! What can go wrong with clusters.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::stale_reason::StaleReason;
use crate::error::{ErrorKind, Failure};

/// Why a cluster could not be looked at, made, started, stopped, changed or
/// dropped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// There is no directory of that name.
    #[error("{} is not there", data.display())]
    Missing {
        /// The name.
        data: PathBuf,
    },
    /// The directory is no data directory.
    #[error("{} is not a database cluster: {reason}", data.display())]
    NotACluster {
        /// The directory.
        data: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Somebody began to make a cluster and did not get to the end.
    #[error("{} is only half initialised: {reason}", data.display())]
    HalfInitialised {
        /// The directory.
        data: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A cluster is there already, or something else is.
    #[error("{} {what}", data.display())]
    Occupied {
        /// The directory.
        data: PathBuf,
        /// What there is, as a predicate.
        what: String,
    },
    /// The server runs.
    #[error("the server of {} runs already, as process {pid}", data.display())]
    AlreadyRunning {
        /// The directory.
        data: PathBuf,
        /// The process.
        pid: u32,
    },
    /// The server does not run.
    #[error("the server of {} does not run", data.display())]
    NotRunning {
        /// The directory.
        data: PathBuf,
    },
    /// Somebody works on the cluster with `postgres --single`.
    #[error("process {pid} works on {} in single-user mode", data.display())]
    SingleUser {
        /// The directory.
        data: PathBuf,
        /// The process.
        pid: u32,
    },
    /// The pid file speaks of no living server.
    #[error("postmaster.pid in {} speaks of no living server: {reason}", data.display())]
    Stale {
        /// The directory.
        data: PathBuf,
        /// How that is known.
        reason: StaleReason,
    },
    /// Processes of a server that died still work.
    #[error("processes of a dead server still work in {}: {}", data.display(), list(pids))]
    Orphans {
        /// The directory.
        data: PathBuf,
        /// The processes.
        pids: Vec<u32>,
    },
    /// The account is the wrong one.
    #[error("{problem}")]
    Account {
        /// What is wrong with it.
        problem: String,
        /// What helps.
        remedy: String,
    },
    /// The configuration keeps the server from starting or from reading it.
    #[error("the configuration has mistakes: {}", lines.join("; "))]
    BadConfiguration {
        /// What was found, with file and line where they are known.
        lines: Vec<String>,
    },
    /// The server may not do something that it needs, or minds the rights on
    /// its files.
    #[error("the server did not start: {message}")]
    Denied {
        /// What it said.
        message: String,
        /// What helps.
        remedy: String,
    },
    /// Programs and cluster are of different versions.
    #[error("{what} is of version {found}, and {needed} is needed")]
    VersionMismatch {
        /// What.
        what: String,
        /// Its version.
        found: String,
        /// What would do.
        needed: String,
    },
    /// An option that this version does not have, or a value that is none.
    #[error("{problem}")]
    BadOption {
        /// What is wrong.
        problem: String,
        /// Whether another version would take it.
        by_version: bool,
    },
    /// Somebody else has the port or the socket.
    #[error("{message}{}", by(*pid))]
    PortInUse {
        /// What the server said.
        message: String,
        /// Who has it, if that could be found out.
        pid: Option<u32>,
    },
    /// The server ended while it recovered.
    #[error("recovery failed: {message}")]
    RecoveryFailed {
        /// What the server said.
        message: String,
        /// What it said to help.
        remedy: Option<String>,
    },
    /// The server ended for another reason.
    #[error("the server did not start: {message}")]
    StartFailed {
        /// What it said last, or how it ended.
        message: String,
        /// What it said to help.
        remedy: Option<String>,
    },
    /// A program of PostgreSQL or of the system failed.
    #[error("{program} failed: {message}")]
    Program {
        /// Which.
        program: String,
        /// What it said first.
        message: String,
    },
    /// A program is not there.
    #[error("{what} cannot be found")]
    NoProgram {
        /// Which, and where it was looked for.
        what: String,
    },
    /// The server is not what the request is for.
    #[error("{problem}")]
    WrongState {
        /// What it is.
        problem: String,
        /// What helps.
        remedy: Option<String>,
    },
    /// The request would destroy more than it should.
    #[error("will not drop {}: {reason}", data.display())]
    Refused {
        /// The directory.
        data: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It took too long.
    #[error("{what} within {} s; last seen: {last}", limit.as_secs_f32())]
    TimedOut {
        /// What did not happen.
        what: String,
        /// The time given.
        limit: Duration,
        /// What was seen last.
        last: String,
    },
    /// The caller wanted an end.
    #[error("interrupted while {what}")]
    Cancelled {
        /// What was going on.
        what: String,
    },
    /// The system did not let us.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ClusterError {
    /// Says what could not be done to what, for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn by(pid: Option<u32>) -> String {
    pid.map(|it| format!(" (process {it} has it)")).unwrap_or_default()
}

pub(super) fn list(pids: &[u32]) -> String {
    pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Failure for ClusterError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } | Self::NoProgram { .. } => ErrorKind::NotFound,
            Self::NotACluster { .. } | Self::HalfInitialised { .. } => ErrorKind::NotACluster,
            Self::Occupied { .. } => ErrorKind::AlreadyExists,
            Self::AlreadyRunning { .. } | Self::SingleUser { .. } | Self::Orphans { .. } => {
                ErrorKind::AlreadyRunning
            }
            Self::NotRunning { .. } => ErrorKind::NotRunning,
            Self::Stale { .. } => ErrorKind::StalePidFile,
            Self::Account { .. } | Self::Denied { .. } => ErrorKind::PermissionDenied,
            Self::BadConfiguration { .. } => ErrorKind::BadConfiguration,
            Self::VersionMismatch { .. } => ErrorKind::VersionMismatch,
            Self::BadOption { by_version: true, .. } => ErrorKind::Unsupported,
            Self::BadOption { .. } | Self::WrongState { .. } | Self::Refused { .. } => {
                ErrorKind::Invalid
            }
            Self::PortInUse { .. } => ErrorKind::PortInUse,
            Self::RecoveryFailed { .. } => ErrorKind::RecoveryFailed,
            Self::StartFailed { .. } | Self::Program { .. } => ErrorKind::Server,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Cancelled { .. } => ErrorKind::Changed,
            Self::Io { source, .. } => ErrorKind::of_io(source),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::HalfInitialised { .. } => {
                Some("if nobody is at it any more, remove the directory and begin again".into())
            }
            Self::Account { remedy, .. } | Self::Denied { remedy, .. } => {
                Some(remedy.clone()).filter(|it| !it.is_empty())
            }
            Self::RecoveryFailed { remedy, .. }
            | Self::StartFailed { remedy, .. }
            | Self::WrongState { remedy, .. } => remedy.clone(),
            Self::SingleUser { .. } => Some("end that process first".into()),
            Self::Orphans { .. } => {
                Some("they should end by themselves; if not, end them with SIGQUIT".into())
            }
            Self::Stale { reason, .. } => reason.hint(),
            Self::PortInUse { .. } => Some("set another `port`, or end the one who has it".into()),
            Self::TimedOut { .. } => Some("give more time with --timeout".into()),
            _ => None,
        }
    }
}
