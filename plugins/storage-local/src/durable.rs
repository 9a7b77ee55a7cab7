//! Which directories are known to survive a power cut.

use std::{
    collections::HashSet,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::io::Errno;

/// More directories than this are not remembered, so that memory is bounded;
/// a forgotten one costs one more flush.
const MOST_REMEMBERED: usize = 4096;

/// Makes the entries of directories durable, each once.
///
/// A directory that is there already may have been created a moment ago, by
/// another thread or process that has not flushed it yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durable {
    /// Device and inode of directories whose entries have been flushed.
    known: Arc<Mutex<HashSet<(u64, u64)>>>,
}

impl Durable {
    /// Makes sure that `child` is found in `parent` after a power cut.
    pub(crate) fn entry(&self, parent: &OwnedFd, child: &OwnedFd) -> Result<(), Errno> {
        let stat = rustix::fs::fstat(child)?;
        let identity = (stat.st_dev, stat.st_ino);
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&identity) {
            return Ok(());
        }
        rustix::fs::fsync(parent)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(identity);
        Ok(())
    }
}
