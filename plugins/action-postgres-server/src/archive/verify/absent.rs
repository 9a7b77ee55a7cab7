//! Segments that are missing, gathered to gaps.

use hayloft_plugin_api::Result;
use hayloft_postgres::wal::{Gap, SegmentName, SegmentSize};

use super::Finding;

/// Gathers what is missing: everywhere, or in one of the storages that should
/// have everything.
#[derive(Debug)]
pub(super) struct Absent {
    size: SegmentSize,
    everywhere: Option<Gap>,
    storages: Vec<(String, Option<Gap>)>,
}

impl Absent {
    pub(super) fn new(size: SegmentSize, storages: Vec<String>) -> Self {
        let storages = storages.into_iter().map(|it| (it, None)).collect();
        Self { size, everywhere: None, storages }
    }

    /// Notes where the next segment is; tells of the gaps that it ends.
    pub(super) fn note(
        &mut self,
        name: SegmentName,
        there: &[&str],
        each: &mut dyn FnMut(Finding) -> Result<()>,
    ) -> Result<()> {
        let (size, nowhere) = (self.size, there.is_empty());
        if let Some(gap) = step(&mut self.everywhere, name, nowhere, size) {
            each(Finding::Missing { gap, storage: None })?;
        }
        for (storage, gap) in &mut self.storages {
            let lacks = !nowhere && !there.contains(&storage.as_str());
            if let Some(gap) = step(gap, name, lacks, size) {
                each(Finding::Missing { gap, storage: Some(storage.clone()) })?;
            }
        }
        Ok(())
    }

    /// Tells of the gaps that last to the end.
    pub(super) fn end(self, each: &mut dyn FnMut(Finding) -> Result<()>) -> Result<()> {
        if let Some(gap) = self.everywhere {
            each(Finding::Missing { gap, storage: None })?;
        }
        for (storage, gap) in self.storages {
            if let Some(gap) = gap {
                each(Finding::Missing { gap, storage: Some(storage) })?;
            }
        }
        Ok(())
    }
}

/// Adds a segment that is missing to a gap; returns the gap that ends here.
fn step(gap: &mut Option<Gap>, name: SegmentName, missing: bool, size: SegmentSize) -> Option<Gap> {
    if !missing {
        return gap.take();
    }
    match gap {
        Some(it) if it.last.next(size) == Ok(name) => {
            it.last = name;
            it.count += 1;
            None
        }
        // Another timeline.
        _ => gap.replace(Gap { first: name, last: name, count: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_once() {
        let all: &[&str] = &["a", "b"];
        let cases: [(&str, &[&str]); 6] = [
            ("000000010000000000000001", all),
            ("000000010000000000000002", &["a"]),
            ("000000010000000000000003", &[]),
            ("000000010000000000000004", &[]),
            ("000000020000000000000005", &[]),
            ("000000020000000000000006", &["b", "other"]),
        ];
        let storages = vec!["a".to_owned(), "b".to_owned()];
        let mut absent = Absent::new(SegmentSize::DEFAULT, storages);
        let mut told = Vec::new();
        let mut each = |it: Finding| {
            let Finding::Missing { gap, storage } = it else { panic!("{it:?}") };
            told.push(format!("{} {}", gap, storage.unwrap_or_default()));
            Ok(())
        };
        for (name, there) in cases {
            absent.note(name.parse().unwrap(), there, &mut each).unwrap();
        }
        absent.end(&mut each).unwrap();
        let expected = [
            "000000010000000000000002 b",
            "000000010000000000000003 to 000000010000000000000004 (2 segments) ",
            "000000020000000000000005 ",
            "000000020000000000000006 a",
        ];
        assert_eq!(told, expected);
    }
}
