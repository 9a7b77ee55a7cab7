//! Verifying backups: every object of theirs is read and compared with its
//! hashes, in every storage.
//!
//! For a backup that is
//!
//! * its `backup.info`, which has a hash of its own if it was written by us;
//! * its manifest, which ends with its hash;
//! * each part that it refers to, of this backup or of an older one: the hash
//!   of the stored bytes is in the manifest;
//! * each frame in its own parts, decrypted and decompressed: the hash of its
//!   content is in the manifest;
//! * each segment of WAL without which it is not consistent.
//!
//! A part that several backups refer to is read once. What was good is noted on
//! this machine, for the next time.

mod frames;
mod known;
mod part;
mod run;

use serde::Serialize;

pub(crate) use self::run::verify;
use crate::catalogue::BackupId;

/// What is to be verified.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The backups; all if there is none.
    pub(crate) backups: Vec<BackupId>,
    /// The storage; all if there is none.
    pub(crate) storage: Option<String>,
    /// How many of a hundred parts are read.
    pub(crate) percent: u8,
    /// Whether only what was not yet found to be good is read.
    pub(crate) changed: bool,
    /// Whether WAL is read, too.
    pub(crate) wal: bool,
    /// How many bytes a second are read at most.
    pub(crate) max_rate: Option<u64>,
    /// How many threads read, and how many compare what they read.
    pub(crate) workers: usize,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// The server.
    pub(crate) server: String,
    /// How many backups were verified, each in each storage.
    pub(crate) backups: u64,
    /// How many objects were read.
    pub(crate) objects: u64,
    /// Bytes of them.
    pub(crate) bytes: u64,
    /// How many parts and segments were left out: only a sample was wanted, or
    /// what has changed since.
    pub(crate) left_out: u64,
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// The storage.
    pub(crate) storage: String,
    /// The backup.
    pub(crate) backup: String,
    /// The object's key.
    pub(crate) object: String,
    /// The file that is damaged by it, if it is one; the first if there are
    /// several.
    pub(crate) file: Option<String>,
    /// What is wrong.
    #[serde(rename = "problem")]
    pub(crate) why: String,
}
