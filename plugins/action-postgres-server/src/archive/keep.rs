//! Which files of WAL may go.

use std::collections::BTreeMap;

use hayloft_postgres::wal::{FileName, Lsn, SegmentSize, TimelineId};

/// What backups that are kept need of the WAL.
///
/// A position lies at the same place on every timeline, so timelines need not
/// be told apart: what lies before every backup that is kept, is needed by
/// none. Where it is known which timeline comes from which, more may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Where the WAL of the first backup begins that is to be recovered to any
    /// later time. Without one nothing may go.
    pub(crate) from: Option<Lsn>,
    /// Backups that are kept for themselves: where their WAL begins and ends.
    pub(crate) spans: Vec<(Lsn, Lsn)>,
    /// Timelines on which less than that is needed: from where on, or nothing.
    pub(crate) on: BTreeMap<TimelineId, Option<Lsn>>,
}

impl Kept {
    /// The same, with everything from that position on.
    #[must_use]
    pub(crate) fn and_from(mut self, position: Lsn) -> Self {
        self.from = Some(self.from.map_or(position, |it| it.min(position)));
        for from in self.on.values_mut() {
            *from = Some(from.map_or(position, |it| it.min(position)));
        }
        self
    }

    /// Tells whether a file is needed by a backup that is kept. Histories of
    /// timelines always are, and so is whatever is not understood.
    pub(crate) fn needs(&self, name: FileName, size: SegmentSize) -> bool {
        let (Some(from), Some(segment)) = (self.from, name.segment()) else { return true };
        let Ok(number) = segment.number(size) else { return true };
        let within = |(begin, end): &(Lsn, Lsn)| {
            // The segment that a span ends in is needed whole.
            (begin.segment_number(size)..=end.segment_number(size)).contains(&number)
        };
        let from = self.on.get(&name.timeline()).copied().unwrap_or(Some(from));
        from.is_some_and(|from| number >= from.segment_number(size))
            || self.spans.iter().any(within)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lsn(text: &str) -> Lsn {
        text.parse().unwrap()
    }

    #[test]
    fn what_lies_before_every_backup_may_go() {
        let kept = Kept {
            from: Some(lsn("1/5000028")),
            spans: vec![(lsn("0/3000028"), lsn("0/4000130"))],
            ..Kept::default()
        };
        let cases = [
            ("000000010000000000000002", false),
            ("000000010000000000000002.partial", false),
            ("000000010000000000000002.00000028.backup", false),
            ("000000010000000000000003", true),
            ("000000010000000000000003.00000028.backup", true),
            ("000000010000000000000004", true),
            ("000000010000000000000005", false),
            ("000000090000000100000004", false),
            ("000000010000000100000005", true),
            ("000000020000000100000005", true),
            ("000000010000000200000000", true),
            ("00000002.history", true),
            // No such segment where segments have 16 MiB.
            ("000000010000000000000100", true),
        ];
        for (name, expected) in cases {
            let name: FileName = name.parse().unwrap();
            assert_eq!(kept.needs(name, SegmentSize::DEFAULT), expected, "{name}");
            assert!(Kept::default().needs(name, SegmentSize::DEFAULT), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_segment_of_a_backup_goes_whatever_the_size(
            from: u64, end in 0..1_u64 << 34, at in 0..1_u64 << 40, exponent in 20_u32..=30, timeline in 1_u32..5,
        ) {
            use hayloft_postgres::wal::{SegmentName, TimelineId};
            let size = SegmentSize::new(1 << exponent).unwrap();
            let from = from >> 1;
            let kept = Kept { from: Some(Lsn::new(from)), spans: vec![(Lsn::new(0), Lsn::new(end))], ..Kept::default() };
            let timeline = TimelineId::new(timeline).unwrap();
            let named = |lsn| FileName::Segment(SegmentName::containing(Lsn::new(lsn), timeline, size));
            prop_assert!(kept.needs(named(from.saturating_add(at)), size));
            prop_assert!(kept.needs(named(at.min(end)), size));
        }
    }
}
