//! Timeline history files: which timeline left which, and where.

use super::{Lsn, SegmentName, SegmentRange, SegmentSize, TimelineId, WalError};

/// A line of a history: a timeline and where it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The timeline that was left.
    pub timeline: TimelineId,
    /// Where: the first position that belongs to the next timeline.
    pub switch: Lsn,
    /// Why, in the server's words; any bytes, as an administrator may have
    /// named the restore point.
    pub reason: Vec<u8>,
}

/// The way from the first timeline to one: the content of `TTTTTTTT.history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    timeline: TimelineId,
    // Invariant: timelines ascend and are below `timeline`, switches do not
    // descend.
    entries: Vec<HistoryEntry>,
}

impl History {
    /// Returns the history of a timeline that left no other, as the one of
    /// `initdb` does. It has no file.
    pub fn of_first(timeline: TimelineId) -> Self {
        Self { timeline, entries: Vec::new() }
    }

    /// Reads the content of the file of `timeline`.
    ///
    /// Lines are a timeline, a position and a reason, separated by tabs, with
    /// blanks around them as the server takes them; empty lines and comments
    /// (`#`) do not count. This is stricter than the server, which would also
    /// take a line that was cut off within its position or before its reason,
    /// and an empty file.
    ///
    /// # Errors
    ///
    /// [`WalError::BadHistory`], [`WalError::EmptyHistory`].
    pub fn parse(timeline: TimelineId, content: &[u8]) -> Result<Self, WalError> {
        let mut entries: Vec<HistoryEntry> = Vec::new();
        for (index, line) in content.split(|it| *it == b'\n').enumerate() {
            let bad = |reason| WalError::BadHistory { timeline, line: index + 1, reason };
            let trimmed = line.trim_ascii();
            if trimmed.is_empty() || trimmed.starts_with(b"#") {
                continue;
            }
            let entry = parse_line(line).map_err(bad)?;
            if let Some(last) = entries.last() {
                if entry.timeline <= last.timeline {
                    return Err(bad("timelines must ascend"));
                }
                if entry.switch < last.switch {
                    return Err(bad("a timeline cannot be left before it was begun"));
                }
            }
            if entry.timeline >= timeline {
                return Err(bad("a parent must be of a lower number than its child"));
            }
            entries.push(entry);
        }
        if entries.is_empty() {
            return Err(WalError::EmptyHistory { timeline });
        }
        Ok(Self { timeline, entries })
    }

    /// Returns the timeline whose history this is.
    pub fn timeline(&self) -> TimelineId {
        self.timeline
    }

    /// Returns the timelines left on the way, oldest first.
    pub fn entries(&self) -> &[HistoryEntry] {
        &self.entries
    }

    /// Returns the timeline that this one left.
    pub fn parent(&self) -> Option<TimelineId> {
        self.entries.last().map(|it| it.timeline)
    }

