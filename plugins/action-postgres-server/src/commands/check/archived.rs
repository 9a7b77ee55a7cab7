//! Whether there is WAL in the storages, how old it is, and how much there is
//! since the newest base backup.

use std::collections::BTreeMap;

use hayloft_plugin_api::text;
use hayloft_postgres::{
    check::CheckLine,
    wal::{FileName, Lsn, SegmentSize},
};
use jiff::Timestamp;

use crate::{archive::Stored, config::Server};

/// What was seen of the WAL in all storages.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Where the newest base backup begins: the number of the segment.
    since: Option<(u64, SegmentSize)>,
    /// How many objects there are.
    count: u64,
    /// When the newest came, in nanoseconds since 1970; 0 if no storage tells.
    newest: i64,
    /// Their bytes since that base backup, in each storage.
    bytes: BTreeMap<String, u64>,
}

impl Seen {
    /// Begins to look; `since` is where the newest base backup begins.
    pub(super) fn since(since: Option<Lsn>, size: SegmentSize) -> Self {
        let since = since.map(|it| (it.bytes() / size.bytes(), size));
        Self { since, ..Self::default() }
    }

    /// Adds an object.
    pub(super) fn add(&mut self, stored: &Stored) {
        let FileName::Segment(name) = stored.name else { return };
        self.count += 1;
        self.newest = self.newest.max(stored.object.modified_ns);
        let Some((first, size)) = self.since else { return };
        if name.number(size).is_ok_and(|it| it >= first) {
            *self.bytes.entry(stored.storage.clone()).or_default() += stored.object.size;
        }
    }

    /// Judges what was seen.
    pub(super) fn lines(&self, server: &Server, now: Timestamp) -> Vec<CheckLine> {
        if self.count == 0 {
            return vec![CheckLine::warning(
                "wal_archive",
                "there is no segment in any storage yet",
                "no base backup can be restored without the WAL that was written meanwhile",
                "SELECT pg_switch_wal() finishes a segment, which must come then",
            )];
        }
        let mut lines = vec![self.age(server, now)];
        if self.since.is_some() {
            let most = self.bytes.values().max().copied().unwrap_or_default();
            let found = format!("{} since the newest base backup", text::size(most));
            lines.push(CheckLine::ok("wal_size", found));
        }
        lines
    }

    fn age(&self, server: &Server, now: Timestamp) -> CheckLine {
        const NAME: &str = "wal_maximum_age";
        let came = Timestamp::from_nanosecond(self.newest.into()).ok().filter(|_| self.newest > 0);
        let Some(came) = came else {
            return CheckLine::ok(NAME, "no storage tells when WAL came");
        };
        let found = format!("the newest came {came:.0}");
        let Some(most) = server.last_wal_maximum_age else {
            return CheckLine::ok(NAME, found);
        };
        // What comes from the future is of a clock that goes wrong, and not old.
        if came <= now && now.duration_since(came).unsigned_abs() > most.get() {
            return CheckLine::failed(
                NAME,
                format!("{found}; it may be {most} old"),
                "what the server wrote since would be lost with it",
                "look why no WAL comes; a server at rest needs archive_timeout, which finishes \
                 segments",
            );
        }
        CheckLine::ok(NAME, found)
    }
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::ObjectMeta;
    use hayloft_postgres::check::Outcome;
    use serde_json::json;

    use super::*;

    fn server(most: Option<&str>) -> Server {
        serde_json::from_value(json!({ "name": "main", "last_wal_maximum_age": most })).unwrap()
    }

    fn stored(storage: &str, name: &str, came: Timestamp) -> Stored {
        let modified_ns = came.as_nanosecond().try_into().unwrap();
        let object =
            ObjectMeta { key: name.to_owned(), size: 1000, modified_ns, etag: String::new() };
        let name = FileName::parse(name).unwrap();
        Stored { name, storage: storage.to_owned(), suffix: String::new(), object }
    }

    #[test]
    fn wal_is_judged_by_its_age_and_counted_since_the_backup() {
        let came: Timestamp = "2026-01-03T01:00:00Z".parse().unwrap();
        let begin: Lsn = "0/3000028".parse().unwrap();
        let mut seen = Seen::since(Some(begin), SegmentSize::DEFAULT);
        for (storage, number) in [("a", 2), ("a", 3), ("a", 4), ("b", 3), ("b", 2)] {
            seen.add(&stored(storage, &format!("00000001000000000000000{number}"), came));
        }
        let cases = [
            (None, "2026-02-03T01:00:00Z", Outcome::Ok),
            (Some("1 HOUR"), "2026-01-03T02:00:00Z", Outcome::Ok),
            (Some("1 HOUR"), "2026-01-03T02:00:01Z", Outcome::Failed),
            (Some("1 HOUR"), "2026-01-02T01:00:00Z", Outcome::Ok),
        ];
        for (most, now, outcome) in cases {
            let lines = seen.lines(&server(most), now.parse().unwrap());
            assert_eq!(lines[0].outcome, outcome, "{most:?} {now}: {lines:?}");
            assert_eq!(lines[1].found, "2.0 kB since the newest base backup");
        }
    }

    #[test]
    fn an_archive_without_wal_is_told() {
        let lines = Seen::default().lines(&server(None), Timestamp::now());
        assert_eq!((lines.len(), lines[0].outcome), (1, Outcome::Warning));
    }
}
