//! Sets of numbers that mostly follow each other.

use std::collections::BTreeMap;

/// A set of numbers, kept as runs: the first of each, with the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs {
    // Invariant: runs neither overlap nor touch.
    runs: BTreeMap<u64, u64>,
}

impl Runs {
    /// Adds the numbers from `first` to `last`, both included.
    pub(super) fn add(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first, last);
        // Those that begin before its end and end behind its begin are one
        // with it, and so are neighbours.
        let touching: Vec<u64> = self
            .runs
            .range(..=last.saturating_add(1))
            .rev()
            .take_while(|(_, end)| end.saturating_add(1) >= first)
            .map(|(begin, _)| *begin)
            .collect();
        for begin in touching {
            if let Some(end) = self.runs.remove(&begin) {
                first = first.min(begin);
                last = last.max(end);
            }
        }
        self.runs.insert(first, last);
    }

    /// Returns the lowest number.
    pub(super) fn first(&self) -> Option<u64> {
        self.runs.first_key_value().map(|(first, _)| *first)
    }

    /// Returns the highest number.
    pub(super) fn last(&self) -> Option<u64> {
        self.runs.last_key_value().map(|(_, last)| *last)
    }

    /// Tells whether a number is in it.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.runs.range(..=number).next_back().is_some_and(|(_, last)| *last >= number)
    }

    /// Returns all runs, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.runs.iter().map(|(first, last)| (*first, *last))
    }

    /// Returns the runs of numbers from `first` to `last` that are not in it.
    pub(super) fn missing(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let mut missing = Vec::new();
        let mut next = Some(first);
        for (begin, end) in self.iter().filter(|(_, end)| *end >= first) {
            let Some(at) = next.filter(|at| *at <= last) else { break };
            if begin > last {
                break;
            }
            if begin > at {
                missing.push((at, begin - 1));
            }
            next = end.checked_add(1);
        }
        if let Some(at) = next.filter(|at| *at <= last) {
            missing.push((at, last));
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_a_set(
            added in prop::collection::vec((0_u64..60, 0_u64..6), 0..30),
            asked in (0_u64..70, 0_u64..70),
        ) {
            let (mut runs, mut plain) = (Runs::default(), BTreeSet::new());
            for (first, more) in added {
                runs.add(first, first + more);
                plain.extend(first..=first + more);
            }
            let numbers: Vec<u64> = runs.iter().flat_map(|(a, b)| a..=b).collect();
            prop_assert_eq!(&numbers, &plain.iter().copied().collect::<Vec<_>>());
            let ends: Vec<_> = runs.iter().collect();
            prop_assert!(ends.windows(2).all(|it| it[0].1 + 1 < it[1].0), "{:?}", ends);
            let missing: Vec<u64> =
                runs.missing(asked.0, asked.1).into_iter().flat_map(|(a, b)| a..=b).collect();
            let expected: Vec<u64> =
                (asked.0..=asked.1).filter(|it| !plain.contains(it)).collect();
            prop_assert_eq!(missing, expected);
            prop_assert_eq!(runs.contains(asked.0), plain.contains(&asked.0));
            prop_assert_eq!(runs.first(), plain.first().copied());
            prop_assert_eq!(runs.last(), plain.last().copied());
        }
    }

    #[test]
    fn the_last_number_has_none_behind_it() {
        let mut runs = Runs::default();
        runs.add(u64::MAX, u64::MAX);
        runs.add(0, 0);
        assert_eq!(runs.missing(0, u64::MAX), [(1, u64::MAX - 1)]);
    }
}
