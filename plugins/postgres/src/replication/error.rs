//! What can go wrong with replication.

use std::time::Duration;

use thiserror::Error;

use super::protocol::Malformed;
use crate::{
    connection::{ConnectError, ServerMessage, seconds},
    error::{ErrorKind, Failure},
    version::ServerVersion,
};

/// Why something about replication failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplicationError {
    /// There is no connection.
    #[error(transparent)]
    Connect(ConnectError),
    /// All `max_wal_senders` are taken.
    #[error("the server has no connection for replication left: {0}")]
    TooManySenders(Box<ServerMessage>),
    /// The role lacks a right.
    #[error("the role may not do that: {0}")]
    NoRight(Box<ServerMessage>),
    /// There is a slot of that name.
    #[error("there is a replication slot {slot} already")]
    SlotExists {
        /// Its name.
        slot: String,
    },
    /// There is no slot of that name.
    #[error("there is no replication slot {slot}")]
    NoSlot {
        /// The name.
        slot: String,
    },
    /// Another process of the server uses the slot.
    #[error("the replication slot {slot} is in use{}", by_process(*process))]
    SlotInUse {
        /// Its name.
        slot: String,
        /// The process, if the server said it.
        process: Option<u32>,
    },
    /// A slot cannot be called so.
    #[error("a replication slot cannot be called `{name}`")]
    SlotName {
        /// The name.
        name: String,
    },
    /// All `max_replication_slots` are taken.
    #[error("the server has no replication slot left: {0}")]
    TooManySlots(Box<ServerMessage>),
    /// `wal_level` is too low for it.
    #[error("the server writes too little into its WAL: {0}")]
    WalLevel(Box<ServerMessage>),
    /// WAL that was asked for is gone from the server.
    #[error("the server does not have the WAL any more: {message}")]
    WalRemoved {
        /// The file, if the server said it.
        segment: Option<String>,
        /// What the server said.
        message: Box<ServerMessage>,
    },
    /// There is no WAL at that position of that timeline.
    #[error("the server cannot stream from there: {0}")]
    Position(Box<ServerMessage>),
    /// Pages of the cluster are damaged. Everything was sent; the backup
    /// holds the damaged pages as they are.
    #[error("the backup is complete, and pages in it are damaged: {message}")]
    Damaged {
        /// What the server said at the end.
        message: Box<ServerMessage>,
        /// Its warnings, which name the files; those that were taken from the
        /// connection before are not here.
        files: Vec<String>,
    },
    /// This version of the server cannot do it.
    #[error("{what} needs PostgreSQL {needs}, and the server is {found}")]
    Version {
        /// What was asked for.
        what: &'static str,
        /// Which versions can.
        needs: &'static str,
        /// The server's.
        found: ServerVersion,
    },
    /// A value that was given cannot be sent.
    #[error("{what} cannot be `{value}`: {problem}")]
    Invalid {
        /// What it is.
        what: &'static str,
        /// The value.
        value: String,
        /// Why not.
        problem: &'static str,
    },
    /// The server refused for another reason.
    #[error("{0}")]
    Server(Box<ServerMessage>),
    /// What came is no answer.
    #[error("the server's answer cannot be understood")]
    Malformed(#[from] Malformed),
    /// WAL is missing in the stream.
    #[error("the server went on at {found} instead of {expected}")]
    Gap {
        /// Where it should have gone on.
        expected: crate::wal::Lsn,
        /// Where it did.
        found: crate::wal::Lsn,
    },
    /// Nothing came for too long.
    #[error("nothing came from the server for {} s while {during}", seconds(*limit))]
    TimedOut {
        /// How long.
        limit: Duration,
        /// What was waited for.
        during: &'static str,
    },
    /// The connection is gone.
    #[error("the connection to the server is lost: {0}")]
    Lost(String),
    /// The file that was to be sent cannot be read.
    #[error("cannot read what is to be sent")]
    Source(#[source] std::io::Error),
    /// Somebody asked to stop.
    #[error("it was cancelled")]
    Cancelled,
}

fn by_process(process: Option<u32>) -> String {
    process.map_or_else(String::new, |it| format!(" by process {it} of the server"))
}

/// What a refusal is about; it decides what an SQLSTATE means.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// Nothing in particular.
    Command,
    /// A slot.
    Slot(&'a str),
    /// A stream of WAL, perhaps from a slot.
    Stream(Option<&'a str>),
}

impl ReplicationError {
    /// Tells apart what a server says. Its texts may be in any language; the
    /// names of settings in them are not translated.
    pub(super) fn refused(message: ServerMessage, about: About<'_>) -> Self {
        let message = Box::new(message);
        let names = |setting: &str| {
            let hint = message.hint.as_deref().unwrap_or_default();
            message.message.contains(setting) || hint.contains(setting)
        };
        let slot = match about {
            About::Slot(slot) | About::Stream(Some(slot)) => Some(slot.to_owned()),
            About::Command | About::Stream(None) => None,
        };
        match (message.code.as_str(), slot, about) {
            ("42501", ..) => Self::NoRight(message),
            ("53300", ..) if names("max_wal_senders") => Self::TooManySenders(message),
            ("42710", Some(slot), _) => Self::SlotExists { slot },
            ("42704", Some(slot), _) => Self::NoSlot { slot },
            ("55006", Some(slot), _) => {
                Self::SlotInUse { process: last_number(&message.message), slot }
            }
            ("42602" | "42622", Some(name), _) => Self::SlotName { name },
            ("53400", Some(_), _) => Self::TooManySlots(message),
            ("55000", ..) if names("wal_level") => Self::WalLevel(message),
            ("55000", Some(_), _) if names("max_replication_slots") => Self::TooManySlots(message),
            ("58P01", _, About::Stream(_)) => {
                Self::WalRemoved { segment: file_name(&message.message), message }
            }
            ("XX000", _, About::Stream(_)) => Self::Position(message),
            _ => Self::Server(message),
        }
    }

    /// A refusal of the server as such.
    pub fn refusal(&self) -> Option<&ServerMessage> {
        match self {
            Self::Connect(error) => error.refusal(),
            Self::TooManySenders(it)
            | Self::NoRight(it)
            | Self::TooManySlots(it)
            | Self::WalLevel(it)
            | Self::Position(it)
            | Self::Server(it) => Some(it),
            Self::WalRemoved { message, .. } | Self::Damaged { message, .. } => Some(message),
            _ => None,
        }
    }
}

/// `replication slot "s1" is active for PID 4711`, in any language.
fn last_number(text: &str) -> Option<u32> {
    let outside = text.rsplit(['"', '»', '“', '”', '«']).next().unwrap_or(text);
    let digits = |c: char| !c.is_ascii_digit();
    outside.split(digits).rfind(|it| !it.is_empty())?.parse().ok()
}

/// The name of a segment in a text.
fn file_name(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_hexdigit());
    words.filter(|it| it.len() == 24).map(ToOwned::to_owned).next()
}

impl Failure for ReplicationError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(error) => error.kind(),
            Self::Lost(_) => ErrorKind::Connection,
            Self::TooManySenders(_) | Self::TooManySlots(_) => ErrorKind::UsedUp,
            Self::NoRight(_) => ErrorKind::PermissionDenied,
            Self::SlotExists { .. } => ErrorKind::AlreadyExists,
            Self::NoSlot { .. } | Self::WalRemoved { .. } | Self::Position(_) => {
                ErrorKind::NotFound
            }
            Self::SlotInUse { .. } => ErrorKind::InUse,
            Self::SlotName { .. } | Self::Invalid { .. } => ErrorKind::Invalid,
            Self::WalLevel(_) => ErrorKind::BadConfiguration,
            Self::Version { .. } => ErrorKind::Unsupported,
            Self::Server(message) => message.kind(),
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Source(error) => ErrorKind::of_io(error),
            _ => ErrorKind::Server,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Connect(error) => return error.hint(),
            Self::TooManySenders(_) => {
                "raise max_wal_senders in postgresql.conf and restart the server, or end a \
                 receiver: pg_stat_replication lists them"
            }
            Self::NoRight(_) => {
                "give the role REPLICATION: `hayloft pg server grant-sql` prints it"
            }
            Self::SlotExists { .. } => {
                "take another name; pg_replication_slots tells who uses this one"
            }
            Self::NoSlot { .. } => "create it, or check the name: pg_replication_slots lists all",
            Self::SlotInUse { .. } => {
                "another receiver uses it; pg_stat_activity tells of the process"
            }
            Self::SlotName { .. } => "lower-case letters, digits and `_`, at most 63 of them",
            Self::TooManySlots(_) => {
                "raise max_replication_slots in postgresql.conf and restart the server, or drop \
                 a slot that nobody needs"
            }
            Self::WalLevel(_) => {
                "set wal_level = replica in postgresql.conf and restart the server"
            }
            Self::WalRemoved { .. } => {
                "fetch it from an archive of WAL, or make a new base backup; a replication slot \
                 keeps the server from removing what is still needed"
            }
            Self::Damaged { .. } => {
                "find what is damaged with pg_amcheck, and restore it from an older backup"
            }
            Self::Server(message) => {
                return message.hint.clone().or_else(|| message.remedy().map(ToOwned::to_owned));
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(code: &str, text: &str) -> ServerMessage {
        ServerMessage {
            severity: "ERROR".to_owned(),
            code: code.to_owned(),
            message: text.to_owned(),
            detail: None,
            hint: None,
        }
    }

    #[test]
    fn processes_and_files_are_found_in_any_language() {
        let cases = [
            ("replication slot \"s1\" is active for PID 4711", Some(4711)),
            ("Replikations-Slot »s1« ist aktiv für PID 12", Some(12)),
            ("the slot \"s9\" is in use", None),
        ];
        for (text, process) in cases {
            let error = ReplicationError::refused(message("55006", text), About::Slot("s1"));
            match error {
                ReplicationError::SlotInUse { process: found, .. } => assert_eq!(found, process),
                other => panic!("{other:?}"),
            }
        }
        let text = "requested WAL segment 000000010000000000000001 has already been removed";
        match ReplicationError::refused(message("58P01", text), About::Stream(None)) {
            ReplicationError::WalRemoved { segment, .. } => {
                assert_eq!(segment.as_deref(), Some("000000010000000000000001"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_code_means_what_it_means_for_the_command() {
        let kind = |code, text, about| ReplicationError::refused(message(code, text), about).kind();
        assert_eq!(kind("42710", "", About::Slot("a")), ErrorKind::AlreadyExists);
        assert_eq!(kind("58P01", "", About::Command), ErrorKind::Server);
        assert_eq!(kind("55000", "wal_level", About::Slot("a")), ErrorKind::BadConfiguration);
        assert_eq!(kind("53300", "max_wal_senders", About::Command), ErrorKind::UsedUp);
        assert_eq!(kind("55006", "", About::Slot("a")), ErrorKind::InUse);
    }
}
