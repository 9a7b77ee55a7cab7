//! Why a pid file is not believed.

use std::fmt;

use super::account;

/// How it is known that a pid file speaks of no living server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaleReason {
    /// There is no such process.
    Dead {
        /// The number.
        pid: u32,
    },
    /// The process ended, and its parent has not noticed.
    Zombie {
        /// The number.
        pid: u32,
    },
    /// The process belongs to another user than the directory.
    ForeignOwner {
        /// The number.
        pid: u32,
        /// Its owner.
        uid: u32,
    },
    /// The process is another program.
    OtherProgram {
        /// The number.
        pid: u32,
        /// Which.
        program: String,
    },
    /// It is a server, of another directory.
    OtherDirectory {
        /// The number.
        pid: u32,
        /// Which.
        directory: String,
    },
    /// It is a server in this directory that started at another time than the
    /// file says.
    OtherStart {
        /// The number.
        pid: u32,
        /// When the process started, in seconds since 1970.
        started: u64,
        /// When the file says.
        recorded: u64,
    },
    /// There is no such process here, and yet a server that we cannot see
    /// answers on the socket: one in a container, for instance.
    Hidden {
        /// The number, as the server has it.
        pid: u32,
    },
    /// We may not see enough of the process to tell.
    Unseen {
        /// The number.
        pid: u32,
    },
    /// The file holds no number of a process.
    Garbage {
        /// Its beginning.
        head: String,
    },
}

impl StaleReason {
    /// Returns the number that the file holds.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Dead { pid }
            | Self::Zombie { pid }
            | Self::ForeignOwner { pid, .. }
            | Self::OtherProgram { pid, .. }
            | Self::OtherDirectory { pid, .. }
            | Self::OtherStart { pid, .. }
            | Self::Hidden { pid }
            | Self::Unseen { pid } => Some(*pid),
            Self::Garbage { .. } => None,
        }
    }

    /// Returns a word for it, for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Dead { .. } => "dead",
            Self::Zombie { .. } => "zombie",
            Self::ForeignOwner { .. } => "foreign-owner",
            Self::OtherProgram { .. } => "other-program",
            Self::OtherDirectory { .. } => "other-directory",
            Self::OtherStart { .. } => "other-start",
            Self::Hidden { .. } => "hidden",
            Self::Unseen { .. } => "unseen",
            Self::Garbage { .. } => "garbage",
        }
    }

    pub(super) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Zombie { pid } => {
                format!("the parent of process {pid} must notice its end; restart that parent")
            }
            Self::Hidden { .. } => {
                "do it where that server runs; if this is a copy of its directory, remove \
                 postmaster.pid from it"
                    .into()
            }
            Self::Unseen { .. } => "look again as root or as the owner of the directory".into(),
            Self::Garbage { .. } => {
                "if no server uses the directory, here or in a container, remove the file".into()
            }
            _ => return None,
        })
    }
}

impl fmt::Display for StaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead { pid } => write!(f, "there is no process {pid}"),
            Self::Zombie { pid } => write!(f, "process {pid} is a zombie"),
            Self::ForeignOwner { pid, uid } => {
                write!(f, "process {pid} belongs to {}", account::name_of(*uid))
            }
            Self::OtherProgram { pid, program } => write!(f, "process {pid} is {program}"),
            Self::OtherDirectory { pid, directory } => {
                write!(f, "process {pid} is the server of {directory}")
            }
            Self::OtherStart { pid, started, recorded } => {
                write!(f, "process {pid} started at {started}, and the file says {recorded}")
            }
            Self::Hidden { pid } => {
                write!(f, "a server that cannot be seen from here, its process {pid}, answers")
            }
            Self::Unseen { pid } => write!(f, "we may not look at process {pid}"),
            Self::Garbage { head } => write!(f, "it holds `{head}`"),
        }
    }
}
