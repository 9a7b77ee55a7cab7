//! What was stored before PostgreSQL asked for it.
//!
//! For each file a note in the spool: by what it can be known again, and where
//! it is. A note is believed only if the file is still the very one that was
//! read, or has that content, and every storage still has that object.
//!
//! Whoever stores a file holds the lock of its mark meanwhile, so that others
//! leave it to him, and wait for the note.

use std::{fs::File, io};

use hayloft_plugin_api::Result;
use hayloft_postgres::wal::FileName;
use serde::{Deserialize, Serialize};

use super::{Archive, Receipt, source::Source, spool::Spool, stamp::Stamp};

/// The directory in the spool.
const DIRECTORY: &str = "ahead";
/// What the names of the files begin with of which each process that stores
/// ahead has locked one.
const LOCK: &str = "lock-";
/// What is appended to the name of a file that is being stored.
const MARK: &str = ".mark";

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// BLAKE3 of the content, in hexadecimal digits, if it was computed.
    content: Option<String>,
    #[serde(default)]
    file: Option<Stamp>,
    copies: Vec<Copy>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Copy {
    storage: String,
    key: String,
    size: u64,
    etag: String,
}

/// All notes of one server.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    spool: Spool,
}

/// Says that a file is being stored, until it is dropped.
#[derive(Debug)]
pub(crate) struct Mark<'a> {
    ledger: &'a Ledger,
    name: String,
    _lock: File,
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.ledger.spool.remove(&self.name);
    }
}

impl Ledger {
    /// Opens it; `None` if that is impossible.
    pub(crate) fn open(spool: &Spool) -> Option<Self> {
        let spool = spool.below(DIRECTORY).ok()?;
        Some(Self { spool })
    }

    /// Notes that a file is durable in every storage.
    pub(crate) fn note(&self, name: FileName, receipt: &Receipt) {
        let (content, file) = (receipt.content.clone(), receipt.stamp.clone());
        if content.is_none() && file.is_none() {
            return;
        }
        let copies = receipt.copies.iter().map(|it| Copy {
            storage: it.storage.clone(),
            key: it.object.key.clone(),
            size: it.object.size,
            etag: it.object.etag.clone(),
        });
        let note = Note { content, file, copies: copies.collect() };
        let written = serde_json::to_vec(&note)
            .map_err(io::Error::other)
            .and_then(|text| self.spool.write(&name.to_string(), &text));
        if let Err(error) = written {
            tracing::info!("{name} will be looked up when it is asked for: {error}");
        }
    }

    /// Tells whether a file is noted.
    pub(crate) fn has(&self, name: FileName) -> bool {
        self.spool.path(&name.to_string()).exists()
    }

    /// Removes a note.
    pub(crate) fn forget(&self, name: FileName) {
        self.spool.remove(&name.to_string());
    }

    /// Becomes one of so many processes that store ahead, unless there are as
    /// many.
    ///
    /// # Errors
    ///
    /// If there are no locks.
    pub(crate) fn lock(&self, processes: usize) -> io::Result<Option<File>> {
        for number in 0..processes {
            if let Some(lock) = self.spool.lock(&format!("{LOCK}{number}"))? {
                return Ok(Some(lock));
            }
        }
        Ok(None)
    }

    /// Tells whether any process stores ahead.
    pub(crate) fn is_at_work(&self) -> bool {
        let mut names = self.spool.names().into_iter();
        names.any(|it| it.starts_with(LOCK) && self.spool.is_locked(&it))
    }

    /// Says that a file is being stored, unless somebody else has said so.
    ///
    /// # Errors
    ///
    /// If there are no locks.
    pub(crate) fn mark(&self, name: FileName) -> io::Result<Option<Mark<'_>>> {
        let name = format!("{name}{MARK}");
        let lock = self.spool.lock(&name)?;
        Ok(lock.map(|lock| Mark { ledger: self, name, _lock: lock }))
    }

    /// Tells whether somebody is storing a file.
    pub(crate) fn is_marked(&self, name: FileName) -> bool {
        self.spool.is_locked(&format!("{name}{MARK}"))
    }

    /// Removes the notes of files that are not waiting any more, and what was
    /// left behind.
    pub(crate) fn tidy(&self, waiting: &[FileName]) {
        self.spool.sweep();
        for name in self.spool.names() {
            let stem = name.strip_suffix(MARK);
            let Some(file) = FileName::parse(stem.unwrap_or(&name)) else { continue };
            let is_needed = waiting.contains(&file) || self.spool.is_locked(&name);
            if !is_needed {
                self.spool.remove(&name);
            }
        }
    }

    fn get(&self, name: FileName) -> Option<Note> {
        serde_json::from_slice(&self.spool.read(&name.to_string())?).ok()
    }
}

impl Archive<'_> {
    /// Tells whether a file is known to be durable in every storage, by its
    /// note: it must be the very file that was read, or have that content; and
    /// each storage is asked for the object.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not what its name says, or a storage
    /// cannot tell.
    pub(crate) fn is_noted(
        &self,
        ledger: &Ledger,
        name: FileName,
        path: &std::path::Path,
    ) -> Result<bool> {
        let Some(note) = ledger.get(name) else { return Ok(false) };
        for target in self.written() {
            let Some(copy) = note.copies.iter().find(|it| it.storage == target.name()) else {
                return Ok(false);
            };
            let found = target.storage(self.host)?.stat(&copy.key)?;
            if !found.is_some_and(|it| it.size == copy.size && it.etag == copy.etag) {
                return Ok(false);
            }
        }
        let source = Source::open(name, path)?;
        if source.stamp.is_some() && source.stamp == note.file {
            return Ok(true);
        }
        note.content.map_or(Ok(false), |noted| Ok(source.hash()? == noted))
    }
}
