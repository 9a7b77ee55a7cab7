//! Keeps everybody else from changing objects while one is looked at and
//! replaced.
//!
//! Whoever replaces an object only if it is as it was holds the lock alone
//! while it looks and renames; all others who rename or remove hold it
//! together, for as short a time. It is a file in the staging directory, and
//! the system releases it when its holder dies.

use std::os::fd::OwnedFd;

use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
};

/// The file's name. Files that are being written have a number first.
pub(crate) const NAME: &str = "lock";

/// The lock is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _file: OwnedFd,
}

/// Waits until nobody looks before it replaces. Where there are no locks, no
/// one can: then nothing is held.
pub(crate) fn together(staging: &OwnedFd) -> Option<Held> {
    lock(staging, FlockOperation::LockShared).ok()
}

/// Waits until nobody else changes anything.
pub(crate) fn alone(staging: &OwnedFd) -> Result<Held, Errno> {
    lock(staging, FlockOperation::LockExclusive)
}

fn lock(staging: &OwnedFd, operation: FlockOperation) -> Result<Held, Errno> {
    // For writing, because NFS grants a lock of one's own for that only.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(staging, NAME, flags, Mode::RUSR | Mode::WUSR)?;
    loop {
        match rustix::fs::flock(&file, operation) {
            Err(Errno::INTR) => {}
            other => return other.map(|()| Held { _file: file }),
        }
    }
}
