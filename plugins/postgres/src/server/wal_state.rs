//! Where a server stands in the WAL, and who follows it.

use serde::Deserialize;

use crate::wal::{Lsn, SegmentName, SegmentSize, TimelineId};

/// Positions in the WAL.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct WalState {
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// What is written: on a primary the end of the WAL that was handed to the
    /// operating system, on a standby that of what was replayed; none if it has
    /// replayed nothing yet.
    #[serde(rename = "lsn")]
    pub position: Option<Lsn>,
    /// The end of what is to be written; on a primary only.
    #[serde(rename = "insert_lsn")]
    pub insert: Option<Lsn>,
    /// What was streamed so far; on a standby only, and none if it gets its
    /// WAL from an archive.
    #[serde(rename = "receive_lsn")]
    pub received: Option<Lsn>,
    /// When the last replayed transaction was committed, in seconds since
    /// 1970; on a standby only, and none if it has replayed none yet.
    pub replayed: Option<f64>,
    /// The server's clock, likewise.
    pub now: f64,
}

pub(super) const POSITION: &str = "SELECT pg_catalog.json_build_object('in_recovery', r, \
    'lsn', CASE WHEN r THEN pg_catalog.pg_last_wal_replay_lsn() \
        ELSE pg_catalog.pg_current_wal_lsn() END, \
    'insert_lsn', CASE WHEN NOT r THEN pg_catalog.pg_current_wal_insert_lsn() END, \
    'receive_lsn', CASE WHEN r THEN pg_catalog.pg_last_wal_receive_lsn() END, \
    'replayed', CASE WHEN r THEN extract(epoch FROM pg_catalog.pg_last_xact_replay_timestamp()) END, \
    'now', extract(epoch FROM pg_catalog.now())) \
    FROM (SELECT pg_catalog.pg_is_in_recovery() AS r) x";

impl WalState {
    /// Returns the name of the segment that is being written: the one that
    /// holds the last byte written, so that at a boundary it is the one that is
    /// full. All versions of PostgreSQL get the same answer, which
    /// `pg_walfile_name` does not give since 17.
    pub fn segment(&self, timeline: TimelineId, size: SegmentSize) -> Option<SegmentName> {
        Some(SegmentName::ending_at(self.position?, timeline, size))
    }
}

/// What the archiver has done.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ArchiverStats {
    /// How many segments it has archived.
    pub archived_count: u64,
    /// The last one of them.
    pub last_archived_wal: Option<String>,
    /// When that was, in seconds since 1970.
    pub last_archived: Option<f64>,
    /// How often it failed.
    pub failed_count: u64,
    /// What it failed with last.
    pub last_failed_wal: Option<String>,
    /// When that was.
    pub last_failed: Option<f64>,
    /// Since when all this is counted.
    pub since: Option<f64>,
    /// The server's clock.
    pub now: f64,
}

impl ArchiverStats {
    /// Tells whether the last thing that the archiver did was a success. A
    /// history file that failed does not count once its timeline was archived.
    pub fn is_healthy(&self) -> bool {
        let (Some(failed), Some(when_failed)) = (&self.last_failed_wal, self.last_failed) else {
            return true;
        };
        let timeline = |name: &str| name.get(..8).map(str::to_owned);
        if failed.ends_with(".history")
            && let Some(archived) = &self.last_archived_wal
            && timeline(failed) <= timeline(archived)
        {
            return true;
        }
        self.last_archived.is_some_and(|when| when_failed <= when)
    }

    /// Returns how many segments were archived in a second, on average.
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.now - self.since?;
        #[expect(clippy::cast_precision_loss, reason = "an average")]
        let count = self.archived_count as f64;
        (seconds > 0.0).then(|| count / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(archived: Option<(&str, f64)>, failed: Option<(&str, f64)>) -> ArchiverStats {
        ArchiverStats {
            archived_count: 10,
            last_archived_wal: archived.map(|it| it.0.to_owned()),
            last_archived: archived.map(|it| it.1),
            failed_count: 1,
            last_failed_wal: failed.map(|it| it.0.to_owned()),
            last_failed: failed.map(|it| it.1),
            since: Some(0.0),
            now: 5.0,
        }
    }

    #[test]
    fn the_last_thing_counts() {
        let segment = "000000010000000000000001";
        let cases = [
            (stats(None, None), true),
            (stats(Some((segment, 1.0)), None), true),
            (stats(None, Some((segment, 1.0))), false),
            (stats(Some((segment, 1.0)), Some((segment, 2.0))), false),
            (stats(Some((segment, 2.0)), Some((segment, 1.0))), true),
            (stats(Some((segment, 1.0)), Some(("00000001.history", 2.0))), true),
            (stats(Some((segment, 1.0)), Some(("00000002.history", 2.0))), false),
        ];
        for (stats, healthy) in cases {
            assert_eq!(stats.is_healthy(), healthy, "{stats:?}");
        }
        assert_eq!(stats(None, None).rate(), Some(2.0));
    }
}
