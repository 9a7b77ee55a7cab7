//! Writing pieces into files.
//!
//! Large ones go to the disk past the kernel's cache: to copy them there takes
//! more of the processor than to decompress them, and pushes out of it what
//! others need. The server that replays WAL does not read them first: it has
//! whole pages in it for those that were changed. What is small, or ends within
//! a page, goes through the cache, and so does everything on a file system that
//! knows no other way.

use std::{
    fs, io,
    os::unix::fs::{FileExt, OpenOptionsExt},
};

use hayloft_plugin_api::{Error, Result};
use rustix::{fs::OFlags, io::Errno};

use super::plan::Out;
use crate::backup::Aligned;

/// What is smaller is gathered by the kernel until the end, in bytes.
const LEAST: usize = 128 << 10;

/// A file that pieces are written into.
#[derive(Debug)]
pub(super) struct Disk<'a> {
    out: &'a Out,
    cached: Option<fs::File>,
    /// Nothing if that is not possible, or not wanted.
    direct: Option<Direct>,
}

/// The way past the cache.
#[derive(Debug)]
enum Direct {
    /// It was not needed yet.
    Closed,
    Open(fs::File),
}

impl<'a> Disk<'a> {
    /// Prepares; `cached` is whether everything is to stay in the cache.
    pub(super) fn new(out: &'a Out, cached: bool) -> Self {
        Self { out, cached: None, direct: (!cached).then_some(Direct::Closed) }
    }

    /// Tells whether it is this file's.
    pub(super) fn is_for(&self, out: &Out) -> bool {
        std::ptr::eq(self.out, out)
    }

    /// Writes a piece. It is durable when the file system was synced.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(super) fn write(&mut self, bytes: &[u8], at: u64, memory: &mut Aligned) -> Result<()> {
        let page = Aligned::PAGE;
        let whole = at.is_multiple_of(page as u64) && bytes.len().is_multiple_of(page);
        if whole && bytes.len() >= LEAST && self.write_past(bytes, at, memory)? {
            return Ok(());
        }
        let file = match &mut self.cached {
            Some(file) => file,
            none => none.insert(open(self.out, false)?),
        };
        file.write_all_at(bytes, at).map_err(|e| cannot("write", self.out, e))
    }

    /// Writes past the cache; tells whether that is possible here.
    fn write_past(&mut self, bytes: &[u8], at: u64, memory: &mut Aligned) -> Result<bool> {
        match self.direct {
            None => return Ok(false),
            Some(Direct::Open(_)) => {}
            Some(Direct::Closed) => {
                let opened = possible(try_open(self.out, false, OFlags::DIRECT));
                let opened = opened.map_err(|e| cannot("open", self.out, e))?;
                self.direct = opened.map(Direct::Open);
            }
        }
        let Some(Direct::Open(file)) = &self.direct else { return Ok(false) };
        let bytes = if bytes.as_ptr().align_offset(Aligned::PAGE) == 0 {
            bytes
        } else {
            let room = memory.room(bytes.len());
            room.copy_from_slice(bytes);
            room
        };
        let written = possible(file.write_all_at(bytes, at));
        let written = written.map_err(|e| cannot("write", self.out, e))?;
        if written.is_none() {
            self.direct = None;
        }
        Ok(written.is_some())
    }
}

/// Makes nothing of the refusal of a file system that has no such way, or
/// wants larger pieces.
fn possible<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(e) if Errno::from_io_error(&e) == Some(Errno::INVAL) => Ok(None),
        other => other.map(Some),
    }
}

/// Opens a file of the restored ones for writing, and perhaps for reading.
///
/// # Errors
///
/// If that is impossible.
pub(super) fn open(out: &Out, read: bool) -> Result<fs::File> {
    try_open(out, read, OFlags::empty()).map_err(|e| cannot("open", out, e))
}

fn try_open(out: &Out, read: bool, more: OFlags) -> io::Result<fs::File> {
    let flags = OFlags::NOFOLLOW | more;
    let mut options = fs::OpenOptions::new();
    options.read(read).write(true).custom_flags(flags.bits().cast_signed()).open(&out.at)
}

/// Says what could not be done to a file.
pub(super) fn cannot(verb: &str, out: &Out, error: io::Error) -> Error {
    Error::from(error).context(format!("cannot {verb} {}", out.at.display()))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// Returns a file of so many bytes.
    fn out(directory: &Path, length: u64) -> Out {
        let at = directory.join("file");
        fs::File::create(&at).unwrap().set_len(length).unwrap();
        Out { at, name: PathBuf::from("file"), there: false }
    }

    #[test]
    fn pieces_of_every_size_and_place_come_to_where_they_belong() {
        // Next to the program: where files are built, there is a disk.
        let here = std::env::current_exe().unwrap();
        let pieces = [1 << 20, 128 << 10, 4096, 1 << 20, 100, (1 << 20) + 512, 1 << 20];
        let length: usize = pieces.iter().sum();
        let content: Vec<u8> = (0..251).flat_map(|it| [it; 7]).cycle().take(length).collect();
        for (cached, shift) in [(true, 0), (false, 0), (false, 1)] {
            let directory = tempfile::tempdir_in(here.parent().unwrap()).unwrap();
            let out = out(directory.path(), length as u64);
            let (mut disk, mut memory) = (Disk::new(&out, cached), Aligned::default());
            let (mut source, mut at) = (Aligned::default(), 0);
            for piece in pieces {
                // Where a page begins, or not.
                let room = &mut source.room(piece + shift)[shift..];
                room.copy_from_slice(&content[at..at + piece]);
                disk.write(room, at as u64, &mut memory).unwrap();
                at += piece;
            }
            let possible = try_open(&out, false, OFlags::DIRECT).is_ok();
            assert_eq!(disk.direct.is_some(), possible && !cached);
            assert!(fs::read(&out.at).unwrap() == content, "cached: {cached}, shift: {shift}");
        }
    }

    #[test]
    fn only_the_refusal_to_pass_by_the_cache_is_no_failure() {
        let error = |it: Errno| Err::<(), _>(io::Error::from(it));
        assert!(possible(error(Errno::INVAL)).unwrap().is_none());
        assert!(possible(error(Errno::NOSPC)).is_err());
        assert!(possible(Ok(())).unwrap().is_some());
    }
}
