//! Files that are being written, in a directory of their own below the root.
//!
//! Whoever writes one holds a lock on it. A file without a lock is what a
//! crash left behind, and is removed by the next process that puts something.

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::OwnedFd,
    process,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hayloft_plugin_api::{Error, Leftover, Result, Sweep};
use rustix::{
    fs::{AtFlags, Dir, FlockOperation, Mode, OFlags},
    io::Errno,
};

use crate::{lock, meta, name::STAGING, root::Root};

/// What is in the directory besides files that are being written.
const LOCK: &[u8] = lock::NAME.as_bytes();

/// Begins files that are being written.
#[derive(Debug)]
pub(crate) struct Staging {
    swept: Once,
}

impl Default for Staging {
    fn default() -> Self {
        Self { swept: Once::new() }
    }
}

/// A file that is being written. It vanishes when it is dropped, unless it
/// has got another name.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) root: OwnedFd,
    pub(crate) directory: OwnedFd,
    pub(crate) name: String,
    pub(crate) file: File,
    moved: bool,
}

impl Staging {
    /// Creates an empty file and locks it.
    pub(crate) fn create(&self, root: OwnedFd, place: &Root) -> Result<Staged> {
        let failed = |e: Errno| {
            let path = place.config().root.join(STAGING);
            Error::from(io::Error::from(e))
                .context(format!("cannot create a file in {}", path.display()))
        };
        let directory = open_directory(&root).map_err(failed)?;
        self.swept.call_once(|| sweep_quietly(&directory));
        loop {
            let (name, file) =
                create_file(&directory, place.config().mode.of_files()).map_err(failed)?;
            // Where there are no locks, leftovers stay.
            let _ = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
            // Another process may have taken it for a leftover before it was
            // locked.
            if rustix::fs::fstat(&file).map_err(failed)?.st_nlink > 0 {
                let file = File::from(file);
                return Ok(Staged { root, directory, name, file, moved: false });
            }
        }
    }
}

impl Staged {
    /// Notes that the file has got its final name.
    pub(crate) fn moved(&mut self) {
        self.moved = true;
    }

    /// Removes the file.
    pub(crate) fn remove(&mut self) -> Result<(), Errno> {
        if self.moved {
            return Ok(());
        }
        match rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty()) {
            Err(e) if e != Errno::NOENT => Err(e),
            _ => {
                self.moved = true;
                Ok(())
            }
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!("{STAGING}/{} stays behind: {error}", self.name);
        }
    }
}

/// Opens the directory; creates it if it is not there.
pub(crate) fn open_directory(root: &OwnedFd) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(root, STAGING, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(e),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(root, STAGING, flags, Mode::empty())
}

fn create_file(directory: &OwnedFd, mode: Mode) -> Result<(String, OwnedFd), Errno> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let name = format!("{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        match rustix::fs::openat(directory, &name, flags, mode) {
            // A process of that number, in another container or before us.
            Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
            Ok(file) => {
                // The mode exactly, whatever the process masks.
                rustix::fs::fchmod(&file, mode)?;
                return Ok((name, file));
            }
        }
    }
}

/// Removes what crashed processes left behind. What cannot be removed is left
/// to the next one.
fn sweep_quietly(directory: &OwnedFd) {
    match sweep(directory, &Sweep::default()) {
        Ok(left) => {
            for it in left {
                tracing::info!("removed the leftover {}", it.name);
            }
        }
        Err(error) => tracing::warn!("cannot remove all leftovers in {STAGING}: {error}"),
    }
}

/// Removes files that nobody writes any more, and returns them.
///
/// # Errors
///
/// The first that kept one from being looked at or removed; the others are
/// removed all the same.
pub(crate) fn sweep(directory: &OwnedFd, request: &Sweep) -> Result<Vec<Leftover>, Errno> {
    let (mut found, mut failed) = (Vec::new(), None);
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b".." | LOCK) {
            continue;
        }
        match sweep_one(directory, entry.file_name(), request) {
            Ok(leftover) => found.extend(leftover),
            // Its owner was just quick enough.
            Err(Errno::NOENT) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(found), Err)
}

fn sweep_one(directory: &OwnedFd, name: &CStr, request: &Sweep) -> Result<Option<Leftover>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    let begun = meta("", &stat).modified_ns;
    if !is_older(begun, request.older_than_s) {
        return Ok(None);
    }
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        // Somebody is at it.
        Err(Errno::WOULDBLOCK) => return Ok(None),
        other => other?,
    }
    if !request.dry_run {
        rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
    }
    let name = format!("{STAGING}/{}", name.to_string_lossy());
    let size = u64::try_from(stat.st_size).ok();
    Ok(Some(Leftover { name, begun_ns: begun, size }))
}

fn is_older(begun_ns: i64, seconds: u64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let begun = Duration::from_nanos(u64::try_from(begun_ns).unwrap_or(0));
    seconds == 0 || now.saturating_sub(begun) >= Duration::from_secs(seconds)
}
