//! The kinds of errors that all modules share.
//!
//! Every module has an error type of its own whose variants hold the facts
//! (`wal::NameError`, `conf::ConfError`, …). Each implements [`Failure`], by
//! which a caller who only has to decide what to do next (give up, ask again,
//! exit with a certain code) need not know them all.

use std::error::Error;

/// What kind of thing went wrong: one for each thing that a caller can do
/// about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A text that we were given is not what it ought to be: a name, a
    /// position, a value, a rule.
    Invalid,
    /// A configuration file has mistakes, or would have after an edit. The
    /// error tells file and line of each.
    BadConfiguration,
    /// What was asked for is not there.
    NotFound,
    /// What was to be made is there already.
    AlreadyExists,
    /// Somebody else changed the thing while we worked on it; nothing was
    /// written. Doing the whole again may help.
    Changed,
    /// The operating system does not let us.
    PermissionDenied,
    /// The directory holds no database cluster, or half of one.
    NotACluster,
    /// The server runs already.
    AlreadyRunning,
    /// The server does not run.
    NotRunning,
    /// There is a `postmaster.pid` that speaks of no living server.
    StalePidFile,
    /// The port or the socket belongs to somebody else.
    PortInUse,
    /// Program, server or cluster are of another version than is needed.
    VersionMismatch,
    /// This version or this build of PostgreSQL cannot do it.
    Unsupported,
    /// The server is a standby, or recovers; only a primary can do it.
    InRecovery,
    /// Somebody else uses the thing now: a replication slot, a database.
    InUse,
    /// The server has no more of it: connections, replication slots.
    UsedUp,
    /// The server recovered to another point than was asked for, or not at all.
    RecoveryFailed,
    /// The time ran out; the error tells the last state seen.
    TimedOut,
    /// There is no connection to the server, or it broke.
    Connection,
    /// The server, or a program of PostgreSQL, refused; the error holds what
    /// it said.
    Server,
    /// Reading or writing failed otherwise.
    Io,
}

impl ErrorKind {
    /// Tells whether the same request may succeed later without anybody
    /// changing anything.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Changed | Self::TimedOut | Self::Connection | Self::InUse | Self::UsedUp
        )
    }

    /// Returns the kind of an error of the operating system.
    pub fn of_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        match error.kind() {
            Io::NotFound => Self::NotFound,
            Io::AlreadyExists => Self::AlreadyExists,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => Self::PermissionDenied,
            Io::TimedOut => Self::TimedOut,
            _ => Self::Io,
        }
    }
}

/// What every error type of this crate can say of itself.
///
/// Messages say only their own level, in lower case and without a full stop;
/// what lies below is [`Error::source`].
pub trait Failure: Error {
    /// Returns the kind.
    fn kind(&self) -> ErrorKind;

    /// Returns what the reader of the message can do about it, if that is
    /// known: a command, or the thing to change.
    fn hint(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn errors_of_the_system_keep_what_a_caller_can_act_on() {
        let kind = |it: io::ErrorKind| ErrorKind::of_io(&io::Error::from(it));
        assert_eq!(kind(io::ErrorKind::NotFound), ErrorKind::NotFound);
        assert_eq!(kind(io::ErrorKind::PermissionDenied), ErrorKind::PermissionDenied);
        assert_eq!(kind(io::ErrorKind::ReadOnlyFilesystem), ErrorKind::PermissionDenied);
        assert_eq!(kind(io::ErrorKind::StorageFull), ErrorKind::Io);
    }

    #[test]
    fn only_what_may_pass_by_itself_is_transient() {
        assert!(ErrorKind::Connection.is_transient());
        assert!(!ErrorKind::BadConfiguration.is_transient());
    }
}
