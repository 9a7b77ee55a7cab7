//! What a backup contains.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::{Blocks, FRAME, Frame, Name};

/// One thing in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A directory.
    Directory(Directory),
    /// A tablespace; what is in it follows.
    Tablespace(Tablespace),
    /// A file.
    File(File),
}

/// A directory, by its path below the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Directory {
    /// The path; empty is the data directory itself.
    pub(crate) path: Name,
    /// The permission bits.
    pub(crate) mode: u32,
}

/// A tablespace outside of the data directory. Paths of what is in it begin
/// with `pg_tblspc/OID/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tablespace {
    /// Its number.
    pub(crate) oid: u32,
    /// Its name in the server; empty if that could not be found out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    /// Its directory.
    pub(crate) path: Name,
    /// The permission bits of that.
    pub(crate) mode: u32,
}

/// Where a file belongs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Into the data directory.
    #[default]
    Data,
    /// `postgresql.conf`, which lies elsewhere.
    Configuration,
    /// `pg_hba.conf`, which lies elsewhere.
    Hba,
    /// `pg_ident.conf`, which lies elsewhere.
    Ident,
    /// A file that one of these includes.
    Included,
}

impl Kind {
    fn is_data(self) -> bool {
        self == Self::Data
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    /// Its path below the data directory; absolute for one that lies
    /// elsewhere.
    pub(crate) path: Name,
    /// Where it belongs.
    #[serde(default)]
    pub(crate) kind: Kind,
    /// The permission bits.
    pub(crate) mode: u32,
    /// When it was changed last, in seconds since 1970.
    pub(crate) modified: i64,
    /// Its bytes.
    pub(crate) size: u64,
    /// Its content.
    pub(crate) frames: Vec<Frame>,
    /// What tells which parts of frames have changed.
    #[serde(default, skip_serializing_if = "Blocks::is_empty")]
    pub(crate) blocks: Blocks,
    /// The numbers of pages whose checksum is wrong, counted from the
    /// beginning of the relation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) damaged: Vec<u32>,
}

impl Entry {
    /// Returns the path below the data directory.
    pub(crate) fn path(&self) -> Name {
        match self {
            Self::Directory(it) => it.path.clone(),
            Self::Tablespace(it) => format!("pg_tblspc/{}", it.oid).into(),
            Self::File(it) => it.path.clone(),
        }
    }

    /// Returns what is wrong with an entry that no backup can have.
    pub(super) fn problem(&self) -> Option<String> {
        let path = self.path();
        let outside = matches!(self, Self::File(file) if !file.kind.is_data());
        if !outside && !is_below(path.path()) {
            return Some(format!("{} leads out of the data directory", path.path().display()));
        }
        let Self::File(file) = self else { return None };
        let count = u64::try_from(file.frames.len()).unwrap_or(u64::MAX);
        if let Some(problem) = file.problem_of_blocks() {
            return Some(problem);
        }
        if file.size.div_ceil(FRAME) == count {
            return None;
        }
        let path = path.path().display();
        Some(format!("{path} has {} bytes and {count} frames", file.size))
    }
}

/// Tells whether a path cannot lead anywhere but below where it is taken from.
fn is_below(path: &Path) -> bool {
    path.components().all(|it| matches!(it, Component::Normal(_)))
}

impl File {
    fn problem_of_blocks(&self) -> Option<String> {
        let path = self.path.path().display();
        if !self.blocks.fit(self) {
            return Some(format!("{path} has not as many blocks as it should"));
        }
        let short = |at: usize| self.span(at).1 != FRAME;
        let patched = |frame: &Frame| matches!(frame, Frame::Patched { .. });
        let wrong = self.frames.iter().enumerate().any(|(at, it)| patched(it) && short(at));
        wrong.then(|| format!("a frame of {path} is too short to have blocks"))
    }

    /// Returns where a frame begins in the file, and how many bytes it has.
    pub(crate) fn span(&self, index: usize) -> (u64, u64) {
        let start = FRAME.saturating_mul(u64::try_from(index).unwrap_or(u64::MAX));
        (start, self.size.saturating_sub(start).min(FRAME))
    }
}
