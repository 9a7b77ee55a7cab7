//! What the backups in the storages need of the WAL, whoever has made them.

use std::{collections::BTreeMap, io::Read};

use hayloft_plugin_api::{ByteRange, Error, ErrorKind, ObjectMeta, Result};
use hayloft_postgres::wal::{FileName, Lsn, SegmentSize, Start, TimelineId};

use super::{Archive, Kept, identity, place, read, source, target::Target};
use crate::{
    catalogue::{BackupInfo, Status},
    config::Destination,
};

/// More than the description of a backup has, in bytes.
const MOST: u64 = 16 << 20;

/// What is known of a base backup, as far as its WAL is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backup {
    /// Its number: `20261117T020000`.
    pub(crate) id: String,
    /// How far it has got.
    pub(crate) status: Status,
    /// The timeline on which it was made.
    pub(crate) timeline: Option<TimelineId>,
    /// Where its WAL begins; nothing for one that has not got so far.
    pub(crate) begin: Option<Lsn>,
}

impl Backup {
    /// Returns where a recovery with it begins; nothing for one that cannot be
    /// restored.
    pub(crate) fn start(&self) -> Option<Start> {
        let timeline = self.timeline.unwrap_or(TimelineId::FIRST);
        self.begin.filter(|_| self.status.is_copied()).map(|position| Start { timeline, position })
    }
}

impl Archive<'_> {
    /// Reads `backup.info` of every backup in every storage: what any of them
    /// needs stays, whatever state it is in.
    ///
    /// # Errors
    ///
    /// As [`Archive::backups`]: then nothing is known to be needed by nobody.
    pub(crate) fn kept_backups(&self) -> Result<Kept> {
        let begins = self.backups()?.into_iter().filter_map(|it| it.begin);
        Ok(begins.fold(Kept::default(), Kept::and_from))
    }

    /// Returns where recoveries can begin.
    ///
    /// # Errors
    ///
    /// As [`Archive::backups`].
    pub(crate) fn starts(&self) -> Result<Vec<Start>> {
        Ok(self.backups()?.iter().filter_map(Backup::start).collect())
    }

    /// Returns the base backups in all storages, oldest first, each once.
    ///
    /// # Errors
    ///
    /// If a storage cannot tell, or the description of one cannot be read.
    pub(crate) fn backups(&self) -> Result<Vec<Backup>> {
        let mut found: BTreeMap<String, Backup> = BTreeMap::new();
        for target in &self.targets {
            self.described_in(target, &mut found)?;
        }
        // Backups need their WAL wherever they are themselves.
        for destination in self.server.backup_destinations() {
            if self.targets.iter().all(|it| it.name() != destination.storage) {
                let target = Target::new(Destination::only_read(destination.storage));
                self.described_in(&target, &mut found)?;
            }
        }
        Ok(found.into_values().collect())
    }

    fn described_in(&self, target: &Target, found: &mut BTreeMap<String, Backup>) -> Result<()> {
        let storage = target.storage(self.host)?;
        let server = &self.server.name;
        let mut look = |object: ObjectMeta| {
            let Some(id) = place::described(server, &object.key) else { return Ok(()) };
            let mut text = Vec::new();
            storage.get(&object.key, ByteRange::ALL)?.take(MOST).read_to_end(&mut text)?;
            let backup = described(id, &String::from_utf8_lossy(&text))
                .map_err(|e| e.context(format!("cannot use {}", object.key)))?;
            // What one storage knows of its WAL is better than nothing.
            let known = found.get(id).is_some_and(|it| it.begin.is_some());
            if !known {
                found.insert(backup.id.clone(), backup);
            }
            Ok(())
        };
        for prefix in [place::backups(server), place::meta(server)] {
            storage.for_each(&prefix, &mut look).map_err(|e| target.failed("look into", e))?;
        }
        Ok(())
    }

    /// Returns how large segments are: by what is noted of the cluster, else by
    /// the first segment that can be read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is neither.
    pub(crate) fn segment_size(&self) -> Result<SegmentSize> {
        for target in &self.targets {
            let storage = target.storage(self.host)?;
            let noted = identity::segment_size(storage, &self.server.name);
            if let Some(size) = noted.map_err(|e| target.failed("look into", e))? {
                return Ok(size);
            }
            let mut size = None;
            let ended = self.for_each_in(target, None, &mut |stored| {
                let FileName::Segment(name) = stored.name else { return Ok(()) };
                let mut head = vec![0; hayloft_postgres::wal::SegmentHeader::BYTES];
                let opened = read::open(self.host, storage, &stored.object.key)
                    .and_then(|mut it| Ok(it.read_exact(&mut head)?));
                // One that cannot be read here is no help; the next one may be.
                if opened.is_ok()
                    && let Ok(header) = source::check_head(&head, name)
                {
                    size = Some(header.segment_size);
                    return Err(Error::new(ErrorKind::CANCELLED, "found"));
                }
                Ok(())
            });
            match (size, ended) {
                (Some(size), _) => return Ok(size),
                (None, ended) => ended?,
            }
        }
        Err(Error::new(
            ErrorKind::NOT_FOUND,
            "no segment can be read that tells how large they are",
        ))
    }
}

/// Reads a description.
fn described(id: &str, text: &str) -> Result<Backup> {
    let info = BackupInfo::parse(text)?;
    Ok(Backup {
        id: id.to_owned(),
        status: info.status,
        timeline: info.timeline,
        begin: info.begin_xlog,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_tells_where_its_wal_begins() {
        let cases = [
            (
                "begin_wal=000000010000000000000005\nbegin_xlog=0/5000028\nend_xlog=0/6000000\n",
                Ok(Some("0/5000028")),
            ),
            ("begin_xlog = 1/0", Ok(Some("1/0"))),
            ("begin_xlog=None\n", Ok(None)),
            ("status=EMPTY\n", Ok(None)),
            ("begin_xlog=x\n", Err(())),
            ("timeline=0\n", Err(())),
        ];
        for (text, expected) in cases {
            let found = described("1", text).map(|it| it.begin).map_err(|_| ());
            let expected = expected.map(|it: Option<&str>| it.map(|it| it.parse().unwrap()));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_recovery_begins_with_a_backup_that_is_whole() {
        let cases =
            [("DONE", true), ("WAITING_FOR_WALS", true), ("FAILED", false), ("EMPTY", false)];
        for (status, good) in cases {
            let text = format!("status={status}\ntimeline=3\nbegin_xlog=0/5000028\n");
            let start = described("1", &text).unwrap().start();
            assert_eq!(start.is_some(), good, "{status}");
            assert!(start.is_none_or(|it| it.timeline.get() == 3));
        }
    }
}
