//! Whether all WAL is in the storages that a recovery needs.

use std::time::Instant;

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use hayloft_postgres::{
    check::{CheckLine, Outcome},
    wal::{Gaps, Inventory},
};
use jiff::Timestamp;

use super::{super::expected::Expected, archived::Seen};
use crate::{archive::Archive, config::Server};

/// What the line is called.
const NAME: &str = "wal_gaps";

/// The lines; none for a server whose WAL is not kept by us, or whose storages
/// do not answer, which other lines tell.
pub(super) fn lines(
    host: &Host,
    server: &Server,
    lines: &[CheckLine],
    expected: &Expected,
) -> Vec<CheckLine> {
    let wanted = server.archiver || server.streaming_archiver;
    let silent = lines.iter().any(|it| it.name == "storage" && it.outcome != Outcome::Ok);
    if !wanted || silent || server.wal_destinations().is_empty() {
        return Vec::new();
    }
    match look(host, server, expected) {
        Ok((gaps, inventory, seen)) => {
            let mut lines = vec![judge(&gaps, &inventory)];
            lines.extend(seen.lines(server, Timestamp::now()));
            lines
        }
        Err(error) if error.kind() == ErrorKind::NOT_FOUND => {
            Seen::default().lines(server, Timestamp::now())
        }
        Err(error) => {
            let why = "nobody knows whether a recovery would find all WAL";
            let remedy = "`hayloft pg wal gaps` tells more";
            vec![CheckLine::warning(NAME, error.to_string(), why, remedy)]
        }
    }
}

fn look(host: &Host, server: &Server, expected: &Expected) -> Result<(Gaps, Inventory, Seen)> {
    let archive = Archive::to_look(host, server)?;
    let size = archive.segment_size()?;
    let starts = archive.starts()?;
    let mut inventory = Inventory::new(size);
    let mut seen = Seen::since(starts.iter().map(|it| it.position).max(), size);
    let (began, limit) = (Instant::now(), server.check_timeout());
    archive.for_each(None, None, &mut |stored| {
        if began.elapsed() > limit {
            return Err(Error::new(ErrorKind::TIMED_OUT, "not all names could be read in time"));
        }
        inventory.add(stored.name);
        seen.add(&stored);
        Ok(())
    })?;
    archive.add_histories(&mut inventory)?;
    expected.note(&mut inventory);
    Ok((inventory.gaps(&starts), inventory, seen))
}

fn judge(gaps: &Gaps, inventory: &Inventory) -> CheckLine {
    let segments: u64 = gaps.segments.iter().map(|it| it.count).sum();
    let first = gaps.segments.first().map(ToString::to_string);
    let first = first.or_else(|| Some(format!("{:08X}.history", gaps.histories.first()?.get())));
    let Some(first) = first else {
        let mut last = inventory.timelines().into_iter().filter_map(|it| inventory.last(it));
        let last = last.next_back();
        let last = last.map(|it| format!(", up to {it}")).unwrap_or_default();
        return CheckLine::ok(NAME, format!("no segment is missing{last}"));
    };
    let more = match segments + gaps.histories.len() as u64 {
        0 | 1 => String::new(),
        all => format!(", {all} files in all"),
    };
    CheckLine::failed(
        NAME,
        format!("missing: {first}{more}"),
        "no recovery gets past a segment that is missing",
        "make a base backup now; `hayloft pg wal gaps` names all that is missing",
    )
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::wal::SegmentSize;

    use super::*;

    #[test]
    fn the_first_gap_is_named() {
        let mut inventory = Inventory::new(SegmentSize::DEFAULT);
        let mut add = |number: u32| {
            let name = format!("0000000100000000{number:08X}");
            inventory.add(name.parse().unwrap());
            let line = judge(&inventory.gaps(&[]), &inventory);
            (line.outcome, line.found)
        };
        let good =
            (Outcome::Ok, "no segment is missing, up to 000000010000000000000003".to_owned());
        assert_eq!(add(3), good);
        let bad = "missing: 000000010000000000000004 to 000000010000000000000005 (2 segments), \
                   2 files in all";
        assert_eq!(add(6), (Outcome::Failed, bad.to_owned()));
        assert_eq!(add(8).0, Outcome::Failed);
    }
}
