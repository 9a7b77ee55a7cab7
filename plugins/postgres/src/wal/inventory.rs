//! Which files of WAL an archive has, and which it lacks.

mod runs;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use self::runs::Runs;
use super::{FileName, History, Lsn, SegmentName, SegmentSize, TimelineId};

/// The files of WAL that an archive has: whole segments, and histories of
/// timelines. Runs of segments are kept, not names, so that the largest
/// archive takes little memory.
///
/// ```
/// use hayloft_postgres::wal::{FileName, Inventory, SegmentSize};
///
/// let mut inventory = Inventory::new(SegmentSize::DEFAULT);
/// for number in [1, 2, 5] {
///     inventory.add(format!("0000000100000000{number:08X}").parse::<FileName>()?);
/// }
/// let gaps = inventory.gaps(&[]).segments;
/// assert_eq!(gaps.len(), 1);
/// assert_eq!(gaps[0].first.to_string(), "000000010000000000000003");
/// assert_eq!(gaps[0].count, 2);
/// # Ok::<(), hayloft_postgres::wal::WalError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Inventory {
    size: SegmentSize,
    segments: BTreeMap<TimelineId, Runs>,
    histories: BTreeMap<TimelineId, Option<History>>,
    /// What must be there, by what a server says.
    expected: BTreeMap<TimelineId, u64>,
}

/// Segments of one timeline that are not there, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The first that is missing.
    pub first: SegmentName,
    /// The last that is missing; `first` if it is one only.
    pub last: SegmentName,
    /// How many they are.
    pub count: u64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 1 {
            return self.first.fmt(f);
        }
        write!(f, "{} to {} ({} segments)", self.first, self.last, self.count)
    }
}

/// Where a recovery can begin: the first position that a backup needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    /// The timeline on which the backup was made.
    pub timeline: TimelineId,
    /// Where its WAL begins.
    pub position: Lsn,
}

/// What an archive lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Segments, in the order of their names.
    pub segments: Vec<Gap>,
    /// Timelines that have segments, and that a recovery could get to if it
    /// found their history.
    pub histories: Vec<TimelineId>,
}

impl Gaps {
    /// Tells whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.histories.is_empty()
    }
}

impl Inventory {
    /// Makes an empty one for a cluster with segments of that size.
    pub fn new(size: SegmentSize) -> Self {
        Self {
            size,
            segments: BTreeMap::new(),
            histories: BTreeMap::new(),
            expected: BTreeMap::new(),
        }
    }

    /// Returns the size of segments.
    pub fn size(&self) -> SegmentSize {
        self.size
    }

    /// Adds a file. What is no whole segment and no history does not count,
    /// nor does a name that no segment of this size has.
    pub fn add(&mut self, name: FileName) {
        match name {
            FileName::Segment(segment) => {
                if let Ok(number) = segment.number(self.size) {
                    self.segments.entry(segment.timeline()).or_default().add(number, number);
                }
            }
            FileName::History(timeline) => {
                self.histories.entry(timeline).or_insert(None);
            }
            FileName::Partial(_) | FileName::Backup { .. } => {}
        }
    }

    /// Adds the content of a history. Where it is not known, a timeline
    /// counts as one that left no other.
    pub fn add_history(&mut self, history: History) {
        self.histories.insert(history.timeline(), Some(history));
    }

    /// Notes that everything up to this segment must be there: its server was
    /// told that it is archived.
    pub fn expect(&mut self, last: SegmentName) {
        if let Ok(number) = last.number(self.size) {
            let known = self.expected.entry(last.timeline()).or_insert(number);
            *known = number.max(*known);
        }
    }

    /// Tells whether a segment is there.
    pub fn has(&self, segment: SegmentName) -> bool {
        let runs = self.segments.get(&segment.timeline());
        runs.zip(segment.number(self.size).ok()).is_some_and(|(it, number)| it.contains(number))
    }

    /// Returns the timelines of which there is anything, oldest first.
    pub fn timelines(&self) -> BTreeSet<TimelineId> {
        let all = self.segments.keys().chain(self.histories.keys()).chain(self.expected.keys());
        all.copied().collect()
    }

