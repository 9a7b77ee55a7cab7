//! The state file: a header, then the directories in the order in which they
//! are walked, each with its files, then a checksum of everything.
//!
//! It is written and read as a stream, so that the memory needed does not
//! grow with the number of files.

use std::{
    cmp::Ordering,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::record::{Record, number};

const MAGIC: &[u8] = b"hayloft collect state 1\n";
const CHECKSUM: u64 = 32;
/// The number of files, and the digest of the directories.
const TOTALS: usize = 8 + 32;
/// Longer names are not possible.
const LONGEST_NAME: u64 = 1 << 16;
const LONGEST_PATH: u64 = 1 << 24;

/// Why a state file cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("cannot read or write the state")]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("the state is damaged")]
    Damaged,
}

/// What a state file says about the archive that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StateHeader {
    /// The archive's id.
    pub id: String,
    /// The id of the full archive that it builds on.
    pub full: String,
    /// The archive's file name.
    pub archive: String,
    /// The day that it was made on, `YYYY/MM/DD`, by the local clock.
    pub day: String,
    /// When it was made, in seconds since 1970.
    pub made: i64,
    /// The configured path, escaped as in the archive's facts.
    pub root: String,
}

/// What a state file has in all. Two runs with the same totals, and without a
/// changed file, found the same tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateTotals {
    /// How many files are remembered.
    pub files: u64,
    /// A digest of everything about the directories.
    pub directories: [u8; 32],
}

/// The order in which directories are walked: name by name.
pub fn path_order(a: &[u8], b: &[u8]) -> Ordering {
    a.split(|&b| b == b'/').cmp(b.split(|&b| b == b'/'))
}

/// The path of a directory, and its files.
pub type Directory = (Vec<u8>, Vec<Record>);

/// Writes a state file.
#[derive(Debug)]
pub struct StateWriter<W> {
    inner: W,
    hash: Sha256,
    buffer: Vec<u8>,
    files: u64,
}

impl<W: Write> StateWriter<W> {
    /// Begins a state file.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`] if `inner` fails.
    pub fn new(inner: W, header: &StateHeader) -> Result<Self, StateError> {
        let mut writer = Self { inner, hash: Sha256::new(), buffer: MAGIC.to_vec(), files: 0 };
        let header = serde_json::to_vec(header).map_err(io::Error::from)?;
        number(&mut writer.buffer, header.len() as u64);
        writer.buffer.extend_from_slice(&header);
        Ok(writer)
    }

