//! What must be in the storages, by what a server was told of its WAL. Without
//! it, nobody would notice that the newest segments are missing.

use std::{collections::BTreeSet, fs, path::Path};

use hayloft_plugin_api::Host;
use hayloft_postgres::{
    check::Facts,
    wal::{FileName, Inventory, Lsn, SegmentName, TimelineId},
};

use crate::{
    config::Server,
    directories::Directories,
    probe::{self, Deadline},
};

/// What must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// The segment that `archive_command` was last good for.
    archived: Option<SegmentName>,
    received: Option<Received>,
}

/// What the receiver told the server is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Received {
    /// Before this position the server keeps nothing for it.
    before: Lsn,
    /// The server's timeline.
    timeline: TimelineId,
    /// Segments that are on this machine, and wait for the storages.
    waiting: BTreeSet<SegmentName>,
}

impl Expected {
    /// Asks the server; nothing if it has no `<conninfo>`, does not answer, or
    /// its WAL is not kept by us. Is to be asked before the storages are: what
    /// the server was told by then is what they list.
    pub(super) fn ask(host: &Host, server: &Server) -> Self {
        if server.conninfo.is_none() || !(server.archiver || server.streaming_archiver) {
            return Self::default();
        }
        let facts = probe::facts(server, Deadline::after(server.check_timeout()), false);
        if let Err(trouble) = &facts.sql {
            tracing::warn!(
                "server {} was not asked what it has archived last: {}",
                server.name,
                trouble.problem
            );
        }
        let directories = Directories::of(host, server).ok();
        Self::of(server, &facts, directories.as_ref())
    }

    /// Finds it in what a server said. What waits is looked for after that,
    /// and before the storages are asked, as `ask` does.
    pub(super) fn of(server: &Server, facts: &Facts, directories: Option<&Directories>) -> Self {
        let archived = || match FileName::parse(
            facts.sql.as_ref().ok()?.status.archiver.value()?.last_archived_wal.as_ref()?,
        ) {
            Some(FileName::Segment(name)) => Some(name),
            _ => None,
        };
        let received = || {
            let status = &facts.sql.as_ref().ok()?.status;
            let slot = status.slot(server.slot_name.as_ref()?);
            let before = slot.value()?.restart?;
            let timeline = *status.timeline.value()?;
            // Elsewhere than at the receiver nobody knows what waits.
            let waiting = segments(&directories?.streaming)?;
            Some(Received { before, timeline, waiting })
        };
        Self {
            archived: server.archiver.then(archived).flatten(),
            received: server.streaming_archiver.then(received).flatten(),
        }
    }

    /// Notes it among what is there.
    pub(super) fn note(&self, inventory: &mut Inventory) {
        if let Some(last) = self.archived {
            inventory.expect(last);
        }
        if let Some(last) = self.received.as_ref().and_then(|it| it.last(inventory)) {
            inventory.expect(last);
        }
    }
}

impl Received {
    /// The last segment that must be in the storages; nothing before the first
    /// one has got there, or where the way to the server's timeline is not
    /// known, which is told anyway.
    fn last(&self, inventory: &Inventory) -> Option<SegmentName> {
        if inventory.timelines().is_empty() {
            return None;
        }
        let size = inventory.size();
        let history = inventory.history(self.timeline);
        if self.timeline != TimelineId::FIRST && history.entries().is_empty() {
            return None;
        }
        let before = |it: SegmentName| {
            let name = it.previous(size).ok()?;
            Some(name.on(history.timeline_of(name.start(size).ok()?)))
        };
        let mut last = before(SegmentName::containing(self.before, self.timeline, size))?;
        while self.waiting.contains(&last) {
            last = before(last)?;
        }
        Some(last)
    }
}

/// The whole segments in a directory; nothing if there is none.
fn segments(directory: &Path) -> Option<BTreeSet<SegmentName>> {
    let names = fs::read_dir(directory).ok()?.flatten().map(|it| it.file_name());
    let segment = |it: std::ffi::OsString| match FileName::parse_compressed(it.to_str()?) {
        Some((FileName::Segment(name), _)) => Some(name),
        _ => None,
    };
    Some(names.filter_map(segment).collect())
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::wal::{History, SegmentSize};

    use super::*;

    fn name(text: &str) -> SegmentName {
        text.parse().unwrap()
    }

    fn received(before: &str, timeline: u32, waiting: &[&str]) -> Received {
        Received {
            before: before.parse().unwrap(),
            timeline: TimelineId::new(timeline).unwrap(),
            waiting: waiting.iter().map(|it| name(it)).collect(),
        }
    }

    #[test]
    fn what_the_server_was_told_is_safe_is_stored_or_waits_here() {
        let mut inventory = Inventory::new(SegmentSize::DEFAULT);
        let all = received("0/5000028", 1, &[]);
        assert_eq!(all.last(&inventory), None, "nothing was archived yet");
        inventory.add(name("000000010000000000000002").into());
        let (three, four) = ("000000010000000000000003", "000000010000000000000004");
        let cases = [
            (all, Some(four)),
            (received("0/5000000", 1, &[]), Some(four)),
            (received("0/4FFFFFF", 1, &[]), Some(three)),
            (received("0/5000028", 1, &[four]), Some(three)),
            // One before it does not wait, so it must be there.
            (received("0/5000028", 1, &[three]), Some(four)),
            (received("0/28", 1, &[]), None),
            // Its history is not known.
            (received("0/5000028", 2, &[]), None),
        ];
        for (received, expected) in cases {
            assert_eq!(received.last(&inventory), expected.map(name), "{received:?}");
        }
        let second = TimelineId::new(2).unwrap();
        let text = b"1\t0/4800000\tno recovery target specified\n";
        inventory.add_history(History::parse(second, text).unwrap());
        let last = |before| received(before, 2, &[]).last(&inventory).map(|it| it.to_string());
        assert_eq!(last("0/4900000").as_deref(), Some(three));
        assert_eq!(last("0/6000000").as_deref(), Some("000000020000000000000005"));
    }

    #[test]
    fn what_is_missing_at_the_end_is_a_gap() {
        let mut inventory = Inventory::new(SegmentSize::DEFAULT);
        inventory.add(name("000000010000000000000002").into());
        let expected = Expected { archived: None, received: Some(received("0/5000028", 1, &[])) };
        expected.note(&mut inventory);
        let gaps: Vec<String> =
            inventory.gaps(&[]).segments.iter().map(ToString::to_string).collect();
        assert_eq!(gaps, ["000000010000000000000003 to 000000010000000000000004 (2 segments)"]);
    }
}
