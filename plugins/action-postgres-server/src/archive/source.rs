//! A file that is to be stored: that it is what its name says.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::wal::{FileName, History, SegmentHeader, SegmentName};

use super::stamp::Stamp;

/// More than any history of timelines or label of a backup has.
const MOST_OF_SMALL_FILES: u64 = 1 << 20;
/// How much of a file is in memory at a time, in bytes.
pub(super) const BUFFER: usize = 256 << 10;
/// What the first line of a backup's label begins with.
const LABEL: &[u8] = b"START WAL LOCATION: ";

/// A file of WAL that is to be stored.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: FileName,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
    /// By which it can be known again.
    pub(super) stamp: Option<Stamp>,
    /// Of a segment, whole or partial.
    pub(super) header: Option<SegmentHeader>,
    head: Vec<u8>,
    file: File,
}

impl Source {
    /// Opens it, and refuses what is not what its name says.
    pub(super) fn open(name: FileName, path: &Path) -> Result<Self> {
        let failed =
            |e: io::Error| Error::from(e).context(format!("cannot read {}", path.display()));
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(not_it(path, "it is no file"));
        }
        let mut source = Self {
            name,
            path: path.to_owned(),
            size: metadata.len(),
            modified: metadata.modified().ok(),
            stamp: Stamp::of(&metadata, SystemTime::now()),
            header: None,
            head: Vec::new(),
            file,
        };
        source.check()?;
        Ok(source)
    }

    fn check(&mut self) -> Result<()> {
        match self.name {
            FileName::Segment(name) => self.check_segment(name, true),
            FileName::Partial(name) => self.check_segment(name, false),
            FileName::History(timeline) => {
                let content = self.small()?;
                History::parse(timeline, &content)
                    .map_err(|e| not_it(&self.path, &e.to_string()))
                    .map(drop)
            }
            FileName::Backup { .. } => {
                let content = self.small()?;
                if content.starts_with(LABEL) {
                    return Ok(());
                }
                Err(not_it(&self.path, "it is no label of a backup"))
            }
        }
    }

    fn check_segment(&mut self, name: SegmentName, whole: bool) -> Result<()> {
        let mut head = vec![0; SegmentHeader::BYTES];
        let read = read_full(&self.file, &mut head, 0).map_err(|e| self.failed(e))?;
        head.truncate(read);
        let header = check_head(&head, name).map_err(|why| not_it(&self.path, &why))?;
        let expected = header.segment_size.bytes();
        if self.size > expected || (whole && self.size < expected) {
            let has = self.size;
            let why = format!("it has {has} bytes, and segments of its cluster have {expected}");
            return Err(not_it(&self.path, &why));
        }
        self.header = Some(header);
        self.head = head;
        Ok(())
    }

    fn small(&mut self) -> Result<Vec<u8>> {
        if self.size > MOST_OF_SMALL_FILES {
            return Err(not_it(&self.path, &format!("it has {} bytes", self.size)));
        }
        let mut content = vec![0; usize::try_from(self.size)?];
        let read = read_full(&self.file, &mut content, 0).map_err(|e| self.failed(e))?;
        content.truncate(read);
        self.head.clone_from(&content);
        Ok(content)
    }

    /// Reads as much of the content from there as there is room for. Fails if
    /// the file is not the one that was checked any more.
    pub(super) fn read(&self, buffer: &mut [u8], at: u64) -> Result<usize> {
        let left = self.size.saturating_sub(at);
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..room];
        let read = read_full(&self.file, buffer, at).map_err(|e| self.failed(e))?;
        let same_head =
            at > 0 || buffer[..read].starts_with(&self.head[..self.head.len().min(read)]);
        if read < room || !same_head {
            return Err(Error::msg(format!(
                "{} was changed while it was read",
                self.path.display()
            )));
        }
        Ok(read)
    }

    /// Returns the BLAKE3 hash of the content, in hexadecimal digits.
    pub(super) fn hash(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; BUFFER];
        let mut at = 0;
        while at < self.size {
            let read = self.read(&mut buffer, at)?;
            hasher.update(&buffer[..read]);
            at += read as u64;
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::from(error).context(format!("cannot read {}", self.path.display()))
    }
}

/// Reads the header of a segment, and tells whether it can be that one.
pub(super) fn check_head(head: &[u8], name: SegmentName) -> Result<SegmentHeader, String> {
    let header = SegmentHeader::parse(head).map_err(|e| e.to_string())?;
    header.check_name(name).map_err(|e| e.to_string())?;
    Ok(header)
}

fn not_it(path: &Path, why: &str) -> Error {
    let name = path.display();
    Error::new(ErrorKind::CORRUPT, format!("{name} is not what its name says: {why}"))
        .hint("it was not stored; compare it with the file in the server's pg_wal")
}

fn read_full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
