//! The tar file of a directory of mailboxes: flat, base names only.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::{self, BufReader, Read, Write},
    os::unix::{ffi::OsStringExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use hayloft_dump::Scratch;
use tar::{Archive, Builder, EntryType, Header};

/// A mailbox in a tar file, or on its way there.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Its content.
    pub content: PathBuf,
    facts: Facts,
}

/// What is noted of a file besides its content.
#[derive(Debug, Clone, Copy)]
struct Facts {
    mode: u32,
    uid: u64,
    gid: u64,
    modified: u64,
}

impl Member {
    /// Creates one with the facts of the mailbox.
    pub(crate) fn new(content: PathBuf, metadata: &Metadata) -> Self {
        let facts = Facts {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid().into(),
            gid: metadata.gid().into(),
            modified: u64::try_from(metadata.mtime()).unwrap_or(0),
        };
        Self { content, facts }
    }
}

/// Unpacks a tar file of an earlier run into the private directory.
///
/// # Errors
///
/// If it cannot be read, or there is no room.
pub(crate) fn unpack(from: impl Read, scratch: &Scratch) -> io::Result<BTreeMap<OsString, Member>> {
    let mut archive = Archive::new(from);
    let mut members = BTreeMap::new();
    for (number, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let name = OsString::from_vec(entry.path_bytes().into_owned());
        let header = entry.header();
        let facts = Facts {
            mode: header.mode()?,
            uid: header.uid()?,
            gid: header.gid()?,
            modified: header.mtime()?,
        };
        let content = scratch.path().join(format!("earlier-{number}"));
        io::copy(&mut entry, &mut File::create_new(&content)?)?;
        members.insert(name, Member { content, facts });
    }
    Ok(members)
}

/// Writes a tar file. GNU tar and bsdtar unpack it.
///
/// # Errors
///
/// If a member cannot be read, or `sink` not written.
pub(crate) fn pack<W: Write>(
    members: &BTreeMap<OsString, Member>,
    sink: W,
    mut seen: impl FnMut(&OsStr) -> io::Result<()>,
) -> io::Result<W> {
    let mut builder = Builder::new(sink);
    for (name, member) in members {
        seen(name)?;
        let file = File::open(&member.content)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(file.metadata()?.len());
        header.set_mode(member.facts.mode);
        header.set_uid(member.facts.uid);
        header.set_gid(member.facts.gid);
        header.set_mtime(member.facts.modified);
        let file = BufReader::with_capacity(256 << 10, file);
        builder.append_data(&mut header, Path::new(name), file)?;
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_again() {
        let root = tempfile::tempdir().unwrap();
        let one = Scratch::make(root.path(), "one").unwrap();
        let names = ["inbox", "größe", "with blank", &"x".repeat(180)];
        let mut members = BTreeMap::new();
        for name in names {
            let content = one.path().join(name);
            fs::write(&content, name.repeat(1000)).unwrap();
            let metadata = fs::metadata(&content).unwrap();
            members.insert(OsString::from(name), Member::new(content, &metadata));
        }
        let latin1 = OsString::from_vec(b"caf\xe9".to_vec());
        members.insert(latin1, members[OsStr::new("inbox")].clone());
        let tar = pack(&members, Vec::new(), |_| Ok(())).unwrap();
        let two = Scratch::make(root.path(), "two").unwrap();
        let again = unpack(tar.as_slice(), &two).unwrap();
        assert!(again.keys().eq(members.keys()));
        for (name, member) in &again {
            let content = fs::read(&member.content).unwrap();
            assert!(content == fs::read(&members[name].content).unwrap());
            assert_eq!(member.facts.modified, members[name].facts.modified);
        }
    }
}
