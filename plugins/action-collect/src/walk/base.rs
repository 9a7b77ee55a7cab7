//! What a tree is compared with.

use std::{
    collections::HashMap,
    fmt,
    io::{Read, Seek},
};

use crate::state::{Record, StateError, StateReader};

/// What a tree is compared with, to find what has changed.
pub enum Base {
    /// Nothing: everything counts as changed.
    Nothing,
    /// A state file, read along with the walk.
    Ordered(Box<StateReader<Box<dyn ReadSeek>>>),
    /// A state file in memory, for a walk that jumps.
    Whole(HashMap<Vec<u8>, Vec<Record>>),
    /// Cedar Backup's digests.
    Cedar(HashMap<Vec<u8>, [u8; 20]>),
}

/// What a state is read from.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Ordered(_) => "Ordered",
            Self::Whole(_) => "Whole",
            Self::Cedar(_) => "Cedar",
        })
    }
}

impl Base {
    /// Reads a state file, into memory if the walk does not follow its order.
    ///
    /// # Errors
    ///
    /// Every [`StateError`].
    pub fn of_state(
        mut state: StateReader<Box<dyn ReadSeek>>,
        in_memory: bool,
    ) -> Result<Self, StateError> {
        if !in_memory {
            return Ok(Self::Ordered(Box::new(state)));
        }
        let mut all = HashMap::new();
        while let Some((path, files)) = state.next_directory()? {
            all.insert(path, files);
        }
        Ok(Self::Whole(all))
    }

    /// Returns what is known of the files in a directory.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<Vec<Record>, StateError> {
        match self {
            Self::Ordered(state) => state.directory(path),
            Self::Whole(all) => Ok(all.remove(path).unwrap_or_default()),
            Self::Nothing | Self::Cedar(_) => Ok(Vec::new()),
        }
    }

    /// Returns the digest that a file had, by its absolute path.
    pub(super) fn digest(&self, path: &[u8]) -> Option<[u8; 20]> {
        match self {
            Self::Cedar(all) => all.get(path).copied(),
            _ => None,
        }
    }
}
