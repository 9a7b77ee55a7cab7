//! What an older backup has: the base of an incremental one.

use std::collections::HashMap;

use hayloft_plugin_api::{Error, ErrorKind, Result, StorageHandle};

use super::place;
use crate::manifest::{Entry, File, Frame, Kind, Name, Part, Place, Reader, sorts_before};

/// The method of backups whose files have no order.
const UNSORTED: &str = "stream";

/// Goes through the manifest of an older backup while the files are gone
/// through: both have the same order.
#[derive(Debug)]
pub(crate) struct Cursor {
    reader: Option<Reader>,
    /// The next file that has not been asked for.
    next: Option<File>,
    /// All files, where one of the two backups has no order.
    index: Option<HashMap<Name, File>>,
    /// Its table of parts.
    parts: Vec<Part>,
    /// Which of its parts are there, as large as they should be.
    there: Vec<bool>,
}

impl Cursor {
    /// Begins; looks which of the parts are there in each of these storages.
    ///
    /// # Errors
    ///
    /// If a storage cannot tell.
    pub(crate) fn new(
        reader: Reader,
        (server, sorted): (&str, bool),
        storages: &[&StorageHandle],
    ) -> Result<Self> {
        let parts = reader.parts().to_vec();
        let mut there = vec![true; reader.parts().len()];
        for storage in storages {
            for (part, there) in present(reader.parts(), server, storage)?.iter().zip(&mut there) {
                *there &= part;
            }
        }
        let sorted = sorted && reader.header().method != UNSORTED;
        let mut it = Self { reader: Some(reader), parts, next: None, index: None, there };
        if !sorted {
            let mut index = HashMap::new();
            while let Some(file) = it.advance() {
                index.insert(file.path.clone(), file);
            }
            it.index = Some(index);
        }
        Ok(it)
    }

    /// Returns the older backup's table of parts.
    pub(crate) fn parts(&self) -> Vec<Part> {
        self.parts.clone()
    }

    /// Returns what the older backup has of a file; files must be asked for in
    /// the order of a walk, if that is what it was begun for.
    /// A manifest that is damaged is of no use from there on.
    pub(crate) fn find(&mut self, file: &File) -> Option<File> {
        let path = file.path.path();
        if file.kind != Kind::Data {
            return None;
        }
        if let Some(index) = &mut self.index {
            return index.remove(&file.path);
        }
        loop {
            match &self.next {
                Some(next) if next.path == file.path => return self.next.take(),
                Some(next) if !sorts_before(next.path.path(), path) => return None,
                _ => {}
            }
            self.next = Some(self.advance()?);
        }
    }

    fn advance(&mut self) -> Option<File> {
        loop {
            match self.reader.as_mut()?.next() {
                Ok(Some(Entry::File(mut file))) if file.kind == Kind::Data => {
                    self.forget_lost(&mut file);
                    return Some(file);
                }
                Ok(Some(_)) => {}
                Ok(None) => self.reader = None,
                Err(error) => {
                    tracing::warn!("the rest of the older backup is not compared with: {error}");
                    self.reader = None;
                }
            }
        }
    }

    /// A frame in a part that is not there is stored anew.
    fn forget_lost(&self, file: &mut File) {
        for frame in &mut file.frames {
            let is_there = |place: Place| {
                let at = usize::try_from(place.part).unwrap_or(usize::MAX);
                self.there.get(at).copied().unwrap_or(false)
            };
            if !frame.places().all(is_there) {
                *frame = Frame::Zeros;
            }
        }
    }
}

/// Makes sure that every part that a backup refers to is there, as large as it
/// should be.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] naming one that is not.
pub(crate) fn check_parts(storage: &StorageHandle, server: &str, parts: &[Part]) -> Result<()> {
    let there = present(parts, server, storage)?;
    match parts.iter().zip(there).find(|(_, there)| !there) {
        None => Ok(()),
        Some((part, _)) => {
            let key = place::part(server, &part.backup, &part.name);
            Err(Error::new(
                ErrorKind::NOT_FOUND,
                format!("{key} is not there, or has not {} bytes", part.size),
            ))
        }
    }
}

/// Tells which parts are there, as large as they should be.
///
/// # Errors
///
/// If the storage cannot tell.
pub(super) fn present(parts: &[Part], server: &str, storage: &StorageHandle) -> Result<Vec<bool>> {
    let mut known: HashMap<&str, HashMap<String, u64>> = HashMap::new();
    for part in parts {
        if known.contains_key(part.backup.as_str()) {
            continue;
        }
        let prefix = match part.name.strip_prefix('/') {
            Some(_) => place::directory(server, &part.backup),
            None => place::parts(server, &part.backup),
        };
        let mut sizes = HashMap::new();
        storage.for_each(&prefix, |object| {
            sizes.insert(object.key[prefix.len()..].to_owned(), object.size);
            Ok(())
        })?;
        known.insert(&part.backup, sizes);
    }
    let size = |part: &Part| {
        known.get(part.backup.as_str())?.get(part.name.trim_start_matches('/')).copied()
    };
    Ok(parts.iter().map(|part| size(part) == Some(part.size)).collect())
}
