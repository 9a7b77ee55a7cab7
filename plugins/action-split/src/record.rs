//! What is remembered of a file that was split.

use std::path::{Path, PathBuf};

use hayloft_staging::{
    files::{Found, Identity},
    parts,
    record::DayRecord,
};
use serde::{Deserialize, Serialize};

/// A file that was split, or is being split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SplitFile {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The size of each part but the last.
    pub(crate) part_size: u64,
    /// How many parts it has.
    pub(crate) parts: u32,
    /// How many files with names of its parts are ours: of an earlier file of
    /// this name there may be more.
    pub(crate) owned: u32,
    /// The SHA-256 of each part; empty until all are there.
    pub(crate) sha256: Vec<String>,
    /// When each part was written, in nanoseconds since 1970; empty until all
    /// are there.
    #[serde(default)]
    pub(crate) modified_ns: Vec<i128>,
}

impl SplitFile {
    /// Returns the size of a part in bytes.
    fn size_of(&self, number: u32) -> u64 {
        let offset = u64::from(number).saturating_mul(self.part_size);
        self.part_size.min(self.size.saturating_sub(offset))
    }

    /// Tells whether a file in the place of a part is ours: the very part or,
    /// as long as not all parts are there, whatever it is.
    pub(crate) fn is_ours(&self, number: u32, there: &Identity) -> bool {
        let written = usize::try_from(number).ok().and_then(|it| self.modified_ns.get(it));
        number < self.owned
            && written.is_none_or(|written| {
                (*written, self.size_of(number)) == (there.modified_ns, there.size)
            })
    }
}

/// Tells whether a file is a part that we made.
pub(crate) fn is_part(record: Option<&DayRecord<SplitFile>>, file: &Found) -> bool {
    let Some((base, number)) = file.relative.file_name().and_then(parts::parse) else {
        return false;
    };
    let of = owner(&file.relative, base);
    record.and_then(|it| it.get(&of)).is_some_and(|it| it.is_ours(number, &file.identity))
}

fn owner(relative: &Path, base: std::ffi::OsString) -> String {
    let path: PathBuf = relative.with_file_name(base);
    hayloft_staging::files::key(&path)
}
