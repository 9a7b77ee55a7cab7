//! What a connection of the replication protocol tells.

use super::{Reading, Why};
use crate::{
    connection::{Connection, QueryError},
    roles::quote_identifier,
    wal::{Lsn, TimelineId},
};

/// The answer to `IDENTIFY_SYSTEM`. Needs a connection that was opened with
/// `replication=true` ([`crate::conninfo::Conninfo::for_streaming`]), hence a
/// role with `REPLICATION` and a line for `replication` in `pg_hba.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamingStatus {
    /// The number that all copies of a cluster share.
    pub system_identifier: u64,
    /// The timeline of today.
    pub timeline: TimelineId,
    /// How far WAL is on disk.
    pub position: Lsn,
}

impl StreamingStatus {
    /// Asks.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn read(connection: &Connection) -> Result<Self, QueryError> {
        let wrong = || QueryError::Answer("IDENTIFY_SYSTEM gives something else".to_owned());
        let rows = connection.simple("IDENTIFY_SYSTEM")?;
        let row = rows.first().ok_or_else(wrong)?;
        let column = |i: usize| row.get(i).and_then(Option::as_deref).ok_or_else(wrong);
        Ok(Self {
            system_identifier: column(0)?.parse().map_err(|_| wrong())?,
            timeline: column(1)?.parse().map_err(|_| wrong())?,
            position: column(2)?.parse().map_err(|_| wrong())?,
        })
    }

    /// The same as a reading.
    pub fn reading(connection: &Connection) -> Reading<Self> {
        Reading::of(Self::read(connection))
    }
}

/// Makes a physical slot, which keeps WAL from its first use on.
///
/// # Errors
///
/// [`QueryError`]; SQLSTATE 42710 if there is one of that name, 53400 if there
/// are `max_replication_slots` already.
pub fn create_slot(connection: &Connection, name: &str) -> Result<(), QueryError> {
    let name = quote_identifier(name);
    connection.simple(&format!("CREATE_REPLICATION_SLOT {name} PHYSICAL")).map(drop)
}

/// Removes a slot.
///
/// # Errors
///
/// [`QueryError`]; SQLSTATE 42704 if there is none, 55006 if somebody uses it.
pub fn drop_slot(connection: &Connection, name: &str) -> Result<(), QueryError> {
    connection.simple(&format!("DROP_REPLICATION_SLOT {}", quote_identifier(name))).map(drop)
}

impl Why {
    /// A reading for which there is no connection.
    pub fn no_connection(problem: impl Into<String>) -> Self {
        Self::Failed(problem.into())
    }
}
