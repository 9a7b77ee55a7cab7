//! Which files of WAL are missing.

use std::io::Read;

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::wal::{FileName, History, Inventory, SegmentSize, TimelineId};

use super::{Archive, Stored, read};

/// More than the history of a timeline has, in bytes.
const MOST: u64 = 1 << 20;

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
