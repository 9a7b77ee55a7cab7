//! The manifest of a base backup: what it contains, and where that lies.
//!
//! A file is a list of frames: each is 1 MiB of its content, the last one what
//! is left. A frame is compressed by itself, and lies somewhere in a part: an
//! object of many frames. It may lie in a part of an older backup; that is all
//! that an incremental backup is. A frame of nothing but zeros lies nowhere.
//! One of which a few pages have changed is put together of that of the older
//! backup and of some blocks of 16 KiB (see [`Patch`]): never of more than two
//! places, however long a chain is. Blocks are known by the first bytes of
//! their hashes, which the line of a file has as well.
//!
//! Format 1, which has no blocks, is read as well.
//!
//! The manifest is text, one JSON document a line, in this order:
//!
//! 1. [`Header`]: of what, by what;
//! 2. a [`Part`] for each object that is referred to, of this backup and of
//!    older ones; the first is number 0 to all frames;
//! 3. an [`Entry`] for each directory, tablespace and file, sorted by the
//!    names along their paths; what is only known at the end comes last
//!    (`global/pg_control`, `backup_label`);
//! 4. the end: how many entries there are, and the hash of everything before.
//!
//! It is written last. Its presence means that all it refers to is durable,
//! and so that the backup is whole. Neither side holds more than a line of it
//! in memory.

mod blocks;
mod entry;
mod frame;
mod name;
mod reader;
mod spool;

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    blocks::{BLOCK, BLOCKS, Blocks, Heads, hash},
    entry::{Directory, Entry, File, Kind, Tablespace},
    frame::{Frame, Patch, Place},
    name::{Name, sorts_before},
    reader::Reader,
    spool::Spool,
};

/// The version of the format that is written.
pub(crate) const FORMAT: u32 = 2;
/// Bytes of a file in a frame.
pub(crate) const FRAME: u64 = 1 << 20;

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The version of the format.
    pub(crate) format: u32,
    /// The backup's name, which is the time when it began.
    pub(crate) id: String,
    /// The server's name in the configuration.
    pub(crate) server: String,
    /// Which cluster it is.
    pub(crate) system_identifier: u64,
    /// The version of PostgreSQL, such as 150020.
    pub(crate) version: u32,
    /// Whether pages have checksums.
    pub(crate) checksums: bool,
    /// Bytes in a segment of WAL.
    pub(crate) segment_size: u64,
    /// How the files were read: `local` or `stream`.
    pub(crate) method: String,
    /// The data directory.
    pub(crate) data: Name,
    /// Who owns it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<Owner>,
    /// Bytes of a file in a frame.
    pub(crate) frame: u64,
    /// The backup that was compared with, if it is an incremental one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    /// Its databases.
    #[serde(default)]
    pub(crate) databases: Vec<Database>,
    /// Its subscriptions that are enabled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) subscriptions: Vec<String>,
    /// Whether it was gone on with after it was interrupted: frames of its own
    /// parts are in no order then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) resumed: bool,
    /// How many parts are referred to.
    pub(crate) parts: u32,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Database {
    /// Its number: the name of its directories.
    pub(crate) oid: u32,
    /// Its name.
    pub(crate) name: String,
}

/// Who owns a data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// The user's number.
    pub(crate) uid: u32,
    /// The group's number.
    pub(crate) gid: u32,
}

/// An object that frames lie in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The backup that wrote it.
    pub(crate) backup: String,
    /// The last part of its key.
    pub(crate) name: String,
    /// Its bytes in the storage.
    pub(crate) size: u64,
    /// BLAKE3 of those bytes, in hexadecimal digits.
    pub(crate) blake3: String,
    /// The suffix of the compressor of its frames, such as `.zst`; empty if
    /// they are not compressed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) compressed: String,
    /// The suffix of the encryptor, such as `.age`; empty if it is not
    /// encrypted. Places of frames are those before that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) encrypted: String,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    entries: u64,
    blake3: String,
}

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Backup(Header),
    Part(Part),
    Directory(Directory),
    Tablespace(Tablespace),
    File(File),
    End(End),
}

#[cfg(test)]
mod tests;
