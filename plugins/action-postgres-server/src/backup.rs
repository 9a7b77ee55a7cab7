//! Base backups.
//!
//! | module | does |
//! |---|---|
//! | `course` | the steps of a backup, and what follows if one fails |
//! | `session` | the session with the server that the backup belongs to |
//! | `walk`, `local` | what is backed up, and how it is read from a disk |
//! | `stream`, `tar` | the same from the server |
//! | `pipeline`, `worker`, `pages` | frames: read, checked, hashed and compressed by several threads |
//! | `lane`, `part`, `encoding` | frames into objects of storages |
//! | `buffers` | memory for frames |
//! | `parent` | what an older backup has already |
//! | `describe`, `record` | what is said of it, and `backup.info` in every storage |
//! | `wait`, `complete` | until the WAL that makes it consistent is archived; now, or by the next one |
//! | `foreign` | backups that Barman has made |
//! | `leftovers`, `resume` | what a killed backup has left, and how the next one goes on with it |
//! | `due` | which backup a run of the action takes |
//!
//! What holds:
//!
//! * A backup is `DONE` only if everything it consists of, its manifest, and
//!   all WAL from its beginning to its end are durable in the storage.
//! * Without its manifest it is no backup. The next one goes on with it, if it
//!   knows what was stored, or marks it as failed and removes that.
//! * One at a time is taken of a server: by a lock of this machine, one in the
//!   server's database, and a lease in each storage that can hold one.
//! * A session that was lost, or a standby that was promoted, makes it
//!   `FAILED`.
//! * A storage that fails does not keep others from getting the backup.

mod buffers;
mod complete;
mod course;
mod describe;
pub(crate) mod due;
mod encoding;
mod events;
mod foreign;
mod found;
mod lane;
mod lanes;
mod leftovers;
mod local;
mod outside;
mod pace;
mod pages;
mod parent;
mod part;
mod pipeline;
pub(crate) mod place;
mod record;
mod resume;
pub(crate) mod session;
mod stream;
mod tar;
mod wait;
mod walk;
mod worker;

use std::time::Duration;

use hayloft_plugin_api::config::ByteSize;
use serde::Serialize;

pub(crate) use self::{
    buffers::Aligned,
    complete::{complete, complete_in},
    course::take,
    encoding::Compressor,
    foreign::Foreign,
    found::{Found, all, open_manifest},
    lane::Tally,
    parent::check_parts,
    record::check as check_info,
};
use crate::{
    catalogue::{BackupId, BackupInfo, Status},
    config::{Method, Server},
};

/// How a backup is to be taken.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How files are read.
    pub(crate) method: Method,
    /// What it is to be compared with.
    pub(crate) base: Base,
    /// What the administrator calls it.
    pub(crate) name: Option<String>,
    /// Whether the server makes a checkpoint at once.
    pub(crate) fast: bool,
    /// How many threads read and compress.
    pub(crate) workers: usize,
    /// How many bytes a second are read at most.
    pub(crate) max_rate: Option<u64>,
    /// How long it waits for its WAL; none is not at all.
    pub(crate) patience: Option<Duration>,
    /// Whether it must go on with one that was killed.
    pub(crate) resume: bool,
}

impl Options {
    /// As the server's configuration says.
    pub(crate) fn configured(server: &Server, base: Base) -> Self {
        Self {
            method: server.backup.method,
            base,
            name: None,
            fast: server.backup.fast_checkpoint,
            workers: server.backup_workers(),
            max_rate: server.backup.max_rate.map(ByteSize::bytes),
            patience: Some(server.backup_patience()),
            resume: false,
        }
    }
}

/// What a backup is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing: it is a full one.
    Nothing,
    /// The latest that there is; nothing if there is none.
    Latest,
    /// This one.
    Backup(BackupId),
}

/// What came of a backup.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// The server.
    pub(crate) server: String,
    /// The backup's name.
    pub(crate) id: BackupId,
    /// How far it is.
    pub(crate) status: Status,
    /// The backup that it was compared with.
    pub(crate) parent: Option<BackupId>,
    /// What it consists of.
    #[serde(flatten)]
    pub(crate) tally: Tally,
    /// The storages that have it.
    pub(crate) storages: Vec<String>,
    /// Those that do not, and why.
    pub(crate) failures: Vec<String>,
    /// Files with damaged pages.
    pub(crate) damaged: Vec<DamagedFile>,
    /// The first file of WAL that it needs.
    pub(crate) begin_wal: String,
    /// The last one.
    pub(crate) end_wal: String,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// Why it is not done, if it waits for WAL.
    pub(crate) waits_for: Option<String>,
}

/// A file with damaged pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DamagedFile {
    /// Its path.
    pub(crate) path: String,
    /// The numbers of its damaged pages, counted from the beginning of the
    /// relation.
    pub(crate) pages: Vec<u32>,
}

/// What `mode` in `backup.info` begins with for backups of ours.
const MODE: &str = "hayloft-";

/// Tells whether a backup is one of ours, and not Barman's.
pub(crate) fn is_ours(info: &BackupInfo) -> bool {
    info.mode.as_deref().is_some_and(|it| it.starts_with(MODE))
}