    /// Returns the timelines whose histories are there.
    pub fn histories(&self) -> Vec<TimelineId> {
        self.histories.keys().copied().collect()
    }

    /// Returns the way to a timeline, as far as it is known.
    pub fn history(&self, timeline: TimelineId) -> History {
        let known = self.histories.get(&timeline).cloned().flatten();
        known.unwrap_or_else(|| History::of_first(timeline))
    }

    /// Returns the last segment of a timeline that is there, or must be.
    pub fn last(&self, timeline: TimelineId) -> Option<SegmentName> {
        let there = self.segments.get(&timeline).and_then(Runs::last);
        let number = there.max(self.expected.get(&timeline).copied())?;
        SegmentName::new(timeline, number, self.size).ok()
    }

    /// Returns the first segment of a timeline.
    pub fn first(&self, timeline: TimelineId) -> Option<SegmentName> {
        let number = self.segments.get(&timeline)?.first()?;
        SegmentName::new(timeline, number, self.size).ok()
    }

    /// Returns the newest timeline that a recovery from there can get to.
    pub fn latest(&self, start: Start) -> TimelineId {
        let reachable =
            |it: &TimelineId| self.history(*it).can_follow(start.timeline, start.position);
        self.timelines().into_iter().rev().find(reachable).unwrap_or(start.timeline)
    }

    /// Returns the segments that a recovery along a history from one position
    /// to just before another reads, and that are not there. In a segment in
    /// which a timeline was left, that of the new timeline is wanted.
    pub fn missing(&self, history: &History, from: Lsn, to: Lsn) -> Vec<Gap> {
        let ranges = history.segments(from, to, self.size).unwrap_or_default();
        let mut gaps = Vec::new();
        for mut range in ranges {
            let (Some(first), count) = (range.next(), range.count_left()) else { continue };
            let Ok(begin) = first.number(self.size) else { continue };
            let nothing = Runs::default();
            let there = self.segments.get(&first.timeline()).unwrap_or(&nothing);
            let missing = there.missing(begin, begin + count);
            gaps.extend(missing.into_iter().filter_map(|it| self.gap(first.timeline(), it)));
        }
        gaps
    }

    /// Returns what is missing between the places where recoveries can begin
    /// and the last segment of each timeline that they can get to. What comes
    /// before all of them is missed by nobody. Without such a place, each
    /// timeline begins with its first segment.
    pub fn gaps(&self, starts: &[Start]) -> Gaps {
        let mut missing: BTreeMap<TimelineId, Runs> = BTreeMap::new();
        let mut histories = Vec::new();
        for timeline in self.timelines() {
            let history = self.history(timeline);
            let lost = timeline != TimelineId::FIRST
                && !self.histories.contains_key(&timeline)
                && self.is_wanted(timeline, starts);
            if lost {
                histories.push(timeline);
            }
            let (Some(from), Some(to)) = (self.begin(&history, starts), self.end(&history)) else {
                continue;
            };
            for gap in self.missing(&history, from, to) {
                let ends = (gap.first.number(self.size), gap.last.number(self.size));
                if let (Ok(first), Ok(last)) = ends {
                    missing.entry(gap.first.timeline()).or_default().add(first, last);
                }
            }
        }
        let gaps = missing.iter().flat_map(|(timeline, runs)| {
            runs.iter().filter_map(|it| self.gap(*timeline, it)).collect::<Vec<_>>()
        });
        Gaps { segments: gaps.collect(), histories }
    }

    /// Tells whether a recovery could get to a timeline whose history is
    /// lost.
    fn is_wanted(&self, timeline: TimelineId, starts: &[Start]) -> bool {
        let Some(end) = self.end(&History::of_first(timeline)) else { return false };
        let wants = |it: &Start| it.timeline < timeline && it.position < end;
        starts.is_empty() || starts.iter().any(wants)
    }