    /// Returns the timelines, oldest first, this one last.
    pub fn timelines(&self) -> impl DoubleEndedIterator<Item = TimelineId> + '_ {
        self.entries.iter().map(|it| it.timeline).chain([self.timeline])
    }

    /// Returns on which timeline a position lies. A switch belongs to the
    /// timeline that begins there.
    pub fn timeline_of(&self, lsn: Lsn) -> TimelineId {
        let left = self.entries.iter().find(|it| lsn < it.switch);
        left.map_or(self.timeline, |it| it.timeline)
    }

    /// Returns where a timeline begins and ends (the first position after
    /// it; none for the last timeline).
    ///
    /// # Errors
    ///
    /// [`WalError::NotInHistory`].
    pub fn span(&self, timeline: TimelineId) -> Result<(Lsn, Option<Lsn>), WalError> {
        let index = self.timelines().position(|it| it == timeline);
        let missing = WalError::NotInHistory { timeline: self.timeline, asked: timeline };
        let index = index.ok_or(missing)?;
        let begin = index.checked_sub(1).map_or(Lsn::ZERO, |it| self.entries[it].switch);
        Ok((begin, self.entries.get(index).map(|it| it.switch)))
    }

    /// Tells whether a server on `timeline` that has got to `lsn` can follow
    /// to this timeline: whether it is not past the switch.
    pub fn can_follow(&self, timeline: TimelineId, lsn: Lsn) -> bool {
        self.span(timeline).is_ok_and(|(_, end)| end.is_none_or(|end| lsn <= end))
    }

    /// Returns the segments that recovery reads from `start` to just before
    /// `end`, in order, one name for each.
    ///
    /// In a segment in which a timeline was left the new timeline's file is
    /// named, as the server looks for that first; it holds the old one's
    /// records too. [`History::candidates`] has the names that would do.
    ///
    /// # Errors
    ///
    /// None can occur with positions that exist; the type is that of
    /// [`SegmentRange::new`].
    pub fn segments(
        &self,
        start: Lsn,
        end: Lsn,
        size: SegmentSize,
    ) -> Result<Vec<SegmentRange>, WalError> {
        let mut ranges = Vec::new();
        if end <= start {
            return Ok(ranges);
        }
        let last = SegmentName::ending_at(end, self.timeline, size).number(size)?;
        let mut from = start.segment_number(size);
        let ends = self.entries.iter().map(|it| (it.timeline, Some(it.switch)));
        for (timeline, left) in ends.chain([(self.timeline, None)]) {
            // The segment of the switch is the next timeline's.
            let to = left.map_or(last + 1, |it| it.segment_number(size).min(last + 1));
            if to > from {
                let ends = (
                    SegmentName::new(timeline, from, size)?,
                    SegmentName::new(timeline, to - 1, size)?,
                );
                ranges.push(SegmentRange::new(ends.0, ends.1, size)?);
                from = to;
            }
        }
        Ok(ranges)
    }

    /// Returns the names under which the segment with this number may be, in
    /// the order in which the server asks for them: newest timeline first.
    ///
    /// # Errors
    ///
    /// [`WalError::BadName`] for a number beyond the last segment.
    pub fn candidates(&self, number: u64, size: SegmentSize) -> Result<Vec<SegmentName>, WalError> {
        let begins = [Lsn::ZERO].into_iter().chain(self.entries.iter().map(|it| it.switch));
        let with_begin: Vec<_> = self.timelines().zip(begins).collect();
        let usable = with_begin.into_iter().rev();
        let usable = usable.filter(|(_, begin)| begin.segment_number(size) <= number);
        usable.map(|(timeline, _)| SegmentName::new(timeline, number, size)).collect()
    }
}

