//! Restoring a base backup, and telling the server what to recover to.
//!
//! | module | does |
//! |---|---|
//! | `target` | what is to be recovered to, checked |
//! | `choose` | which backup that needs |
//! | `survey` | reads the whole manifest before anything is written |
//! | `ground` | the directories that are written to: may they be? |
//! | `plan` | which pieces of which objects are needed, in the manifest's order |
//! | `fetch` | reads these, checks every frame, and writes it, in several threads |
//! | `disk` | pieces into files, past the kernel's cache |
//! | `tree` | directories, links and files below the target |
//! | `settings` | what the server is told: recovery, and what it must not do |
//!
//! What holds:
//!
//! * Nothing is written before the target, the backup, the manifest and the
//!   directories were found to be good.
//! * The content of every frame is compared with its hash before it is written.
//! * `global/pg_control` appears last, when everything else is durable: what
//!   was interrupted cannot be started.
//! * A restored server does not archive: it would archive into the archive of
//!   the one that it is a copy of.

mod choose;
mod disk;
mod fetch;
mod ground;
mod plan;
mod run;
mod sequential;
mod settings;
mod small;
mod survey;
mod target;
mod tree;
mod wal;

use std::path::PathBuf;

use serde::Serialize;

pub(crate) use self::{
    choose::Which,
    run::restore,
    target::{Action, Goal, Target, Timeline},
};

/// How a backup is to be restored.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Which one.
    pub(crate) which: Which,
    /// What the server is to recover to.
    pub(crate) target: Target,
    /// The data directory that is to be.
    pub(crate) directory: PathBuf,
    /// Tablespaces, by name or number, and where they go.
    pub(crate) tablespaces: Vec<(String, PathBuf)>,
    /// Where every other tablespace goes, each into a directory that is called
    /// by its number; where it was if there is none.
    pub(crate) tablespaces_below: Option<PathBuf>,
    /// Whether hooks are told.
    pub(crate) announced: bool,
    /// Whether what is there is compared, and only what differs is written.
    pub(crate) delta: bool,
    /// The databases whose content is wanted; all if there is none.
    pub(crate) databases: Vec<String>,
    /// The storage to be read; any that has the backup if there is none.
    pub(crate) storage: Option<String>,
    /// Whether what is written is to stay in the kernel's cache, since all of it
    /// is read right after.
    pub(crate) cached: bool,
    /// How many threads fetch, check and write.
    pub(crate) workers: usize,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// The server.
    pub(crate) server: String,
    /// The backup.
    pub(crate) id: String,
    /// The storage that it was read from.
    pub(crate) storage: String,
    /// The data directory.
    pub(crate) directory: PathBuf,
    /// Files.
    pub(crate) files: u64,
    /// Bytes of them.
    pub(crate) size: u64,
    /// Bytes that were written: less, if some were there already.
    pub(crate) written: u64,
    /// What the administrator must know.
    pub(crate) warnings: Vec<String>,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
}
