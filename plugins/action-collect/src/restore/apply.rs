//! Owner, permissions, attributes and times of a file that was put back.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::{
    fs::{
        AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chmod,
        chownat, fchmod, fchown, fsetxattr, fstat, futimens, lsetxattr, openat, utimensat,
    },
    io::Errno,
};

use crate::{
    archive::{Entry, Time},
    owners::Owners,
};

/// What could not be put back because of who we are or where it is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Files that keep our owner.
    pub(super) owners: u64,
    /// Attributes that the system refused.
    pub(super) attributes: u64,
}

/// Puts everything back onto an open file or directory.
pub(super) fn to_file(
    file: BorrowedFd<'_>,
    entry: &Entry,
    owners: &mut Owners,
    skipped: &mut Skipped,
) -> io::Result<()> {
    let (uid, gid) = ids(entry, owners);
    let mut mode = entry.mode;
    match fchown(file, Some(uid), Some(gid)) {
        Ok(()) => {}
        Err(Errno::PERM) => {
            skipped.owners += 1;
            // These bits speak of an owner that the file does not have.
            mode &= 0o1777;
        }
        Err(e) => return Err(e.into()),
    }
    fchmod(file, Mode::from_raw_mode(mode))?;
    for (name, value) in &entry.xattrs {
        let set = fsetxattr(file, name.as_slice(), value, XattrFlags::empty());
        tolerate(set, skipped)?;
    }
    futimens(file, &times(entry.mtime))?;
    Ok(())
}

/// Puts back what a link, pipe or device has, by its name.
pub(super) fn to_name(
    (directory, name): (BorrowedFd<'_>, &[u8]),
    entry: &Entry,
    owners: &mut Owners,
    skipped: &mut Skipped,
) -> io::Result<()> {
    let (uid, gid) = ids(entry, owners);
    match chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(()) => {}
        Err(Errno::PERM) => skipped.owners += 1,
        Err(e) => return Err(e.into()),
    }
    if !entry.xattrs.is_empty() {
        let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
        path.extend_from_slice(name);
        for (attribute, value) in &entry.xattrs {
            let set = lsetxattr(&*path, attribute.as_slice(), value, XattrFlags::empty());
            tolerate(set, skipped)?;
        }
    }
    let times = times(entry.mtime);
    utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn tolerate(set: rustix::io::Result<()>, skipped: &mut Skipped) -> io::Result<()> {
    match set {
        Ok(()) => Ok(()),
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::ACCESS | Errno::INVAL | Errno::NOENT) => {
            skipped.attributes += 1;
            Ok(())
        }
        Err(e) => Err(e.into()),
    }
}

fn ids(entry: &Entry, owners: &mut Owners) -> (Uid, Gid) {
    let uid = owners.uid(&entry.user, entry.uid);
    let gid = owners.gid(&entry.group, entry.gid);
    (Uid::from_raw(uid), Gid::from_raw(gid))
}

fn times(mtime: Time) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// Gives the permissions of a pipe or device. It is opened without touching
/// it first, so that nobody can put a link in its place meanwhile.
pub(super) fn mode_of_name(
    directory: BorrowedFd<'_>,
    name: &[u8],
    entry: &Entry,
) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(directory, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP.into());
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(chmod(path, Mode::from_raw_mode(entry.mode))?)
}
