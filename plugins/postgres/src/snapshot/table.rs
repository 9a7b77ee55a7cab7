//! The table of `safe-backup`, for scripts that look at it.
//!
//! Its one row is a report: nothing is decided by it but that somebody who
//! sets the state of our own row to `done` wants the end.

use std::fmt::Write;

use crate::connection::{Connection, QueryError};

/// What the row can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableState {
    /// The files can be copied.
    Running,
    /// They were copied.
    Done,
    /// The backup has ended well.
    Complete,
    /// It has not.
    Failed,
}

impl TableState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

/// The table `backup`, found by the search path, as `safe-backup` does.
#[derive(Debug, Clone, Copy)]
pub struct Table;

const THERE: &str = "SELECT pg_catalog.to_regclass('backup') IS NOT NULL";
const MAKE: &str = "DO $$ BEGIN \
    IF pg_catalog.to_regtype('backup_state') IS NULL THEN \
    CREATE TYPE backup_state AS ENUM ('running', 'done', 'complete', 'failed'); END IF; \
    CREATE TABLE backup (id int PRIMARY KEY DEFAULT 1, state backup_state NOT NULL, pid int, \
    backup_label text, tablespace_map text); \
    CREATE UNIQUE INDEX backup_one_row ON backup ((1)); END $$";

/// SQLSTATE `character_not_in_repertoire`.
const NO_TEXT: &str = "22021";

/// An expression for a text that has these bytes in the database.
fn of_bytes(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    format!(
        "pg_catalog.convert_from(pg_catalog.decode('{digits}', 'hex'), \
         pg_catalog.getdatabaseencoding())"
    )
}

impl Table {
    /// Makes type, table and index if there is no such table. Needs the right
    /// to create them only then.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn make(self, connection: &Connection) -> Result<(), QueryError> {
        let rows = connection.simple(THERE)?;
        if rows.first().and_then(|it| it.first()).is_some_and(|it| it.as_deref() == Some("t")) {
            return Ok(());
        }
        connection.execute(MAKE)
    }

    /// Says that the session `connection` holds a backup.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn begin(self, connection: &Connection) -> Result<(), QueryError> {
        connection.execute(
            "INSERT INTO backup (id, state, pid) VALUES (1, 'running', pg_catalog.pg_backend_pid()) \
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, pid = excluded.pid, \
             backup_label = NULL, tablespace_map = NULL",
        )
    }

    /// Tells whether somebody has set our row to `done`.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn wants_end(self, connection: &Connection) -> Result<bool, QueryError> {
        let rows = connection.simple(
            "SELECT 1 FROM backup WHERE id = 1 AND state = 'done' \
             AND pid = pg_catalog.pg_backend_pid()",
        )?;
        Ok(!rows.is_empty())
    }

    /// Says how it ends, if the row is still that of the session whose process
    /// at the server was `pid` and says nothing of its end yet. `texts` are
    /// label and map. Returns whether it could take both: a map that is no text
    /// in the encoding of the database stays NULL, since paths of tablespaces
    /// may be in another one.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn end(
        self,
        connection: &Connection,
        pid: i32,
        state: TableState,
        texts: Option<(&[u8], &[u8])>,
    ) -> Result<bool, QueryError> {
        let update = |more: &str| {
            connection.execute(&format!(
                "UPDATE backup SET state = '{}'{more} \
                 WHERE id = 1 AND pid = {pid} AND state IN ('running', 'done')",
                state.as_str()
            ))
        };
        let Some((label, map)) = texts else { return update("").map(|()| true) };
        let label = format!(", backup_label = {}", of_bytes(label));
        match update(&format!("{label}, tablespace_map = {}", of_bytes(map))) {
            Err(error) if error.refusal().is_some_and(|it| it.code == NO_TEXT) => {
                update(&label).map(|()| false)
            }
            other => other.map(|()| true),
        }
    }
}
