//! One pass over the files of a directory, several at a time.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use hayloft_postgres::wal::FileName;

use super::{
    batch::{Batch, Item},
    errors::{ErrorsDirectory, Why},
    tally::Tally,
};

/// How long ago a file that is not whole must have been written that nobody
/// writes it any more.
const QUIET: Duration = Duration::from_mins(5);

/// Whoever keeps WAL for good.
pub(crate) trait Keep: Sync {
    /// Stores a file. `Ok` means that it is durable everywhere where it is to
    /// be; and tells whether it was not before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ALREADY_EXISTS`] if there is something else of its name,
    /// [`ErrorKind::CORRUPT`] if it is not what its name says,
    /// [`ErrorKind::VETOED`] if a hook says no; else it may be tried again.
    fn keep(&self, name: FileName, path: &Path) -> Result<bool>;
}

/// What a pass needs.
pub(crate) struct Pass<'a> {
    pub(crate) host: &'a Host,
    pub(crate) keep: &'a dyn Keep,
    pub(crate) errors: &'a ErrorsDirectory,
    /// How many files at a time; at least one.
    pub(crate) jobs: usize,
}

/// What becomes of a file.
enum Fate {
    Stored,
    Known,
    Conflict,
    Damaged,
    Growing,
    Replaced,
}

impl Pass<'_> {
    /// Archives a batch. The first file that cannot be archived now stops it;
    /// those that are under way are brought to their ends.
    pub(crate) fn run(&self, batch: &Batch) -> Tally {
        let tally = Mutex::new(Tally { waiting: batch.later as u64, ..Tally::default() });
        self.sort_out(batch, &tally);
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            while !stop.load(Ordering::Acquire) && !self.host.cancelled() {
                let Some(item) = batch.items.get(next.fetch_add(1, Ordering::AcqRel)) else {
                    return;
                };
                let done = self.archive(item);
                stop.fetch_or(done.is_err(), Ordering::AcqRel);
                count(&tally, item, done);
            }
        };
        let jobs = self.jobs.min(batch.items.len());
        thread::scope(|scope| {
            for number in 1..jobs {
                let thread = thread::Builder::new().name(format!("archive {number}"));
                // With fewer threads it takes longer, and that is all.
                drop(thread.spawn_scoped(scope, work));
            }
            work();
        });
        let begun = next.load(Ordering::Acquire).min(batch.items.len());
        let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        tally.waiting += (batch.items.len() - begun) as u64;
        if tally.failure.is_none() && self.host.cancelled() {
            tally.fail(&Error::new(ErrorKind::CANCELLED, "interrupted"));
        }
        tally
    }

    /// What is not to be archived.
    fn sort_out(&self, batch: &Batch, tally: &Mutex<Tally>) {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        for path in &batch.strangers {
            match self.put_aside(path, Why::Unknown) {
                Ok(()) => tally.unknown += 1,
                Err(error) => tally.fail(&error),
            }
        }
        for path in &batch.blanks {
            match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    let what = format!("cannot remove {}", path.display());
                    tally.fail(&Error::from(e).context(what));
                }
                _ => tracing::debug!("removed {}, of which nothing had come", path.display()),
            }
        }
    }

    fn archive(&self, item: &Item) -> Result<Fate> {
        let path = &item.path;
        let failed =
            |e: io::Error| Error::from(e).context(format!("cannot look at {}", path.display()));
        let before = match fs::symlink_metadata(path) {
            Ok(before) => before,
            // Somebody else archived it.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Fate::Known),
            Err(e) => return Err(failed(e)),
        };
        let new = match self.keep.keep(item.name, path) {
            Ok(new) => new,
            Err(_) if !path.exists() => return Ok(Fate::Known),
            Err(error) => return self.refused(item, &before, error),
        };
        let fate = if new { Fate::Stored } else { Fate::Known };
        match fs::symlink_metadata(path) {
            Ok(now) if (now.dev(), now.ino()) != (before.dev(), before.ino()) => Ok(Fate::Replaced),
            Ok(_) => match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    Err(Error::from(e).context(format!("cannot remove {}", path.display())))
                }
                _ => Ok(fate),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(fate),
            Err(e) => Err(failed(e)),
        }
    }

    /// The archive does not take it.
    fn refused(&self, item: &Item, metadata: &fs::Metadata, error: Error) -> Result<Fate> {
        let (why, fate) = match error.kind() {
            ErrorKind::ALREADY_EXISTS => (Why::Duplicate, Fate::Conflict),
            ErrorKind::CORRUPT if is_young(metadata) => {
                tracing::warn!("{error}; it is left, as somebody may be writing it");
                return Ok(Fate::Growing);
            }
            ErrorKind::CORRUPT => (Why::Damaged, Fate::Damaged),
            _ => return Err(error),
        };
        tracing::warn!("{}", chain(&error));
        self.put_aside(&item.path, why)?;
        Ok(fate)
    }

    fn put_aside(&self, path: &Path, why: Why) -> Result<()> {
        let to = self.errors.take(path, why, jiff::Timestamp::now())?;
        tracing::warn!("moved {} to {}", path.display(), to.display());
        Ok(())
    }
}

fn count(tally: &Mutex<Tally>, item: &Item, done: Result<Fate>) {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    match done {
        Ok(Fate::Stored) => tally.stored += 1,
        Ok(Fate::Known) => tally.known += 1,
        Ok(Fate::Conflict) => tally.conflicts += 1,
        Ok(Fate::Damaged) => tally.damaged += 1,
        Ok(Fate::Growing) => tally.growing += 1,
        Ok(Fate::Replaced) => tally.waiting += 1,
        Err(error) => {
            tally.waiting += 1;
            tally.fail(&error);
            return;
        }
    }
    tracing::debug!("dealt with {}", item.name);
}

fn is_young(metadata: &fs::Metadata) -> bool {
    let Ok(written) = metadata.modified() else { return false };
    let now = SystemTime::now();
    // A clock may have been moved: what is far ahead is no sign of writing.
    let apart = now.duration_since(written).unwrap_or_else(|e| e.duration());
    apart < QUIET
}

/// An error with its causes.
pub(crate) fn chain(error: &Error) -> String {
    let causes = error.causes().iter().map(String::as_str);
    [error.message()].into_iter().chain(causes).collect::<Vec<_>>().join(": ")
}
