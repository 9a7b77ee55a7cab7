//! What a backup asks of a server.

use std::time::Duration;

use super::bytes::{as_hex, of_hex};
use crate::{
    connection::{Connection, QueryError},
    roles::quote_literal,
    version::ServerVersion,
    wal::{Lsn, SegmentName, SegmentSize, TimelineId},
};

/// A backup that has begun. It belongs to the session: when that ends, the
/// server aborts the backup.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupStart {
    /// The position that recovery must begin at.
    pub lsn: Lsn,
    /// The timeline of the last checkpoint.
    pub timeline: TimelineId,
    /// The server's clock, in seconds since 1970.
    pub at: f64,
}

/// A backup that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupStopped {
    /// The position that recovery must reach.
    pub lsn: Lsn,
    /// The timeline on which that is: of the last checkpoint, or of a standby
    /// the one that it must recover on.
    pub timeline: TimelineId,
    /// The server's clock, in seconds since 1970.
    pub at: f64,
    /// What `backup_label` must hold, byte for byte: text in the encoding of
    /// the database that the session is in.
    pub label: Vec<u8>,
    /// What `tablespace_map` must hold, byte for byte: paths are bytes, in
    /// whatever encoding. Empty if there are no tablespaces, and then there
    /// must be no such file.
    pub tablespace_map: Vec<u8>,
}

/// A position with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePoint(
    /// Where it is.
    pub Lsn,
);

/// A row of text.
type Row = Vec<Option<String>>;

fn unreadable(text: &str) -> QueryError {
    QueryError::Answer(format!("`{text}` is not what was asked for"))
}

fn first_row(connection: &Connection, sql: &str) -> Result<Row, QueryError> {
    connection.simple(sql)?.into_iter().next().ok_or_else(|| unreadable("no row"))
}

/// Reads a column that must be there.
fn column<T: std::str::FromStr>(row: &Row, index: usize) -> Result<T, QueryError> {
    let text = row.get(index).and_then(Option::as_deref).unwrap_or_default();
    text.parse().map_err(|_| unreadable(text))
}

/// Reads a column of hexadecimal digits; none is no bytes.
fn bytes(row: &Row, index: usize) -> Result<Vec<u8>, QueryError> {
    let text = row.get(index).and_then(Option::as_deref).unwrap_or_default();
    of_hex(text).ok_or_else(|| unreadable(text))
}

/// The server writes the label into `backup_label`, as it is.
fn check_label(label: &str) -> Result<(), QueryError> {
    if label.is_empty() || label.len() > 1024 || label.chars().any(char::is_control) {
        return Err(QueryError::Answer("the label of the backup cannot be used".to_owned()));
    }
    Ok(())
}

/// The exclusive mode went with 15.
fn only_before_15(version: ServerVersion) -> Result<(), QueryError> {
    if version.major() < 15 {
        return Ok(());
    }
    Err(QueryError::Version { what: "an exclusive backup", needs: "13 or 14", found: version })
}

impl BackupStart {
    /// Begins a backup of files that does not exclude others, on a primary or
    /// a standby. `fast` asks for a checkpoint at once; otherwise this waits
    /// for one that is spread over minutes. The limits of a session are lifted:
    /// a time limit for idle sessions would abort the backup.
    ///
    /// Needs EXECUTE on the function, see [`crate::roles`].
    ///
    /// # Errors
    ///
    /// [`QueryError`]; a label with control characters is refused: the server
    /// would write them into `backup_label`.
    pub fn begin(
        connection: &Connection,
        version: ServerVersion,
        label: &str,
        fast: bool,
    ) -> Result<Self, QueryError> {
        check_label(label)?;
        connection.lift_limits()?;
        let more = if version.major() >= 15 { "" } else { ", false" };
        Self::call(connection, version, label, &format!("{fast}{more}"))
    }

