//! Which files are parts of one file, and whether none is missing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use hayloft_staging::{
    files::Found,
    parts::{self, part_path},
};
use thiserror::Error as ThisError;

use crate::record::SplitFile;

/// The parts of a file that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    /// The file, below the directory that was looked at.
    pub(crate) base: PathBuf,
    /// By number.
    pub(crate) parts: BTreeMap<u32, Found>,
}

/// What can be said of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All parts are there.
    Whole,
    /// All parts are there, unless there were more of the same size.
    PerhapsWhole,
    /// It is probably no set, but a file with such a name.
    NoSet,
}

/// Why a set cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub(crate) enum SetError {
    #[error("{} is missing", part.display())]
    Missing { part: PathBuf },
    #[error("{} has {size} bytes, and the others {expected}", part.display())]
    Size { part: PathBuf, size: u64, expected: u64 },
    #[error("there are {there} bytes in {parts} parts, and the file had {expected}")]
    Total { parts: u32, there: u64, expected: u64 },
}

/// Puts the parts of each file together.
pub(crate) fn sets(files: Vec<Found>) -> Vec<Set> {
    let mut sets: BTreeMap<PathBuf, BTreeMap<u32, Found>> = BTreeMap::new();
    for file in files {
        let Some((base, number)) = file.relative.file_name().and_then(parts::parse) else {
            continue;
        };
        let base = file.relative.with_file_name(base);
        sets.entry(base).or_default().insert(number, file);
    }
    sets.into_iter().map(|(base, parts)| Set { base, parts }).collect()
}

impl Set {
    /// Returns the size of all parts that are there.
    pub(crate) fn size(&self) -> u64 {
        self.parts.values().map(|it| it.identity.size).sum()
    }

    fn part(&self, number: u32) -> PathBuf {
        part_path(&self.base, number)
    }

    /// Looks whether a part is missing, as far as can be known. `asked` says
    /// that the user named the file.
    ///
    /// # Errors
    ///
    /// Naming the part.
    pub(crate) fn check(
        &self,
        record: Option<&SplitFile>,
        asked: bool,
    ) -> Result<Verdict, SetError> {
        let known = record.map(|it| it.parts);
        let highest = self.parts.keys().next_back().map_or(0, |it| it + 1);
        if known.is_none() && !asked && self.parts.len() < 2 {
            return Ok(Verdict::NoSet);
        }
        let count = known.unwrap_or(highest);
        if let Some(missing) = (0..count).find(|it| !self.parts.contains_key(it)) {
            return Err(SetError::Missing { part: self.part(missing) });
        }
        if let Some(record) = record {
            let there = self.parts.range(..count).map(|(_, it)| it.identity.size).sum();
            if there != record.size {
                return Err(SetError::Total { parts: count, there, expected: record.size });
            }
            return Ok(Verdict::Whole);
        }
        self.check_sizes()
    }

    /// Without a record: all parts have the size of the first one, but the
    /// last may have less.
    fn check_sizes(&self) -> Result<Verdict, SetError> {
        let expected = self.parts.get(&0).map_or(0, |it| it.identity.size);
        let last = self.parts.keys().next_back().copied().unwrap_or_default();
        for (number, file) in &self.parts {
            let size = file.identity.size;
            let right = if *number == last { size <= expected } else { size == expected };
            if !right {
                return Err(SetError::Size { part: self.part(*number), size, expected });
            }
        }
        let shorter = self.parts.get(&last).is_some_and(|it| it.identity.size < expected);
        Ok(if shorter { Verdict::Whole } else { Verdict::PerhapsWhole })
    }

    /// Returns the parts in their order; those that a record does not know
    /// are left out.
    pub(crate) fn in_order(&self, record: Option<&SplitFile>) -> impl Iterator<Item = &Found> {
        let count = record.map_or(u32::MAX, |it| it.parts);
        self.parts.range(..count).map(|(_, it)| it)
    }

    /// Returns the directory of the parts.
    pub(crate) fn directory(&self) -> &Path {
        self.parts.values().next().and_then(|it| it.path.parent()).unwrap_or(Path::new("."))
    }
}

#[cfg(test)]
mod tests {
    use hayloft_staging::files::Identity;

    use super::*;

    fn found(name: &str, size: u64) -> Found {
        let identity = Identity { device: 0, inode: 0, size, modified_ns: 0 };
        Found { path: Path::new("/d").join(name), relative: name.into(), identity }
    }

    fn set(sizes: &[(u32, u64)]) -> Set {
        let files = sizes.iter().map(|(n, size)| found(&format!("p/a_{n:05}"), *size));
        sets(files.collect()).remove(0)
    }

    #[test]
    fn a_missing_part_is_noticed_where_that_is_possible() {
        let missing = |n: u32| Err(SetError::Missing { part: part_path(Path::new("p/a"), n) });
        let size = |n: u32, size| {
            Err(SetError::Size { part: part_path(Path::new("p/a"), n), size, expected: 9 })
        };
        let cases: [(&[(u32, u64)], _); 8] = [
            (&[(0, 9), (1, 9), (2, 3)], Ok(Verdict::Whole)),
            (&[(0, 9), (1, 9)], Ok(Verdict::PerhapsWhole)),
            (&[(0, 9)], Ok(Verdict::NoSet)),
            (&[(3, 9)], Ok(Verdict::NoSet)),
            (&[(1, 9), (2, 3)], missing(0)),
            (&[(0, 9), (2, 3)], missing(1)),
            (&[(0, 9), (1, 8), (2, 3)], size(1, 8)),
            (&[(0, 9), (1, 10)], size(1, 10)),
        ];
        for (sizes, expected) in cases {
            assert_eq!(set(sizes).check(None, false), expected, "{sizes:?}");
        }
        assert_eq!(set(&[(0, 9)]).check(None, true), Ok(Verdict::PerhapsWhole));
        assert_eq!(set(&[(3, 9)]).check(None, true), missing(0));
    }

    #[test]
    fn a_record_knows_all() {
        let record =
            SplitFile { size: 18, part_size: 9, parts: 2, owned: 2, ..SplitFile::default() };
        let check = |sizes: &[(u32, u64)]| set(sizes).check(Some(&record), false);
        assert_eq!(check(&[(0, 9), (1, 9)]), Ok(Verdict::Whole));
        assert_eq!(check(&[(0, 9), (1, 9), (7, 1)]), Ok(Verdict::Whole));
        let part = part_path(Path::new("p/a"), 1);
        assert_eq!(check(&[(0, 9)]), Err(SetError::Missing { part }));
        let total = SetError::Total { parts: 2, there: 17, expected: 18 };
        assert_eq!(check(&[(0, 9), (1, 8)]), Err(total));
    }
}
