//! A digest of everything about the directories of a tree.

use sha2::{Digest, Sha256};

use crate::archive::{Entry, Presence, header};

/// A digest of directories, in the order of the walk.
#[derive(Debug, Default)]
pub(super) struct Directories {
    hash: Sha256,
    scratch: Vec<u8>,
}

impl Directories {
    /// Adds a directory. What an archive has of its files does not matter,
    /// only which there are.
    pub(super) fn add(&mut self, entry: &Entry) {
        let mut entry = entry.clone();
        for (_, presence) in entry.listing.iter_mut().flat_map(|it| &mut it.names) {
            if *presence == Presence::Stored {
                *presence = Presence::Unchanged;
            }
        }
        self.scratch.clear();
        header(&entry, &mut self.scratch);
        self.hash.update(&self.scratch);
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}
