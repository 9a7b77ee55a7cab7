//! Marks on backups. Each is an object of its own: what says that a backup is
//! there is never written anew for it.

use std::{fmt, io::Read, str::FromStr};

use hayloft_plugin_api::{ByteRange, Error, ErrorKind, PutOptions, Result, StorageHandle};
use serde::{Serialize, Serializer};

use super::{BackupId, place};
use crate::archive::patiently;

/// What most objects that are read here fit into, in bytes.
const USUAL: usize = 8 << 10;
/// More than a mark has, in bytes.
const MOST: u64 = 4096;
/// What a mark of ours begins with. Barman writes its own before it asks the
/// hooks, and leaves it there if they say no: so its marks mean nothing.
const OURS: &str = "hayloft";

/// How a backup is to be kept, whatever the retention policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keep {
    /// With the WAL that makes it consistent.
    Standalone,
    /// With all WAL since.
    Full,
}

impl Keep {
    /// Returns Barman's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Full => "full",
        }
    }

    /// Reads a mark. One that says something else keeps most.
    fn of(text: &str) -> Self {
        text.trim().parse().unwrap_or(Self::Full)
    }
}

impl FromStr for Keep {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "standalone" => Ok(Self::Standalone),
            "full" => Ok(Self::Full),
            _ => Err(Error::msg(format!("`{text}` is neither full nor standalone"))),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// Reads a small object; nothing if it has vanished.
///
/// # Errors
///
/// If the storage cannot tell.
pub(super) fn text(storage: &StorageHandle, key: &str, most: u64) -> Result<Option<String>> {
    let read = || {
        let mut text = Vec::with_capacity(USUAL);
        let range = ByteRange { offset: 0, length: Some(most) };
        storage.get(key, range)?.take(most).read_to_end(&mut text)?;
        Ok(text)
    };
    match patiently(read) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == ErrorKind::NOT_FOUND => Ok(None),
        Err(error) => Err(error.context(format!("cannot read {key}"))),
    }
}

/// Reads a mark to keep something.
///
/// # Errors
///
/// If the storage cannot tell.
pub(super) fn keep(storage: &StorageHandle, key: &str) -> Result<Option<Keep>> {
    Ok(text(storage, key, MOST)?.map(|it| Keep::of(&it)))
}

/// Tells whether somebody has begun to delete the backup that this marks.
///
/// # Errors
///
/// If the storage cannot tell.
pub(super) fn is_doomed(storage: &StorageHandle, key: &str) -> Result<bool> {
    Ok(text(storage, key, MOST)?.is_some_and(|it| it.starts_with(OURS)))
}

/// Tells whether somebody has begun to delete a backup. Whoever comes to refer
/// to it must first say so in its own `backup.info`, and then ask this: then
/// either it is seen here, or whoever deletes sees the reference.
///
/// # Errors
///
/// If the storage cannot tell.
pub(crate) fn is_going(storage: &StorageHandle, server: &str, id: BackupId) -> Result<bool> {
    is_doomed(storage, &place::mark(server, id, "delete_this"))
}

/// Marks a backup to be kept, or no more.
///
/// # Errors
///
/// If the storage refuses.
pub(crate) fn set_keep(
    storage: &StorageHandle,
    server: &str,
    id: BackupId,
    keep: Option<Keep>,
) -> Result<()> {
    let key = place::mark(server, id, "keep");
    let Some(keep) = keep else {
        // Barman's own mark, and one that Barman before 3.13.3 would have.
        for key in [format!("{}{id}-keep", place::meta(server)), key] {
            delete(storage, &key)?;
        }
        return Ok(());
    };
    write(storage, &key, keep.name())
}

/// Marks a backup that is being deleted.
///
/// # Errors
///
/// If the storage refuses.
pub(super) fn doom(storage: &StorageHandle, server: &str, id: BackupId) -> Result<()> {
    write(storage, &place::mark(server, id, "delete_this"), OURS)
}

/// Takes that back, or ends it.
///
/// # Errors
///
/// If the storage refuses.
pub(super) fn absolve(storage: &StorageHandle, server: &str, id: BackupId) -> Result<()> {
    delete(storage, &place::mark(server, id, "delete_this"))
}

fn delete(storage: &StorageHandle, key: &str) -> Result<()> {
    patiently(|| storage.delete(key)).map_err(|e| {
        let kind = e.kind();
        e.context(format!("cannot delete {key}")).with_kind(kind)
    })
}

fn write(storage: &StorageHandle, key: &str, text: &str) -> Result<()> {
    let write = || {
        let mut put = storage.put(key, PutOptions::default())?;
        put.write(text.as_bytes())?;
        put.commit().map(drop)
    };
    patiently(write).map_err(|e| e.context(format!("cannot write {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_is_not_understood_keeps_most() {
        let cases = [
            ("full", Keep::Full),
            ("standalone", Keep::Standalone),
            ("standalone\n", Keep::Standalone),
            ("", Keep::Full),
            ("for ever", Keep::Full),
        ];
        for (text, expected) in cases {
            assert_eq!(Keep::of(text), expected, "{text:?}");
        }
        assert!("for ever".parse::<Keep>().is_err());
    }
}
