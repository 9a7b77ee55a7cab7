//! Segments from one to another.

use std::iter::FusedIterator;

use super::{SegmentName, SegmentSize, WalError};

/// The segments of one timeline from a first to a last, both included; an
/// iterator from either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRange {
    // Invariant: `next` is of this size, and `left` segments from it exist.
    next: SegmentName,
    left: u64,
    size: SegmentSize,
}

impl SegmentRange {
    /// Returns the segments from `first` to `last`; none if `last` comes
    /// before `first`.
    ///
    /// # Errors
    ///
    /// [`WalError::TimelinesDiffer`] (see
    /// [`History::segments`](super::History::segments)), or
    /// [`WalError::NotOfThisSize`].
    pub fn new(first: SegmentName, last: SegmentName, size: SegmentSize) -> Result<Self, WalError> {
        if first.timeline() != last.timeline() {
            return Err(WalError::TimelinesDiffer { first, last });
        }
        let (from, to) = (first.number(size)?, last.number(size)?);
        Ok(Self { next: first, left: (to + 1).saturating_sub(from), size })
    }

    /// Returns how many there are left.
    pub fn count_left(&self) -> u64 {
        self.left
    }

    /// Tells whether a segment is among them.
    pub fn contains(&self, name: SegmentName) -> bool {
        let numbers = (self.next.number(self.size), name.number(self.size));
        let (Ok(first), Ok(it)) = numbers else { return false };
        name.timeline() == self.next.timeline() && it >= first && it - first < self.left
    }

    fn at(&self, index: u64) -> Option<SegmentName> {
        let number = self.next.number(self.size).ok()? + index;
        SegmentName::new(self.next.timeline(), number, self.size).ok()
    }
}

impl Iterator for SegmentRange {
    type Item = SegmentName;

    fn next(&mut self) -> Option<SegmentName> {
        if self.left == 0 {
            return None;
        }
        let name = self.next;
        self.left -= 1;
        if self.left > 0 {
            self.next = self.next.next(self.size).ok()?;
        }
        Some(name)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left);
        (left.unwrap_or(usize::MAX), left.ok())
    }
}

impl DoubleEndedIterator for SegmentRange {
    fn next_back(&mut self) -> Option<SegmentName> {
        let name = self.at(self.left.checked_sub(1)?)?;
        self.left -= 1;
        Some(name)
    }
}

impl FusedIterator for SegmentRange {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wal::{Lsn, TimelineId};

    fn range(first: &str, last: &str, size: SegmentSize) -> Vec<String> {
        let ends = (first.parse().unwrap(), last.parse().unwrap());
        SegmentRange::new(ends.0, ends.1, size).unwrap().map(|it| it.to_string()).collect()
    }

    #[test]
    fn a_range_crosses_logs() {
        let names =
            range("0000000200000007000000FE", "000000020000000800000000", SegmentSize::DEFAULT);
        assert_eq!(
            names,
            ["0000000200000007000000FE", "0000000200000007000000FF", "000000020000000800000000"]
        );
    }

    #[test]
    fn a_range_ends_at_the_last_segment_there_is() {
        let last = "00000001FFFFFFFF000000FF";
        assert_eq!(range(last, last, SegmentSize::DEFAULT), [last]);
    }

    #[test]
    fn a_range_may_be_empty_but_not_cross_timelines() {
        let (a, b) = ("000000010000000000000002", "000000010000000000000001");
        assert!(range(a, b, SegmentSize::DEFAULT).is_empty());
        let other = "000000020000000000000002".parse().unwrap();
        let result = SegmentRange::new(b.parse().unwrap(), other, SegmentSize::DEFAULT);
        assert!(matches!(result, Err(WalError::TimelinesDiffer { .. })));
    }

    proptest! {
        #[test]
        fn a_range_is_the_chain_of_neighbours(
            start in 0..u64::MAX / 2, count in 0u64..600, exponent in 20u32..=30,
        ) {
            let size = SegmentSize::new(1 << exponent).unwrap();
            let first = SegmentName::containing(Lsn::new(start), TimelineId::FIRST, size);
            let number = first.number(size).unwrap();
            let last = SegmentName::new(TimelineId::FIRST, number + count, size).unwrap();
            let range = SegmentRange::new(first, last, size).unwrap();
            prop_assert_eq!(range.count_left(), count + 1);
            prop_assert!(range.contains(first) && range.contains(last));
            prop_assert!(!range.contains(last.next(size).unwrap()));
            let names: Vec<_> = range.clone().collect();
            prop_assert!(names.windows(2).all(|it| it[0].next(size).unwrap() == it[1]));
            prop_assert_eq!((names[0], names[names.len() - 1]), (first, last));
            let mut backwards: Vec<_> = range.rev().collect();
            backwards.reverse();
            prop_assert_eq!(backwards, names);
        }
    }
}