    /// Begins a backup in the exclusive mode of 13 and 14, on a primary. It
    /// belongs to the cluster and not to the session: the server keeps
    /// `backup_label` in the data directory until it is ended, and does not
    /// start with it after a crash as if nothing had been. Use it only for
    /// what needs the file there.
    ///
    /// # Errors
    ///
    /// [`QueryError::Version`] for 15 and later; SQLSTATE 55000 if one runs.
    pub fn begin_exclusive(
        connection: &Connection,
        version: ServerVersion,
        label: &str,
        fast: bool,
    ) -> Result<Self, QueryError> {
        only_before_15(version)?;
        check_label(label)?;
        Self::call(connection, version, label, &format!("{fast}, true"))
    }

    fn call(
        connection: &Connection,
        version: ServerVersion,
        label: &str,
        arguments: &str,
    ) -> Result<Self, QueryError> {
        let (name, label) = (version.names().pg_backup_start, quote_literal(label));
        let sql = format!(
            "SELECT pg_catalog.{name}({label}, {arguments}), timeline_id, \
             extract(epoch FROM pg_catalog.clock_timestamp()) \
             FROM pg_catalog.pg_control_checkpoint()"
        );
        let row = first_row(connection, &sql)?;
        Ok(Self { lsn: column(&row, 0)?, timeline: column(&row, 1)?, at: column(&row, 2)? })
    }
}

/// The timeline of the end, and the time.
const END: &str = "coalesce(CASE WHEN pg_catalog.pg_is_in_recovery() THEN (SELECT \
    CASE WHEN min_recovery_end_timeline > 0 THEN min_recovery_end_timeline END \
    FROM pg_catalog.pg_control_recovery()) END, \
    (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())), \
    extract(epoch FROM pg_catalog.clock_timestamp())";

impl BackupStopped {
    /// Ends the backup of this session. `wait` waits until the server has
    /// archived all WAL of the backup, however long that takes; on a standby
    /// that may be for ever, see [`while_switching`](super::while_switching) and
    /// [`BackupStopped::end_within`].
    ///
    /// # Errors
    ///
    /// [`QueryError`]; the backup is void then.
    pub fn end(
        connection: &Connection,
        version: ServerVersion,
        wait: bool,
    ) -> Result<Self, QueryError> {
        Self::end_by(version, wait, |sql| connection.simple(sql))
    }

    /// Ends the backup of this session, and waits so long until the server has
    /// archived all WAL of the backup.
    ///
    /// # Errors
    ///
    /// [`QueryError::NotArchived`] if it has not by then: the label is lost
    /// with the answer, and the backup void. Whoever must have the label in any
    /// case does not wait here, but looks at the archiver afterwards.
    pub fn end_within(
        connection: &Connection,
        version: ServerVersion,
        limit: Duration,
    ) -> Result<Self, QueryError> {
        let ended = Self::end_by(version, true, |sql| connection.simple_within(sql, limit));
        ended.map_err(|error| match error {
            QueryError::TimedOut(limit) => QueryError::NotArchived { limit },
            other => other,
        })
    }

    fn end_by(
        version: ServerVersion,
        wait: bool,
        ask: impl FnOnce(&str) -> Result<Vec<Row>, QueryError>,
    ) -> Result<Self, QueryError> {
        let name = version.names().pg_backup_stop;
        let exclusive = if version.major() >= 15 { "" } else { "false, " };
        let (label, map) = (as_hex("labelfile"), as_hex("spcmapfile"));
        let sql =
            format!("SELECT lsn, {label}, {map}, {END} FROM pg_catalog.{name}({exclusive}{wait})");
        let row = ask(&sql)?.into_iter().next().ok_or_else(|| unreadable("no row"))?;
        Ok(Self {
            lsn: column(&row, 0)?,
            label: bytes(&row, 1)?,
            tablespace_map: bytes(&row, 2)?,
            timeline: column(&row, 3)?,
            at: column(&row, 4)?,
        })
    }

    /// Ends a backup in the exclusive mode of 13 and 14. The label is in the
    /// data directory, and empty here.
    ///
    /// # Errors
    ///
    /// [`QueryError::Version`] for 15 and later; SQLSTATE 55000 if none runs.
    pub fn end_exclusive(
        connection: &Connection,
        version: ServerVersion,
    ) -> Result<Self, QueryError> {
        only_before_15(version)?;
        let sql = format!("SELECT s, {END} FROM pg_catalog.pg_stop_backup() AS s");
        let row = first_row(connection, &sql)?;
        Ok(Self {
            lsn: column(&row, 0)?,
            timeline: column(&row, 1)?,
            at: column(&row, 2)?,
            label: Vec::new(),
            tablespace_map: Vec::new(),
        })
    }
}

