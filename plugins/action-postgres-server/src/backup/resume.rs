//! Going on with a backup that was killed.
//!
//! What is killed has no manifest; so each lane notes on this machine, part by
//! part, which frames are durable in its storages. The next backup takes up the
//! name of the dead one, and what it had stored.
//!
//! Everything is read again, and the server begins a backup anew: what was
//! copied under a session that has ended would be consistent only with WAL that
//! the new one does not ask for. Only what is stored is not stored again: a
//! frame whose hash is known is taken from where it lies. So what comes of it is
//! a backup like any other, of the second session.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use blake3::Hash;
use hayloft_plugin_api::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{found, is_ours, parent, part::Member, place};
use crate::{
    catalogue::{self, BackupId},
    config::BackupDestination,
    manifest::{Frame, Part, Place},
};

/// What the files of lanes are called, with a number behind.
const NAME: &str = "backup-under-way";

/// Which lane a journal is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lane {
    /// The backup.
    pub(super) id: String,
    compress: String,
    encrypt: String,
    storages: Vec<String>,
}

impl Lane {
    /// Describes the lane of a backup that goes to these places.
    pub(super) fn new(id: BackupId, group: &[BackupDestination]) -> Self {
        let first = group.first();
        Self {
            id: id.to_string(),
            compress: first.map(|it| it.compress.clone()).unwrap_or_default(),
            encrypt: first.map(|it| it.encrypt.clone()).unwrap_or_default(),
            storages: group.iter().map(|it| it.storage.clone()).collect(),
        }
    }
}

/// A part that is durable, and what is in it.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    part: Part,
    frames: Vec<Frame>,
}

/// What a lane has stored so far, in a file of this machine.
#[derive(Debug)]
pub(super) struct Journal {
    file: fs::File,
    path: PathBuf,
}

impl Journal {
    /// Begins a lane's journal, or goes on with it.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(super) fn begin(directory: &Path, number: usize, lane: &Lane, held: &Held) -> Result<Self> {
        let path = directory.join(format!("{NAME}.{number}"));
        let failed =
            |e: std::io::Error| Error::from(e).context(format!("cannot write {}", path.display()));
        let mut options = fs::OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        // Behind the last line that is whole.
        file.set_len(held.length).map_err(failed)?;
        if held.length == 0 {
            write_line(&mut file, lane).map_err(failed)?;
        }
        Ok(Self { file, path })
    }

    /// Notes that a part is durable. What cannot be noted would be stored once
    /// more, and that is all.
    pub(super) fn note(&mut self, part: &Part, frames: Vec<Frame>) {
        let line = Written { part: part.clone(), frames };
        let noted = write_line(&mut self.file, &line).and_then(|()| self.file.sync_data());
        if let Err(error) = noted {
            tracing::warn!("cannot write {}: {error}", self.path.display());
        }
    }
}

fn write_line(to: &mut impl Write, line: &impl Serialize) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    to.write_all(&text)
}

/// What a lane has stored already.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Parts that were noted, each with whether it is there.
    parts: Vec<(Part, bool)>,
    /// Frames, ordered by their hashes and places; the part of a place is one of
    /// [`Held::parts`].
    frames: Vec<(Hash, Place)>,
    /// How much of the journal is whole, in bytes.
    length: u64,
}

impl Held {
    /// Returns all parts that were noted.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().map(|it| &it.0)
    }

    /// Finds a frame: each place where it is, in the order of the files.
    pub(crate) fn find(&self, hash: &Hash) -> &[(Hash, Place)] {
        let first = self.frames.partition_point(|it| it.0.as_bytes() < hash.as_bytes());
        let rest = &self.frames[first..];
        &rest[..rest.partition_point(|it| it.0 == *hash)]
    }

    /// Returns the greatest number that a part of it has; no name is used twice.
    pub(super) fn last_number(&self) -> usize {
        self.parts().filter_map(|it| place::part_number(&it.name)).max().unwrap_or(0)
    }

    fn add(&mut self, it: Written) {
        let part = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        self.parts.push((it.part, true));
        self.frames.extend(it.frames.iter().filter_map(|frame| match frame {
            Frame::Stored { hash, place } => Some((*hash, Place { part, ..*place })),
            Frame::Zeros | Frame::Patched { .. } => None,
        }));
    }

    /// Forgets frames of parts that are not there, and makes others be found.
    fn settle(&mut self) {
        let parts = &self.parts;
        self.frames.retain(|it| parts.get(it.1.part as usize).is_some_and(|it| it.1));
        let order = |it: &(Hash, Place)| (*it.0.as_bytes(), it.1.part, it.1.offset);
        self.frames.sort_unstable_by_key(order);
    }
}

