//! Every condition that backups and the archiving of WAL need.
//!
//! [`judge`] is a pure function: from what was found out ([`Facts`]) and what
//! is wanted ([`Wanted`]) it makes [`CheckLine`]s, each with what is wrong, why
//! it matters, and what mends it. [`Facts`] come from [`crate::server`].
//!
//! | line | good if |
//! |---|---|
//! | `postgresql` | the server answers |
//! | `version` | it is 13 or later |
//! | `encryption` | a password does not cross a network readably |
//! | `backup_privileges` | the role may take base backups |
//! | `monitoring_privileges` | it sees settings and statistics |
//! | `wal_level` | it is not `minimal` |
//! | `full_page_writes` | they are on |
//! | `role` | the server is no standby, unless a standby is expected |
//! | `primary`, `primary_system_identifier` | the primary of a standby is one, and of the same cluster |
//! | `streaming` | the replication protocol answers |
//! | `max_wal_senders`, `max_replication_slots` | there is room for us |
//! | `system_identifier` | both protocols lead to the same cluster |
//! | `replication_slot` | it is there, used, and has lost nothing |
//! | `archive_mode`, `archive_command`, `continuous_archiving`, `archive_backlog` | the server's archiver works, and keeps up; of a standby that does not archive by itself, that of its primary |
//! | `wal_archiving` | WAL is archived in some way |
//! | `clock` | the server's clock agrees with ours |

mod archiving;
mod line;
mod replication;
mod session;

pub use self::line::{CheckLine, Outcome};
use crate::server::{ServerStatus, StreamingStatus};

/// Why something could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What went wrong.
    pub problem: String,
    /// What can be done.
    pub remedy: Option<String>,
}

/// What was found out about a server.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What SQL tells.
    pub sql: Result<SqlFacts, Trouble>,
    /// What the replication protocol tells; `None` if it was not asked.
    pub streaming: Option<Result<StreamingStatus, Trouble>>,
    /// What the primary of a standby tells; `None` if there is none.
    pub primary: Option<Result<ServerStatus, Trouble>>,
}

/// What SQL tells.
#[derive(Debug, Clone)]
pub struct SqlFacts {
    /// The status.
    pub status: ServerStatus,
    /// Whether the connection is encrypted, or cannot be listened to.
    pub private: bool,
    /// How we were authenticated.
    pub auth_method: &'static str,
    /// How far the server's clock is ahead of ours, in seconds; half of the
    /// time that the answer took is in it.
    pub clock_ahead: Option<f64>,
}

/// What is wanted of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The physical slot that WAL is streamed from.
    pub slot: Option<String>,
    /// Whether the server's archiver brings WAL.
    pub archiver: bool,
    /// Whether WAL is streamed.
    pub streaming_archiver: bool,
    /// Whether backups are taken from a standby.
    pub standby: bool,
}

/// Judges everything.
pub fn judge(facts: &Facts, wanted: &Wanted) -> Vec<CheckLine> {
    let sql = match &facts.sql {
        Ok(sql) => sql,
        Err(trouble) => {
            let why = "without it, neither backups nor WAL can be had";
            return vec![CheckLine::trouble("postgresql", trouble, why)];
        }
    };
    let mut lines = session::lines(sql, wanted);
    lines.extend(replication::lines(facts, sql, wanted));
    let primary = facts.primary.as_ref().and_then(|it| it.as_ref().ok());
    lines.extend(archiving::lines(&sql.status, primary, wanted));
    lines
}

#[cfg(test)]
mod tests;
