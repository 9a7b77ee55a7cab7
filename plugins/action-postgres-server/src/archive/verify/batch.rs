//! A stretch of the log, one directory of the archive after the other.

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::wal::{FileName, SegmentName};

use super::Course;

/// The part of a stretch that is in one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) directory: String,
    /// In order, without gaps; at least one.
    pub(super) names: Vec<SegmentName>,
}

impl Batch {
    /// Tells whether a file belongs here: a segment, or one that is about one.
    pub(super) fn has(&self, name: FileName) -> bool {
        name.segment().is_some_and(|it| self.names.binary_search(&it).is_ok())
    }
}

/// Divides a stretch.
///
/// # Errors
///
/// If there are no such segments.
pub(super) fn of(course: &Course) -> Result<impl Iterator<Item = Batch>> {
    let ranges = course
        .history
        .segments(course.from, course.to, course.size)
        .map_err(|e| Error::msg(e.to_string()))?;
    let mut names = ranges.into_iter().flatten().peekable();
    Ok(std::iter::from_fn(move || {
        let first = names.next()?;
        let directory = first.directory();
        let mut batch = Batch { names: vec![first], directory };
        while let Some(name) = names.next_if(|it| it.directory() == batch.directory) {
            batch.names.push(name);
        }
        Some(batch)
    }))
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::wal::{History, SegmentSize, TimelineId};

    use super::*;

    #[test]
    fn a_stretch_is_divided_by_directories() {
        let history = History::parse(TimelineId::new(2).unwrap(), b"1\t0/FF800000\tx\n").unwrap();
        let course = Course {
            history,
            from: "0/FD000028".parse().unwrap(),
            to: "1/2000000".parse().unwrap(),
            size: SegmentSize::DEFAULT,
        };
        let told: Vec<String> = of(&course)
            .unwrap()
            .map(|it| format!("{} {} {}", it.directory, it.names[0], it.names.len()))
            .collect();
        let expected = [
            "0000000100000000 0000000100000000000000FD 2",
            "0000000200000000 0000000200000000000000FF 1",
            "0000000200000001 000000020000000100000000 2",
        ];
        assert_eq!(told, expected);
        let first = of(&course).unwrap().next().unwrap();
        assert!(first.has("0000000100000000000000FE.00000028.backup".parse().unwrap()));
        assert!(!first.has("0000000100000000000000FF".parse().unwrap()));
        let nothing = Course { to: course.from, ..course };
        assert_eq!(of(&nothing).unwrap().count(), 0);
    }
}