    /// Where the first recovery along a history begins.
    fn begin(&self, history: &History, starts: &[Start]) -> Option<Lsn> {
        if !starts.is_empty() {
            let follows = |it: &&Start| history.can_follow(it.timeline, it.position);
            return starts.iter().filter(follows).map(|it| it.position).min();
        }
        let firsts = history.timelines().filter_map(|it| self.first(it)?.start(self.size).ok());
        firsts.min()
    }

    /// Where the last segment of a timeline ends; where the timeline begins,
    /// without what is only a part of a segment, if it has none.
    fn end(&self, history: &History) -> Option<Lsn> {
        if let Some(last) = self.last(history.timeline()) {
            return last.start(self.size).ok()?.checked_add(self.size.bytes());
        }
        let switch = history.entries().last()?.switch;
        Some(Lsn::new(switch.bytes() - switch.offset(self.size)))
    }

    fn gap(&self, timeline: TimelineId, (first, last): (u64, u64)) -> Option<Gap> {
        let name = |number| SegmentName::new(timeline, number, self.size).ok();
        Some(Gap { first: name(first)?, last: name(last)?, count: last - first + 1 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> TimelineId {
        TimelineId::new(number).unwrap()
    }

    fn lsn(text: &str) -> Lsn {
        text.parse().unwrap()
    }

    /// Segments of 16 MiB by timeline and number, and histories.
    fn inventory(segments: &[(u32, &[u64])], histories: &[(u32, &str)]) -> Inventory {
        let mut inventory = Inventory::new(SegmentSize::DEFAULT);
        for (timeline, numbers) in segments {
            for number in *numbers {
                let name = SegmentName::new(id(*timeline), *number, SegmentSize::DEFAULT).unwrap();
                inventory.add(FileName::Segment(name));
            }
        }
        for (timeline, text) in histories {
            inventory.add_history(History::parse(id(*timeline), text.as_bytes()).unwrap());
        }
        inventory
    }

    fn start(timeline: u32, position: &str) -> Start {
        Start { timeline: id(timeline), position: lsn(position) }
    }

    /// Each gap as `timeline:first-last`, and `timeline!` for histories.
    fn told(gaps: &Gaps) -> String {
        let size = SegmentSize::DEFAULT;
        let segments = gaps.segments.iter().map(|it| {
            let ends = (it.first.number(size).unwrap(), it.last.number(size).unwrap());
            assert_eq!(it.count, ends.1 - ends.0 + 1);
            format!("{}:{}-{}", it.first.timeline(), ends.0, ends.1)
        });
        let histories = gaps.histories.iter().map(|it| format!("{it}!"));
        segments.chain(histories).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn gaps_are_what_recoveries_would_miss() {
        // The first timeline is left in the middle of segment 5.
        const SECOND: (u32, &str) = (2, "1\t0/5800000\tx\n");
        let cases: [(&str, Inventory, &[Start], &str); 12] = [
            ("nothing there", inventory(&[], &[]), &[], ""),
            ("no backup", inventory(&[(1, &[3, 4, 6, 9])], &[]), &[], "1:5-5 1:7-8"),
            ("before the backup", inventory(&[(1, &[1, 4, 5])], &[]), &[start(1, "0/4000028")], ""),
            ("behind it", inventory(&[(1, &[1, 6])], &[]), &[start(1, "0/4000028")], "1:4-5"),
            (
                "the oldest backup counts",
                inventory(&[(1, &[2, 4, 5])], &[]),
                &[start(1, "0/5000028"), start(1, "0/2000028")],
                "1:3-3",
            ),
            (
                "the segment of the branch is the new timeline's",
                inventory(&[(1, &[3, 4]), (2, &[5, 6])], &[SECOND]),
                &[start(1, "0/3000028")],
                "",
            ),
            (
                "that of the old one does not do",
                inventory(&[(1, &[3, 4, 5]), (2, &[6])], &[SECOND]),
                &[start(1, "0/3000028")],
                "2:5-5",
            ),
            (
                "both sides of a branch",
                inventory(&[(1, &[3, 7]), (2, &[6])], &[SECOND]),
                &[start(1, "0/3000028")],
                "1:4-6 2:5-5",
            ),
            (
                "a new timeline without segments",
                inventory(&[(1, &[3])], &[SECOND]),
                &[start(1, "0/3000028")],
                "1:4-4",
            ),
            (
                "a backup behind the branch",
                inventory(&[(1, &[7]), (2, &[9])], &[SECOND]),
                &[start(2, "0/9000028")],
                "",
            ),
            (
                "a history that is lost",
                inventory(&[(1, &[3, 4]), (2, &[6])], &[]),
                &[start(1, "0/3000028")],
                "2!",
            ),
            (
                "a history that nobody needs",
                inventory(&[(1, &[8]), (2, &[6])], &[]),
                &[start(1, "0/8000028")],
                "",
            ),
        ];
        for (what, inventory, starts, expected) in cases {
            assert_eq!(told(&inventory.gaps(starts)), expected, "{what}");
        }
    }

    #[test]
    fn the_latest_timeline_is_the_one_that_can_be_got_to() {
        let inventory = inventory(
            &[(1, &[3]), (2, &[5]), (3, &[6])],
            &[(2, "1\t0/5800000\tx\n"), (3, "1\t0/6800000\ty\n")],
        );
        let cases = [
            (start(1, "0/3000028"), 3),
            (start(1, "0/6000028"), 3),
            (start(1, "0/7000028"), 1),
            (start(2, "0/7000028"), 2),
            (start(9, "0/7000028"), 9),
        ];
        for (start, expected) in cases {
            assert_eq!(inventory.latest(start).get(), expected, "{start:?}");
        }
    }

    #[test]
    fn what_a_server_was_told_is_archived_must_be_there() {
        let mut inventory = inventory(&[(1, &[3, 4])], &[]);
        inventory.expect("000000010000000000000006".parse().unwrap());
        inventory.expect("000000010000000000000005".parse().unwrap());
        assert_eq!(told(&inventory.gaps(&[])), "1:5-6");
        inventory.expect("000000010000000000000003".parse().unwrap());
        assert_eq!(told(&inventory.gaps(&[start(1, "0/4000028")])), "1:5-6");
    }

    #[test]
    fn what_is_missing_of_a_backup_lies_between_its_ends() {
        let inventory = inventory(&[(1, &[1, 2, 4])], &[]);
        let first = History::of_first(id(1));
        let missing = |from, to| inventory.missing(&first, lsn(from), lsn(to));
        assert_eq!(missing("0/1000028", "0/3000000"), []);
        let told: Vec<String> =
            missing("0/1000028", "0/6000001").iter().map(Gap::to_string).collect();
        let expected = [
            "000000010000000000000003",
            "000000010000000000000005 to 000000010000000000000006 (2 segments)",
        ];
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn with_all_gaps_filled_there_is_none(
            there in prop::collection::vec((1_u32..4, 0_u64..40), 1..60),
            switches in (10_u64..20, 20_u64..30),
            begin in 0_u64..15,
        ) {
            let size = SegmentSize::DEFAULT;
            let mut inventory = Inventory::new(size);
            let (one, two) = (switches.0 * size.bytes() + 88, switches.1 * size.bytes());
            let text = format!("1\t{}\tx\n", Lsn::new(one));
            inventory.add_history(History::parse(id(2), text.as_bytes()).unwrap());
            let text = format!("{text}2\t{}\ty\n", Lsn::new(two));
            inventory.add_history(History::parse(id(3), text.as_bytes()).unwrap());
            for (timeline, number) in there {
                inventory.add(FileName::Segment(SegmentName::new(id(timeline), number, size).unwrap()));
            }
            let starts = [Start { timeline: id(1), position: Lsn::new(begin * size.bytes() + 40) }];
            let gaps = inventory.gaps(&starts);
            for gap in &gaps.segments {
                let mut name = gap.first;
                loop {
                    prop_assert!(!inventory.has(name));
                    inventory.add(FileName::Segment(name));
                    if name == gap.last {
                        break;
                    }
                    name = name.next(size).unwrap();
                }
            }
            prop_assert!(inventory.gaps(&starts).is_empty(), "{:?}", gaps);
        }
    }
}
