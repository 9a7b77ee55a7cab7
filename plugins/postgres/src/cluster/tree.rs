//! Removing directories without ever leaving them: no link is followed, no
//! other file system entered.

use std::{
    ffi::{CStr, OsStr},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

/// Deeper than any cluster.
const DEEPEST: usize = 64;

/// Opens a directory that is no link.
pub(super) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Removes a directory and everything in it.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    remove_at(open_directory(&parent.canonicalize()?)?.as_fd(), name)
}

/// As [`remove`], below an open directory.
pub(super) fn remove_at(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let name = std::ffi::CString::new(name.as_bytes())?;
    remove_entry(parent, &name, None, 0)
}

/// Removes what is in a directory; it stays itself.
pub(super) fn empty(directory: BorrowedFd<'_>) -> io::Result<()> {
    let device = rustix::fs::fstat(directory)?.st_dev;
    empty_below(directory, device, 0)
}

fn empty_below(directory: BorrowedFd<'_>, device: u64, depth: usize) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other("the directories are nested too deeply"));
    }
    // Others may be adding and removing: until nothing is there.
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if [c".", c".."].contains(&entry.file_name()) {
            continue;
        }
        remove_entry(directory, entry.file_name(), Some(device), depth + 1)?;
    }
    Ok(())
}

fn remove_entry(
    parent: BorrowedFd<'_>,
    name: &CStr,
    device: Option<u64>,
    depth: usize,
) -> io::Result<()> {
    let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return gone(rustix::fs::unlinkat(parent, name, AtFlags::empty()));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let inside = rustix::fs::fstat(&directory)?.st_dev;
    if device.is_some_and(|it| it != inside) {
        let name = name.to_string_lossy();
        return Err(io::Error::other(format!("another file system is mounted on {name}")));
    }
    empty_below(directory.as_fd(), inside, depth)?;
    gone(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR))
}

/// That somebody else was faster is no failure.
fn gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn links_are_removed_and_what_they_lead_to_stays() {
        let home = tempfile::tempdir().unwrap();
        let (victim, tree) = (home.path().join("victim"), home.path().join("tree"));
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("precious"), "x").unwrap();
        fs::write(tree.join("a/file"), "x").unwrap();
        symlink(&victim, tree.join("a/link")).unwrap();
        symlink(victim.join("precious"), tree.join("a/b/link")).unwrap();
        symlink("/", tree.join("root")).unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(victim.join("precious").exists());
        symlink(&victim, &tree).unwrap();
        remove(&tree).unwrap();
        assert!(victim.join("precious").exists());
        remove(&tree).unwrap();
    }
}
