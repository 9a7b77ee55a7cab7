//! What is to be collected of a tree: the listing of every directory, and
//! which of its files have changed.
//!
//! A directory comes before its files, its files before its subdirectories,
//! all of them sorted: the order in which the state file is kept, so that
//! both are read side by side and neither is ever in memory.

mod attributes;
mod base;
mod examine;
mod links;
mod open;
pub(crate) mod paths;
mod problem;
mod walker;

use std::fs::File;

pub use self::{
    base::{Base, ReadSeek},
    problem::{Problem, Trouble},
    walker::{Start, WalkError, walk},
};
use crate::{archive::Entry, state::Record};

/// What of a tree is to be collected.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Tells whether an absolute path is left out, with everything below.
    pub exclude: &'a (dyn Fn(&[u8]) -> bool + Sync),
    /// A directory that has a file of this name is left out.
    pub ignore_file: Option<&'a [u8]>,
    /// How many levels of directories links are followed in.
    pub link_depth: u32,
    /// Whether what a link leads to is collected under its own path, and the
    /// link as a link.
    pub dereference: bool,
    /// Whether directories of other file systems are entered.
    pub one_file_system: bool,
    /// Whether subdirectories are left to other archives.
    pub shallow: bool,
    /// A directory, by device and number, that is never collected: where the
    /// archives are written.
    pub never: Option<(u64, u64)>,
}

impl std::fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules")
            .field("ignore_file", &self.ignore_file)
            .field("link_depth", &self.link_depth)
            .field("dereference", &self.dereference)
            .field("one_file_system", &self.one_file_system)
            .field("shallow", &self.shallow)
            .finish_non_exhaustive()
    }
}

/// What a walk comes upon, in the order in which it is archived.
#[derive(Debug)]
pub enum Found {
    /// A directory begins; what follows up to the next one is in it.
    Directory {
        /// The directory's path, without the leading `/`.
        path: Vec<u8>,
        /// Its member; `None` if only a file in it is collected.
        entry: Option<Box<Entry>>,
        /// Its unchanged files, which are not archived again.
        unchanged: Vec<Record>,
    },
    /// Something that is to be archived.
    Changed(Box<Changed>),
    /// Something that went wrong or is worth a word.
    Problem(Problem),
}

/// A file, link, pipe or device that is to be archived.
#[derive(Debug)]
pub struct Changed {
    /// Its member.
    pub entry: Entry,
    /// What is remembered of it.
    pub record: Record,
    /// Its content.
    pub content: Content,
}

/// The content of a file.
#[derive(Debug)]
pub enum Content {
    /// It has none.
    None,
    /// It is small, and was read already.
    Read(Vec<u8>),
    /// It is to be read.
    Open(File),
}