/// A backup that was killed and can be gone on with.
#[derive(Debug)]
pub(super) struct Dead {
    /// Its name.
    pub(super) id: BackupId,
    lanes: Vec<(Lane, Held)>,
}

impl Dead {
    /// Looks for one: the newest of all, of which no storage has a manifest,
    /// and of which at least one part is whole in all storages that it goes to.
    ///
    /// # Errors
    ///
    /// If a storage that has not failed cannot tell.
    pub(super) fn find(directory: &Path, server: &str, members: &[Member]) -> Result<Option<Self>> {
        let mut lanes = Vec::new();
        for path in journals(directory)? {
            match read(&path) {
                Ok(it) => lanes.push(it),
                Err(error) => tracing::info!("{} is of no use: {error}", path.display()),
            }
        }
        let id = lanes.first().and_then(|it| it.0.id.parse::<BackupId>().ok());
        let Some(id) = id else { return Ok(None) };
        if !is_open(id, server, members)? {
            return Ok(None);
        }
        let mut dead = Self { id, lanes: Vec::new() };
        for (lane, mut held) in lanes.into_iter().filter(|it| it.0.id == id.to_string()) {
            look(&mut held, &lane, server, members)?;
            if !held.frames.is_empty() {
                dead.lanes.push((lane, held));
            }
        }
        Ok(Some(dead).filter(|it| !it.lanes.is_empty()))
    }

    /// Returns what a lane has stored already.
    pub(super) fn take(&mut self, lane: &Lane) -> Held {
        let at = self.lanes.iter().position(|it| it.0 == *lane);
        at.map(|at| self.lanes.swap_remove(at).1).unwrap_or_default()
    }
}

/// Tells whether a backup is the newest, was under way, and is whole nowhere.
fn is_open(id: BackupId, server: &str, members: &[Member]) -> Result<bool> {
    let mut open = false;
    for member in members.iter().filter(|it| it.failed.is_none()) {
        let all = found::all(&member.storage, server)?;
        if all.iter().any(|it| it.id > id) || catalogue::is_going(&member.storage, server, id)? {
            return Ok(false);
        }
        let Some(it) = all.into_iter().find(|it| it.id == id) else { continue };
        if it.whole {
            return Ok(false);
        }
        open |= it.info.is_some_and(|it| is_ours(&it) && found::is_open(it.status));
    }
    Ok(open)
}

/// Looks which parts every storage of the lane has, as large as they should be.
fn look(held: &mut Held, lane: &Lane, server: &str, members: &[Member]) -> Result<()> {
    let parts: Vec<Part> = held.parts().cloned().collect();
    let ours = members.iter().filter(|it| it.failed.is_none() && lane.storages.contains(&it.name));
    for member in ours {
        let here = parent::present(&parts, server, &member.storage)?;
        for (part, here) in held.parts.iter_mut().zip(here) {
            part.1 &= here;
        }
    }
    held.settle();
    Ok(())
}

/// Reads a journal, as far as it is whole.
fn read(path: &Path) -> Result<(Lane, Held)> {
    let mut file = BufReader::new(fs::File::open(path)?);
    let mut text = Vec::new();
    let mut next = |text: &mut Vec<u8>| {
        text.clear();
        file.read_until(b'\n', text).map(|length| length as u64)
    };
    let first = next(&mut text)?;
    let lane: Lane = serde_json::from_slice(&text)?;
    let mut held = Held { length: first, ..Held::default() };
    loop {
        let length = next(&mut text)?;
        // What was being written when it was killed is not whole.
        if text.pop() != Some(b'\n') {
            return Ok((lane, held));
        }
        let Ok(it) = serde_json::from_slice::<Written>(&text) else { return Ok((lane, held)) };
        held.add(it);
        held.length += length;
    }
}