/// Runs what only a primary can do: `function` gives a position.
fn on_primary(connection: &Connection, function: &str) -> Result<Lsn, QueryError> {
    let sql = format!(
        "SELECT r, CASE WHEN NOT r THEN {function} END \
         FROM (SELECT pg_catalog.pg_is_in_recovery() AS r) x"
    );
    let row = first_row(connection, &sql)?;
    if row.first().and_then(Option::as_deref) == Some("t") {
        return Err(QueryError::InRecovery);
    }
    column(&row, 1)
}

impl RestorePoint {
    /// Gives the position of now a name; on a primary only.
    ///
    /// Needs EXECUTE on the function, see [`crate::roles`].
    ///
    /// # Errors
    ///
    /// [`QueryError::InRecovery`] on a standby.
    pub fn create(connection: &Connection, name: &str) -> Result<Self, QueryError> {
        let name = quote_literal(name);
        let function = format!("pg_catalog.pg_create_restore_point({name})");
        on_primary(connection, &function).map(Self)
    }
}

impl Connection {
    /// Lifts the time limits of this session, whatever was set for the role,
    /// the database or the server: `statement_timeout`,
    /// `idle_in_transaction_session_timeout`, `idle_session_timeout` (14 and
    /// later) and `transaction_timeout` (17 and later). Each of the last three
    /// ends the session, and with it a backup.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn lift_limits(&self) -> Result<(), QueryError> {
        // Which of them there are depends on the version.
        self.execute(
            "SET statement_timeout = 0; \
             SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name \
             IN ('idle_in_transaction_session_timeout', 'idle_session_timeout', \
             'transaction_timeout')",
        )
    }

    /// Finishes the segment that is being written, so that it is archived;
    /// on a primary only. Returns the end of what it held, plus one byte;
    /// nothing was to be finished if that is where a segment begins.
    ///
    /// Needs EXECUTE on the function, see [`crate::roles`].
    ///
    /// # Errors
    ///
    /// [`QueryError::InRecovery`] on a standby.
    pub fn switch_wal(&self) -> Result<Lsn, QueryError> {
        on_primary(self, "pg_catalog.pg_switch_wal()")
    }

    /// The same, and returns the name of the segment that was finished; none
    /// if nothing had been written since the last one.
    ///
    /// # Errors
    ///
    /// As [`Connection::switch_wal`].
    pub fn finish_segment(
        &self,
        timeline: TimelineId,
        size: SegmentSize,
    ) -> Result<Option<SegmentName>, QueryError> {
        let end = self.switch_wal()?;
        let finished = end.offset(size) != 0;
        Ok(finished.then(|| SegmentName::ending_at(end, timeline, size)))
    }

    /// Asks for a checkpoint, and waits until it is done.
    ///
    /// Needs a superuser, or from 15 on a member of `pg_checkpoint`.
    ///
    /// # Errors
    ///
    /// [`QueryError`]; SQLSTATE 42501 for a role that may not.
    pub fn checkpoint(&self) -> Result<(), QueryError> {
        self.execute("CHECKPOINT")
    }

    /// Returns the time that the server takes to answer.
    ///
    /// # Errors
    ///
    /// As [`Connection::ping`].
    pub fn round_trip(&self, limit: Duration) -> Result<Duration, QueryError> {
        let began = std::time::Instant::now();
        self.ping(limit)?;
        Ok(began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_were_sent() {
        let read = |text: Option<&str>| bytes(&vec![text.map(ToOwned::to_owned)], 0).ok();
        assert_eq!(read(Some("4cff0a5c")), Some(b"L\xff\n\\".to_vec()));
        assert_eq!(read(Some("")), Some(Vec::new()));
        assert_eq!(read(None), Some(Vec::new()));
        for wrong in ["4", "4cf", "zz", "+1", "é"] {
            assert_eq!(read(Some(wrong)), None, "{wrong}");
        }
    }
}