fn parse_line(line: &[u8]) -> Result<HistoryEntry, &'static str> {
    let mut fields = line.trim_ascii().splitn(3, |it| *it == b'\t');
    let mut text = || fields.next().and_then(|it| str::from_utf8(it.trim_ascii()).ok());
    let timeline = text().ok_or("a numeric timeline is expected")?;
    let timeline = timeline.parse().map_err(|_| "a numeric timeline is expected")?;
    let switch = text().ok_or("a position is expected after a tab")?;
    let switch = switch.parse().map_err(|_| "a position is expected after a tab")?;
    let reason = fields.next().filter(|it| !it.is_empty());
    let reason = reason.ok_or("a reason is expected after a second tab")?;
    Ok(HistoryEntry { timeline, switch, reason: reason.to_vec() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> TimelineId {
        TimelineId::new(number).unwrap()
    }

    fn sample() -> History {
        let text = "1\t0/2800000\tno recovery target specified\n\n3\t0/5000000\tbefore x\n";
        History::parse(id(4), text.as_bytes()).unwrap()
    }

    #[test]
    fn a_position_lies_on_the_timeline_that_was_current_there() {
        let history = sample();
        let cases =
            [("0/0", 1), ("0/27FFFFF", 1), ("0/2800000", 3), ("0/4FFFFFF", 3), ("0/5000000", 4)];
        for (lsn, timeline) in cases {
            assert_eq!(history.timeline_of(lsn.parse().unwrap()).get(), timeline, "{lsn}");
        }
        assert_eq!(history.parent(), Some(id(3)));
        let (begin, end) = history.span(id(3)).unwrap();
        assert_eq!(
            (begin.to_string(), end.unwrap().to_string()),
            ("0/2800000".into(), "0/5000000".into())
        );
        assert!(matches!(history.span(id(2)), Err(WalError::NotInHistory { .. })));
    }

    #[test]
    fn segments_follow_the_timelines() {
        let history = sample();
        let size = SegmentSize::DEFAULT;
        let ends = ("0/1000028".parse().unwrap(), "0/6000000".parse().unwrap());
        let names: Vec<String> = history
            .segments(ends.0, ends.1, size)
            .unwrap()
            .into_iter()
            .flatten()
            .map(|it| it.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "000000010000000000000001",
                // Timeline 1 was left in the middle of this one.
                "000000030000000000000002",
                "000000030000000000000003",
                "000000030000000000000004",
                // Timeline 3 was left at the very beginning of this one.
                "000000040000000000000005",
            ]
        );
        let names = history.candidates(2, size).unwrap();
        assert_eq!(
            names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["000000030000000000000002", "000000010000000000000002"]
        );
        assert!(history.segments(ends.1, ends.0, size).unwrap().is_empty());
    }

    #[test]
    fn a_server_past_the_switch_cannot_follow() {
        let history = sample();
        assert!(history.can_follow(id(1), "0/2800000".parse().unwrap()));
        assert!(!history.can_follow(id(1), "0/2800001".parse().unwrap()));
        assert!(!history.can_follow(id(2), Lsn::ZERO));
    }

    #[test]
    fn what_the_server_would_refuse_is_refused() {
        for text in [
            "2\t0/1\tx\n1\t0/2\tx\n",
            "1\t0/1\tx\n1\t0/2\tx\n",
            "4\t0/1\tx\n",
            "9\t0/1\tx\n",
            "0\t0/1\tx\n",
            "1\t0\tx\n",
            "1\t0/1 x\n",
            "1\t0/2\tx\n2\t0/1\tx\n",
            "1\t0/A0",
            "1\t0/A0\t\n",
            "+1\t0/A0\tx\n",
            "1\t0/1/2\tx\n",
            "1\t100000000/0\tx\n",
            "4294967296\t0/A0\tx\n",
        ] {
            let error = History::parse(id(4), text.as_bytes()).unwrap_err();
            assert!(matches!(error, WalError::BadHistory { .. }), "{text:?}: {error}");
        }
        let error = History::parse(id(4), b"# only a comment\n").unwrap_err();
        assert!(matches!(error, WalError::EmptyHistory { .. }));
    }

    #[test]
    fn a_reason_may_be_any_bytes() {
        let history = History::parse(id(2), b"1\t0/1\tafter \xff\tx\r\n").unwrap();
        assert_eq!(history.entries()[0].reason, b"after \xff\tx");
    }

    #[test]
    fn blanks_around_fields_do_not_count() {
        let history = History::parse(id(2), b" 1 \t 0/A0 \t before x \x0c\r\n \t \n").unwrap();
        let entry = &history.entries()[0];
        assert_eq!((entry.timeline, entry.switch.bytes()), (id(1), 0xA0));
        assert_eq!(entry.reason, b" before x");
    }

    proptest! {
        #[test]
        fn no_content_makes_it_panic(content: Vec<u8>) {
            let _ = History::parse(id(4), &content);
        }

        #[test]
        fn segments_leave_no_gap_and_lie_on_their_timelines(
            switches in proptest::collection::btree_set(1u64..1 << 34, 0..5),
            start in 0u64..1 << 34, length in 1u64..1 << 32, exponent in 24u32..=30,
        ) {
            let size = SegmentSize::new(1 << exponent).unwrap();
            let count = u32::try_from(switches.len()).unwrap();
            let mut history = History::of_first(id(count + 1));
            for (index, switch) in (1..).zip(&switches) {
                let entry = HistoryEntry { timeline: id(index), switch: Lsn::new(*switch), reason: Vec::new() };
                history.entries.push(entry);
            }
            let (from, to) = (Lsn::new(start), Lsn::new(start + length));
            let names: Vec<_> = history.segments(from, to, size).unwrap().into_iter().flatten().collect();
            let numbers: Vec<_> = names.iter().map(|it| it.number(size).unwrap()).collect();
            prop_assert_eq!(numbers[0], from.segment_number(size));
            prop_assert_eq!(numbers[numbers.len() - 1], (start + length - 1) / size.bytes());
            prop_assert!(numbers.windows(2).all(|it| it[0] + 1 == it[1]));
            for (name, number) in names.iter().zip(numbers) {
                prop_assert_eq!(history.candidates(number, size).unwrap()[0], *name);
                // The timeline at the end of the segment, the last there.
                let end = name.start(size).unwrap().checked_add(size.bytes() - 1).unwrap();
                prop_assert_eq!(history.timeline_of(end), name.timeline());
            }
        }
    }
}
