//! Which directories are known to survive a power cut.

use std::{
    collections::HashSet,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::io::Errno;

/// More directories than this are not remembered, so that memory is bounded;
/// a forgotten one costs one more flush.
const MOST_REMEMBERED: usize = 4096;

/// Device and inode of a directory.
type Identity = (u64, u64);

/// Makes the entries of directories durable, each once.
///
/// A directory that is there already may have been created a moment ago, by
/// another thread or process that has not flushed it yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durable {
    /// Directories whose entries have been flushed.
    known: Arc<Mutex<HashSet<Identity>>>,
}

/// A directory that may not be found in another one after a power cut.
#[derive(Debug)]
pub(crate) struct Unsure {
    parent: OwnedFd,
    child: Identity,
}

impl Durable {
    /// Tells whether it is not known that `child` is found in `parent` after a
    /// power cut.
    pub(crate) fn doubt(&self, parent: &OwnedFd, child: &OwnedFd) -> Result<Option<Unsure>, Errno> {
        let stat = rustix::fs::fstat(child)?;
        let child = (stat.st_dev, stat.st_ino);
        if self.known().contains(&child) {
            return Ok(None);
        }
        let parent = rustix::io::fcntl_dupfd_cloexec(parent, 0)?;
        Ok(Some(Unsure { parent, child }))
    }

    /// Makes sure of all of them, and of the content of a file. They are
    /// flushed at the same time: a disk does that in one go, and one after the
    /// other each would wait for its turn.
    pub(crate) fn flush(&self, unsure: &[Unsure], file: &impl AsFd) -> Result<(), Errno> {
        thread::scope(|scope| {
            let flush = |it: &Unsure| rustix::fs::fsync(&it.parent);
            let begun: Vec<_> = unsure
                .iter()
                .map(|it| {
                    thread::Builder::new().spawn_scoped(scope, move || flush(it)).map_err(|_| it)
                })
                .collect();
            let mut done = rustix::fs::fsync(file);
            for one in begun {
                let flushed = match one {
                    Ok(thread) => thread.join().unwrap_or(Err(Errno::IO)),
                    // With fewer threads it takes longer, and that is all.
                    Err(it) => flush(it),
                };
                done = done.and(flushed);
            }
            done
        })?;
        let mut known = self.known();
        if known.len() + unsure.len() > MOST_REMEMBERED {
            known.clear();
        }
        known.extend(unsure.iter().map(|it| it.child));
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashSet<Identity>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
