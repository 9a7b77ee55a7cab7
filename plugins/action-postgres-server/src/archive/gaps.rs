//! Which files of WAL are missing.

use std::{collections::BTreeSet, io::Read};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::wal::{
    FileName, Gap, History, Inventory, Lsn, SegmentRange, SegmentSize, TimelineId,
};

use super::{Archive, Stored, read};

/// More than the history of a timeline has, in bytes.
const MOST: u64 = 1 << 20;
/// When segments of more directories than this are looked for, everything is
/// listed.
const FEW: usize = 64;

impl Archive<'_> {
    /// Lists what there is, in all storages or in one, with the histories of
    /// timelines. Takes little memory, however much there is.
    ///
    /// What to do with it: [`Inventory::gaps`] tells what recoveries from any
    /// place would miss, [`Inventory::missing`] what one would.
    ///
    /// # Errors
    ///
    /// If a storage cannot tell, or a history cannot be read:
    /// [`ErrorKind::CORRUPT`] if it is none.
    pub(crate) fn inventory(&self, storage: Option<&str>, size: SegmentSize) -> Result<Inventory> {
        let mut inventory = Inventory::new(size);
        self.for_each(storage, None, &mut |stored| {
            inventory.add(stored.name);
            Ok(())
        })?;
        self.add_histories(&mut inventory)?;
        Ok(inventory)
    }

    /// Adds the content of the histories that were found.
    ///
    /// # Errors
    ///
    /// As [`Archive::inventory`].
    pub(crate) fn add_histories(&self, inventory: &mut Inventory) -> Result<()> {
        for timeline in inventory.histories() {
            if let Some(history) = self.history(timeline)? {
                inventory.add_history(history);
            }
        }
        Ok(())
    }

    /// Tells which of the segments that recovery reads between two positions
    /// on its way to a timeline are in none of the storages: a backup that
    /// ends at `to` can be restored if it is none. Only what can have them is
    /// listed.
    ///
    /// ```text
    /// let missing = archive.missing(backup.timeline, backup.begin, backup.end, size)?;
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Archive::inventory`].
    #[expect(dead_code, reason = "for base backups")]
    pub(crate) fn missing(
        &self,
        timeline: TimelineId,
        from: Lsn,
        to: Lsn,
        size: SegmentSize,
    ) -> Result<Vec<Gap>> {
        let history = self.history(timeline)?.unwrap_or_else(|| History::of_first(timeline));
        let ranges = history.segments(from, to, size).map_err(|e| Error::msg(e.to_string()))?;
        let mut inventory = Inventory::new(size);
        let mut add = |stored: Stored| {
            inventory.add(stored.name);
            Ok(())
        };
        match directories(ranges) {
            Some(few) => {
                few.iter().try_for_each(|it| self.for_each(None, Some(it), &mut add))?;
            }
            None => self.for_each(None, None, &mut add)?,
        }
        Ok(inventory.missing(&history, from, to))
    }

    /// Reads the history of a timeline, from the first storage in which it is
    /// whole.
    ///
    /// # Errors
    ///
    /// If none has it whole, but one has it damaged or cannot tell.
    pub(crate) fn history(&self, timeline: TimelineId) -> Result<Option<History>> {
        let mut failure = None;
        for copy in self.copies(FileName::History(timeline)) {
            match copy.and_then(|copy| self.read_history(timeline, &copy)) {
                Ok(history) => return Ok(Some(history)),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    fn read_history(&self, timeline: TimelineId, copy: &Stored) -> Result<History> {
        let storage = self.storage(&copy.storage)?;
        let mut content = Vec::new();
        read::open(self.host, storage, &copy.object.key)
            .and_then(|it| Ok(it.take(MOST).read_to_end(&mut content)?))
            .map_err(|e| {
                let kind = e.kind();
                e.context(format!("cannot read {}", copy.place())).with_kind(kind)
            })?;
        History::parse(timeline, &content).map_err(|e| {
            Error::new(ErrorKind::CORRUPT, format!("{} is damaged: {e}", copy.place()))
        })
    }
}

/// Returns the directories that these segments are in; nothing if they are
/// many.
fn directories(ranges: Vec<SegmentRange>) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for range in ranges {
        for name in range {
            found.insert(name.directory());
            if found.len() > FEW {
                return None;
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_directories_are_not_listed_one_by_one() {
        let range = |last: &str| {
            let ends = ("000000010000000000000005".parse().unwrap(), last.parse().unwrap());
            vec![SegmentRange::new(ends.0, ends.1, SegmentSize::DEFAULT).unwrap()]
        };
        let few = directories(range("000000010000000100000000")).unwrap();
        assert_eq!(few.into_iter().collect::<Vec<_>>(), ["0000000100000000", "0000000100000001"]);
        assert_eq!(directories(range("000000010000FFFF00000000")), None);
    }
}
