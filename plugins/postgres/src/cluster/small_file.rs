//! Reading files that somebody else may have put there: never through the
//! last link, never a pipe that makes us wait, never more than a little.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use rustix::fs::{Mode, OFlags};

/// More than any of PostgreSQL's small files has.
const MOST: u64 = 64 * 1024;

/// Opens a regular file for reading.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"))
    }
}

/// Reads a small file whole.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the end of a file from an offset on, of a long one only the last
/// part.
pub(super) fn read_from(path: &Path, offset: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset.max(length.saturating_sub(most))))?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns a file's length; 0 if there is none.
pub(super) fn length(path: &Path) -> u64 {
    open(path).and_then(|it| it.metadata()).map_or(0, |it| it.len())
}
