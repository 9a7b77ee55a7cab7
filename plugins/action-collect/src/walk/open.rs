//! Opening what others may replace at any moment.

use std::{
    fs::File,
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{CWD, Mode, OFlags, RawDir, ResolveFlags, openat, openat2},
    io::Errno,
};

/// Opens a regular file for reading. A link is not followed, and a pipe or
/// device that took the file's place does not block.
pub(super) fn file(directory: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<File> {
    quietly(directory, name, OFlags::NOFOLLOW | OFlags::NONBLOCK).map(File::from)
}

/// Opens a directory; a link is followed only if asked for.
pub(super) fn directory(
    parent: BorrowedFd<'_>,
    name: &[u8],
    follow: bool,
) -> rustix::io::Result<OwnedFd> {
    let flags = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    quietly(parent, name, flags | OFlags::DIRECTORY)
}

/// Opens the directory that a walk begins at; links are followed.
pub(super) fn root(path: &[u8]) -> rustix::io::Result<OwnedFd> {
    quietly(CWD, path, OFlags::DIRECTORY)
}

/// Opens a directory far below another, without following links.
pub(super) fn far(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
    openat2(root, path, flags, Mode::empty(), ResolveFlags::BENEATH)
}

/// Leaves the time of the last access alone, where we may.
fn quietly(at: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    match openat(at, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(at, name, flags, Mode::empty()),
        other => other,
    }
}

/// Returns the names in a directory, sorted.
pub(super) fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}