    /// Appends a directory with its files. Directories must come in
    /// [`path_order`]; the files are sorted here.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`] if `inner` fails.
    pub fn directory(&mut self, path: &[u8], files: &mut [Record]) -> Result<(), StateError> {
        if files.is_empty() {
            return Ok(());
        }
        files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        number(&mut self.buffer, path.len() as u64 + 1);
        self.buffer.extend_from_slice(path);
        self.files += files.len() as u64;
        number(&mut self.buffer, files.len() as u64);
        for file in files {
            file.encode(&mut self.buffer);
        }
        if self.buffer.len() > 64 << 10 {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StateError> {
        self.hash.update(&self.buffer);
        self.inner.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the file, with the digest of the directories, and returns what it
    /// was written into.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`] if `inner` fails.
    pub fn finish(mut self, directories: [u8; 32]) -> Result<W, StateError> {
        number(&mut self.buffer, 0);
        self.buffer.extend_from_slice(&self.files.to_le_bytes());
        self.buffer.extend_from_slice(&directories);
        self.flush()?;
        self.inner.write_all(&self.hash.finalize())?;
        Ok(self.inner)
    }
}

/// Reads a state file that was found whole.
#[derive(Debug)]
pub struct StateReader<R> {
    inner: BufReader<R>,
    header: StateHeader,
    totals: StateTotals,
    next: Option<Directory>,
}

impl<R: Read + Seek> StateReader<R> {
    /// Checks the whole file, then opens it.
    ///
    /// # Errors
    ///
    /// [`StateError::Damaged`] if anything in it differs from what was
    /// written.
    pub fn open(mut inner: R) -> Result<Self, StateError> {
        let length = inner.seek(SeekFrom::End(0))?;
        let content = length.checked_sub(CHECKSUM).ok_or(StateError::Damaged)?;
        inner.rewind()?;
        let mut hash = Sha256::new();
        let mut rest = BufReader::with_capacity(64 << 10, (&mut inner).take(content));
        while let data @ [_, ..] = rest.fill_buf()? {
            hash.update(data);
            let length = data.len();
            rest.consume(length);
        }
        let mut expected = Vec::new();
        (&mut inner).take(CHECKSUM).read_to_end(&mut expected)?;
        if expected != hash.finalize().as_slice() {
            return Err(StateError::Damaged);
        }
        inner.seek(SeekFrom::Start(content.saturating_sub(TOTALS as u64)))?;
        let mut totals = [0; TOTALS];
        inner.read_exact(&mut totals)?;
        inner.rewind()?;
        let mut reader = Self::parse(inner)?;
        if let Some((files, directories)) = totals.split_first_chunk::<8>() {
            reader.totals.files = u64::from_le_bytes(*files);
            reader.totals.directories.copy_from_slice(directories);
        }
        Ok(reader)
    }

    fn parse(inner: R) -> Result<Self, StateError> {
        let mut inner = BufReader::with_capacity(64 << 10, inner);
        if bytes(&mut inner, MAGIC.len() as u64)? != MAGIC {
            return Err(StateError::Damaged);
        }
        let length = read_number(&mut inner)?.ok_or(StateError::Damaged)?;
        let header = bytes(&mut inner, length.min(LONGEST_PATH))?;
        let header = serde_json::from_slice(&header).map_err(|_| StateError::Damaged)?;
        let totals = StateTotals::default();
        let mut reader = Self { inner, header, totals, next: None };
        reader.next = reader.block()?;
        Ok(reader)
    }

    /// Returns what the file says about its archive.
    pub fn header(&self) -> &StateHeader {
        &self.header
    }

    /// Returns what there is in all.
    pub fn totals(&self) -> StateTotals {
        self.totals
    }

    /// Returns the files of a directory, sorted by name. Directories must be
    /// asked for in [`path_order`]; those in between are passed over.
    ///
    /// # Errors
    ///
    /// Every [`StateError`].
    pub fn directory(&mut self, path: &[u8]) -> Result<Vec<Record>, StateError> {
        while let Some((next, _)) = &self.next {
            match path_order(next, path) {
                Ordering::Less => self.next = self.block()?,
                Ordering::Greater => break,
                Ordering::Equal => {
                    let files = self.next.take().map(|it| it.1);
                    self.next = self.block()?;
                    return Ok(files.unwrap_or_default());
                }
            }
        }
        Ok(Vec::new())
    }

    /// Returns the next directory with its files, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Every [`StateError`].
    pub fn next_directory(&mut self) -> Result<Option<Directory>, StateError> {
        let next = self.next.take();
        if next.is_some() {
            self.next = self.block()?;
        }
        Ok(next)
    }

    fn block(&mut self) -> Result<Option<Directory>, StateError> {
        let length = read_number(&mut self.inner)?.ok_or(StateError::Damaged)?;
        let Some(length) = length.checked_sub(1) else { return Ok(None) };
        if length > LONGEST_PATH {
            return Err(StateError::Damaged);
        }
        let path = bytes(&mut self.inner, length)?;
        let count = read_number(&mut self.inner)?.ok_or(StateError::Damaged)?;
        let mut files = Vec::new();
        for _ in 0..count {
            let length = read_number(&mut self.inner)?.ok_or(StateError::Damaged)?;
            if length > LONGEST_NAME {
                return Err(StateError::Damaged);
            }
            let name = bytes(&mut self.inner, length)?;
            let inner = &mut self.inner;
            let record = Record::decode(&mut || read_number(inner).ok().flatten(), name);
            files.push(record.ok_or(StateError::Damaged)?);
        }
        Ok(Some((path, files)))
    }
}

fn bytes(input: &mut impl Read, length: u64) -> Result<Vec<u8>, StateError> {
    let mut out = Vec::new();
    input.take(length).read_to_end(&mut out)?;
    if out.len() as u64 == length { Ok(out) } else { Err(StateError::Damaged) }
}

/// Reads a number; `None` if it has more than 64 bits or no end.
fn read_number(input: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let Some(&byte) = input.fill_buf()?.first() else { return Ok(None) };
        input.consume(1);
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return Ok(None);
        }
        value |= part << shift;
        if byte < 0x80 {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Cursor};

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::archive::Time;

    prop_compose! {
        fn record()(
            name in vec(any::<u8>(), 0..20),
            (mode, size, racy, has_other_names) in any::<(u32, u64, bool, bool)>(),
            (mtime, ctime) in any::<((i64, u32), (i64, u32))>(),
            (ino, dev, uid, gid, rdev) in any::<(u64, u64, u32, u32, u64)>(),
        ) -> Record {
            let time = |(seconds, nanoseconds)| Time { seconds, nanoseconds };
            Record {
                name, mode, size, racy, has_other_names, ino, dev, uid, gid, rdev,
                mtime: time(mtime),
                ctime: time(ctime),
            }
        }
    }

    fn written(directories: &BTreeMap<String, Vec<Record>>) -> (StateHeader, Vec<u8>) {
        let header = StateHeader { id: "7".into(), made: -3, ..StateHeader::default() };
        let mut writer = StateWriter::new(Vec::new(), &header).unwrap();
        for (path, files) in directories {
            writer.directory(path.as_bytes(), &mut files.clone()).unwrap();
        }
        (header, writer.finish([7; 32]).unwrap())
    }

    proptest! {
        #[test]
        fn a_state_survives(directories in proptest::collection::btree_map(
            "[a-z]{0,3}", vec(record(), 1..4), 0..6,
        ), asked in "[a-z]{0,3}") {
            let (header, bytes) = written(&directories);
            let mut reader = StateReader::open(Cursor::new(&bytes)).unwrap();
            prop_assert_eq!(reader.header(), &header);
            let files = directories.values().map(Vec::len).sum::<usize>() as u64;
            let totals = StateTotals { files, directories: [7; 32] };
            prop_assert_eq!(reader.totals(), totals);
            for (path, files) in &directories {
                let mut files = files.clone();
                files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
                let mut got = reader.directory(path.as_bytes()).unwrap();
                got.sort_by(|a, b| a.name.cmp(&b.name));
                prop_assert_eq!(got.len(), files.len());
            }
            let mut reader = StateReader::open(Cursor::new(&bytes)).unwrap();
            let expected = directories.get(&asked).map_or(0, Vec::len);
            prop_assert_eq!(reader.directory(asked.as_bytes()).unwrap().len(), expected);
        }

        #[test]
        fn damage_is_noticed(
            files in vec(record(), 1..4),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            let (_, mut bytes) = written(&BTreeMap::from([("a".to_owned(), files)]));
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(StateReader::open(Cursor::new(&bytes)).is_err());
            bytes.truncate(at);
            prop_assert!(StateReader::open(Cursor::new(&bytes)).is_err());
        }

        #[test]
        fn any_bytes_are_a_state_or_not(data in vec(any::<u8>(), 0..300)) {
            let mut whole = MAGIC.to_vec();
            whole.extend(b"\x02{}");
            whole.extend(data);
            if let Ok(mut reader) = StateReader::parse(Cursor::new(whole)) {
                while let Ok(Some(_)) = reader.next_directory() {}
            }
        }
    }

    #[test]
    fn directories_come_name_by_name() {
        let mut paths = [&b"a/b"[..], b"a", b"a-b", b"", b"a/b/c", b"a.d"];
        paths.sort_by(|a, b| path_order(a, b));
        assert_eq!(paths, [&b""[..], b"a", b"a/b", b"a/b/c", b"a-b", b"a.d"]);
    }
}
