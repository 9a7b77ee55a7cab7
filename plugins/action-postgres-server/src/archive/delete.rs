//! Removing what no backup needs any more.

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::wal::{FileName, SegmentSize, TimelineId};
use serde::Serialize;

use super::{
    Archive, Stored, digest,
    events::{About, Events},
    keep::Kept,
    target::Target,
};

/// What [`Archive::delete_before`] has removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Deleted {
    /// How many files, each counted in each storage.
    pub(crate) files: u64,
    /// How many bytes they had, as they were stored.
    pub(crate) bytes: u64,
    /// The same for each timeline in each storage.
    pub(crate) ranges: Vec<Range>,
}

/// Files of one timeline in one storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Range {
    /// The storage's name.
    pub(crate) storage: String,
    /// The timeline.
    pub(crate) timeline: TimelineId,
    /// The first one.
    pub(crate) first: String,
    /// The last one; there may be others between them that stay.
    pub(crate) last: String,
    /// How many.
    pub(crate) files: u64,
    /// How many bytes they have, as they are stored.
    pub(crate) bytes: u64,
}

impl Deleted {
    fn add(&mut self, storage: &str, name: FileName, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
        let text = name.to_string();
        match self.ranges.last_mut() {
            Some(it) if it.storage == storage && it.timeline == name.timeline() => {
                (it.last, it.files, it.bytes) = (text, it.files + 1, it.bytes + bytes);
            }
            _ => self.ranges.push(Range {
                storage: storage.to_owned(),
                timeline: name.timeline(),
                first: text.clone(),
                last: text,
                files: 1,
                bytes,
            }),
        }
    }
}

/// Is given a file, and all that a storage has of it.
type Each<'a> = &'a mut dyn FnMut(&Target, FileName, &[Stored]) -> Result<()>;

impl Archive<'_> {
    /// Removes every file of WAL that no backup needs, from all storages that
    /// are written to. `size` is the cluster's size of segments.
    ///
    /// Files go one by one, by their names and oldest first, and never a
    /// directory as such. Hooks are asked before each and told after it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::VETOED`](hayloft_plugin_api::ErrorKind::VETOED) if a hook
    /// said no, and whatever keeps a file in its place; what comes after it
    /// is then still there.
    pub(crate) fn delete_before(&self, kept: &Kept, size: SegmentSize) -> Result<Deleted> {
        self.doomed_files(kept, size, &mut |target, name, forms| {
            self.delete_file(target, name, forms)
        })
    }

    /// Tells what [`Archive::delete_before`] would remove.
    ///
    /// # Errors
    ///
    /// If a storage cannot tell.
    pub(crate) fn doomed(&self, kept: &Kept, size: SegmentSize) -> Result<Deleted> {
        self.doomed_files(kept, size, &mut |_, _, _| Ok(()))
    }

    fn doomed_files(&self, kept: &Kept, size: SegmentSize, each: Each<'_>) -> Result<Deleted> {
        let mut deleted = Deleted::default();
        for target in self.written() {
            // No more than one directory's files are in memory.
            let mut doomed: Vec<Stored> = Vec::new();
            self.for_each_in(target, None, &mut |stored| {
                let begun = doomed.first().map(|it| it.name.directory());
                if begun.is_some_and(|it| it != stored.name.directory()) {
                    batch(target, &mut doomed, &mut deleted, each)?;
                }
                if !kept.needs(stored.name, size) {
                    doomed.push(stored);
                }
                Ok(())
            })?;
            batch(target, &mut doomed, &mut deleted, each)?;
        }
        Ok(deleted)
    }

    fn delete_file(&self, target: &Target, name: FileName, forms: &[Stored]) -> Result<()> {
        let events = Events { host: self.host, server: &self.server.name };
        let about = About::stored(self.host, forms);
        if let Some(about) = &about {
            events.before("wal_delete", about)?;
        }
        let removed = self.remove(target, name, forms);
        if let Some(about) = &about {
            events.after("wal_delete", about, removed.as_ref().err());
        }
        removed
    }

    /// The note of what an object holds goes after the object.
    fn remove(&self, target: &Target, name: FileName, forms: &[Stored]) -> Result<()> {
        let failed = |error: Error| target.failed("delete from", error);
        let storage = target.storage(self.host).map_err(failed)?;
        for form in forms {
            storage.delete(&form.object.key).map_err(failed)?;
        }
        digest::remove(storage, &self.server.name, name).map_err(failed)
    }
}

/// Hands the files of one directory over, oldest first, each with all that
/// there is of it.
fn batch(
    target: &Target,
    doomed: &mut Vec<Stored>,
    deleted: &mut Deleted,
    each: Each<'_>,
) -> Result<()> {
    let mut doomed = std::mem::take(doomed);
    doomed.sort_by_key(|it| (it.name.segment(), it.name));
    for forms in doomed.chunk_by(|a, b| a.name == b.name) {
        each(target, forms[0].name, forms)?;
        let bytes = forms.iter().map(|it| it.object.size).sum();
        deleted.add(target.name(), forms[0].name, bytes);
    }
    Ok(())
}