/// Removes the parts of a backup that are not among those that it is gone on
/// with: nobody refers to them, and their names are needed.
///
/// # Errors
///
/// If the storage fails.
pub(super) fn clear(member: &Member, server: &str, id: &str, held: &Held) -> Result<()> {
    let keep = held.parts.iter().filter(|it| it.1);
    let keep: BTreeSet<&str> = keep.map(|it| it.0.name.as_str()).collect();
    super::record::remove_parts(&member.storage, server, id, &|name| !keep.contains(name))
}

/// Forgets what lanes have stored.
pub(super) fn forget(directory: &Path) {
    for path in journals(directory).unwrap_or_default() {
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
    }
}

fn journals(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let rest = name.to_str().and_then(|it| it.strip_prefix(NAME)?.strip_prefix('.'));
        if rest.is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit())) {
            found.push(directory.join(name));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: usize) -> Part {
        Part {
            backup: "20260101T000000".to_owned(),
            name: place::part_name(number, ".age"),
            size: 7,
            blake3: String::new(),
            compressed: String::new(),
            encrypted: ".age".to_owned(),
        }
    }

    fn frame(content: &[u8], offset: u64) -> Frame {
        Frame::Stored { hash: blake3::hash(content), place: Place { part: 9, offset, stored: 3 } }
    }

    #[test]
    fn what_was_noted_is_found_again_wherever_the_file_ends() {
        let directory = tempfile::tempdir().unwrap();
        let lane = Lane::new("20260101T000000".parse().unwrap(), &[]);
        let mut journal = Journal::begin(directory.path(), 0, &lane, &Held::default()).unwrap();
        journal.note(&part(1), vec![frame(b"a", 0), Frame::Zeros, frame(b"b", 3)]);
        journal.note(&part(2), vec![frame(b"c", 5)]);
        let path = directory.path().join(format!("{NAME}.0"));
        assert_eq!(journals(directory.path()).unwrap(), std::slice::from_ref(&path));
        let text = fs::read(&path).unwrap();
        let ends: Vec<usize> =
            (0..text.len()).filter(|at| text[*at] == b'\n').map(|at| at + 1).collect();
        for length in 0..=text.len() {
            fs::write(&path, &text[..length]).unwrap();
            let found = read(&path);
            // The end of a line may be missing.
            if length + 1 < ends[0] {
                assert!(found.is_err(), "{length}");
                continue;
            }
            let (same, held) = found.unwrap();
            assert_eq!(same, lane);
            let whole = ends[1..].iter().filter(|it| length >= **it).count();
            assert_eq!(held.parts.len(), whole, "{length}");
        }
        // What comes behind half a line is found as well.
        fs::write(&path, &text[..text.len() - 3]).unwrap();
        let half = read(&path).unwrap().1;
        let mut journal = Journal::begin(directory.path(), 0, &lane, &half).unwrap();
        journal.note(&part(3), vec![frame(b"c", 5), frame(b"a", 7)]);
        let mut held = read(&path).unwrap().1;
        held.settle();
        assert_eq!(held.last_number(), 3);
        let places = |content: &[u8]| {
            let found = held.find(&blake3::hash(content)).iter();
            found.map(|it| (it.1.part, it.1.offset)).collect::<Vec<_>>()
        };
        assert_eq!(places(b"a"), [(0, 0), (1, 7)]);
        assert_eq!(places(b"c"), [(1, 5)]);
        assert_eq!(places(b"d"), []);
        // Of a part that has gone nothing is found.
        held.parts[0].1 = false;
        held.settle();
        assert_eq!(held.find(&blake3::hash(b"a")).len(), 1);
        forget(directory.path());
        assert!(journals(directory.path()).unwrap().is_empty());
    }
}
