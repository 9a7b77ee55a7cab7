//! How far the WAL reaches, and what is missing of it.

use std::collections::BTreeMap;

use hayloft_plugin_api::{ErrorKind, Host, Result};
use hayloft_postgres::wal::{FileName, SegmentName, SegmentSize, TimelineId};
use serde::Serialize;

use crate::{archive::Archive, config::Server};

/// How many gaps are told one by one.
const MOST: usize = 1000;

/// The segments of one timeline in one storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct WalLine {
    /// The storage's name.
    pub(crate) storage: String,
    /// The timeline.
    pub(crate) timeline: TimelineId,
    /// The number of the first segment.
    pub(crate) first: u64,
    /// The number of the last one.
    pub(crate) last: u64,
    /// Their names.
    pub(crate) names: (String, String),
    /// How many there are.
    pub(crate) segments: u64,
    /// How many bytes they have, as they are stored.
    pub(crate) bytes: u64,
    /// What is missing between them: the numbers of the first and the last one.
    pub(crate) gaps: Vec<(u64, u64)>,
}

/// Lists all WAL of a server.
///
/// # Errors
///
/// If a storage cannot tell.
pub(crate) fn lines(host: &Host, server: &Server) -> Result<Vec<WalLine>> {
    if server.wal_destinations().is_empty() {
        return Ok(Vec::new());
    }
    let archive = Archive::open(host, server)?;
    let size = match archive.segment_size() {
        Ok(size) => size,
        Err(error) if error.kind() == ErrorKind::NOT_FOUND => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut lines = Lines::default();
    archive.for_each(None, None, &mut |stored| {
        host.check_cancelled()?;
        if let FileName::Segment(name) = stored.name {
            lines.add(&stored.storage, name, stored.object.size, size);
        }
        Ok(())
    })?;
    Ok(lines.0.into_values().collect())
}

/// What was seen so far; segments of a timeline come in their order.
#[derive(Debug, Default)]
struct Lines(BTreeMap<(String, TimelineId), WalLine>);

impl Lines {
    fn add(&mut self, storage: &str, name: SegmentName, bytes: u64, size: SegmentSize) {
        // A name that this size does not have is of another cluster.
        let Ok(number) = name.number(size) else { return };
        let timeline = FileName::Segment(name).timeline();
        let text = name.to_string();
        let line = self.0.entry((storage.to_owned(), timeline)).or_insert_with(|| WalLine {
            storage: storage.to_owned(),
            timeline,
            first: number,
            last: number,
            names: (text.clone(), text.clone()),
            segments: 0,
            bytes: 0,
            gaps: Vec::new(),
        });
        line.bytes += bytes;
        // The same once more is another form of it.
        if line.segments > 0 && number <= line.last {
            return;
        }
        if line.segments > 0 && number > line.last + 1 && line.gaps.len() < MOST {
            line.gaps.push((line.last + 1, number - 1));
        }
        line.segments += 1;
        (line.last, line.names.1) = (number, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_found_across_logs_and_per_timeline() {
        let mut lines = Lines::default();
        for name in [
            "0000000100000000000000FD",
            "0000000100000000000000FE",
            "0000000100000000000000FE",
            "000000010000000100000001",
            "000000010000000100000002",
            "000000010000000100000009",
            "000000020000000100000001",
        ] {
            lines.add("disk", name.parse().unwrap(), 10, SegmentSize::DEFAULT);
        }
        let found: Vec<_> = lines.0.values().collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].gaps, [(0xff, 0x100), (0x103, 0x108)]);
        assert_eq!((found[0].segments, found[0].bytes), (5, 60));
        assert_eq!(found[1].gaps, []);
    }
}
