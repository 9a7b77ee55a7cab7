//! The `<mbox>` section.

use super::databases::duration;
use crate::{
    cedar::{
        Cause, Exclude, Located, Place, Text,
        reader::{Findings, Reader},
        section::{Context, Section},
    },
    config::Duration,
};

/// Which mailboxes are backed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mbox {
    /// `daily`, `weekly` or `incr`, for items that do not say.
    pub collect_mode: Text,
    /// The compressor, for items that do not say.
    pub compress_mode: Text,
    /// Ours: how long a mailbox may be locked by others.
    pub lock_timeout: Option<Located<Duration>>,
    /// Single mailboxes.
    pub files: Vec<MboxFile>,
    /// Directories of mailboxes.
    pub dirs: Vec<MboxDir>,
    /// Where the section is.
    pub place: Place,
}

/// A mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MboxFile {
    /// The file.
    pub abs_path: Text,
    /// When it is collected.
    pub collect_mode: Text,
    /// How it is compressed.
    pub compress_mode: Text,
    /// Where the item is.
    pub place: Place,
}

/// A directory of mailboxes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MboxDir {
    /// The directory.
    pub abs_path: Text,
    /// When it is collected.
    pub collect_mode: Text,
    /// How it is compressed.
    pub compress_mode: Text,
    /// What is left out; there are no absolute paths in it.
    pub exclude: Exclude,
    /// Where the item is.
    pub place: Place,
}

impl Section for Mbox {
    const NAME: &'static str = "mbox";

    fn read(reader: &Reader<'_>) -> Self {
        let file = |it: Reader<'_>| MboxFile {
            abs_path: it.absolute("abs_path", Cause::ItemNotAbsolute),
            collect_mode: it.collect_mode("collect_mode"),
            compress_mode: it.compress_mode(),
            place: it.place(),
        };
        let dir = |it: Reader<'_>| MboxDir {
            abs_path: it.absolute("abs_path", Cause::ItemNotAbsolute),
            collect_mode: it.collect_mode("collect_mode"),
            compress_mode: it.compress_mode(),
            exclude: Exclude::read_relative(&it),
            place: it.place(),
        };
        Self {
            collect_mode: reader.collect_mode("collect_mode"),
            compress_mode: reader.compress_mode(),
            lock_timeout: duration(reader, "lock_timeout"),
            files: reader.all("file").map(file).collect(),
            dirs: reader.all("dir").map(dir).collect(),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        if self.files.is_empty() && self.dirs.is_empty() {
            findings.missing(Cause::NoMailboxes, &self.place);
        }
        let missing = |absent: bool, cause, place| {
            if absent {
                findings.missing(cause, place);
            }
        };
        let (mode, compress) = (self.collect_mode.is_none(), self.compress_mode.is_none());
        for it in &self.files {
            missing(it.abs_path.is_none(), Cause::MboxFilePathMissing, &it.place);
            let no_mode = mode && it.collect_mode.is_none();
            missing(no_mode, Cause::MboxFileModeMissing, &it.place);
            let no_compress = compress && it.compress_mode.is_none();
            missing(no_compress, Cause::MboxFileCompressMissing, &it.place);
        }
        for it in &self.dirs {
            missing(it.abs_path.is_none(), Cause::MboxDirPathMissing, &it.place);
            let no_mode = mode && it.collect_mode.is_none();
            missing(no_mode, Cause::MboxDirModeMissing, &it.place);
            let no_compress = compress && it.compress_mode.is_none();
            missing(no_compress, Cause::MboxDirCompressMissing, &it.place);
        }
    }
}
