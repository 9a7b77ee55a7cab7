//! The names of a large directory, read once for many pages.

use std::{
    os::fd::OwnedFd,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::io::Errno;

/// The most names that are in memory: some twenty megabytes.
pub(crate) const MOST: usize = 1 << 18;
/// A directory that was changed so shortly before it was read may be changed
/// again without a new time. Coarse clocks of kernels tick each 10 ms.
const SETTLED: Duration = Duration::from_secs(2);

/// Names of one directory, for whoever lists it page by page.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<Option<Names>>);

/// What changes when a name comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    modified_ns: i128,
}

impl Stamp {
    pub(crate) fn of(directory: &OwnedFd) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(directory)?;
        let nanoseconds = i128::from(stat.st_mtime_nsec);
        let modified_ns = i128::from(stat.st_mtime) * 1_000_000_000 + nanoseconds;
        Ok(Self { device: stat.st_dev, inode: stat.st_ino, modified_ns })
    }

    /// Tells whether a change from now on would be seen.
    fn is_settled(self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let settled = i128::try_from(SETTLED.as_nanos()).unwrap_or(i128::MAX);
        i128::try_from(now.as_nanos()).unwrap_or(0) - self.modified_ns > settled
    }
}

/// The names in a directory that come after one, in order.
#[derive(Debug)]
pub(crate) struct Names {
    /// The key of the directory, and what the names were chosen by.
    pub(crate) place: (String, String),
    pub(crate) stamp: Stamp,
    /// Where they begin.
    pub(crate) from: String,
    /// Keys; those of directories end with a slash.
    pub(crate) keys: Vec<String>,
    /// Whether none comes after them.
    pub(crate) all: bool,
}

impl Names {
    /// Returns those after `passed`, of which a directory that `inside` is in
    /// is one, and whether more may follow; `None` if they are not known.
    fn after(&self, passed: &str, inside: &str, most: usize) -> Option<(Vec<String>, bool)> {
        if passed < self.from.as_str() {
            return None;
        }
        let mut first = self.keys.partition_point(|it| it.as_str() <= passed);
        let entered = first.checked_sub(1).and_then(|it| self.keys.get(it));
        if entered.is_some_and(|it| it.ends_with('/') && inside.starts_with(it.as_str())) {
            first -= 1;
        }
        let end = self.keys.len().min(first.saturating_add(most));
        let more = end < self.keys.len() || !self.all;
        (first < end || self.all).then(|| (self.keys[first..end].to_vec(), more))
    }
}

impl Ahead {
    /// Looks for names that were read before; see [`Names::after`].
    pub(crate) fn get(
        &self,
        place: (&str, &str),
        stamp: Stamp,
        after: (&str, &str),
        most: usize,
    ) -> Option<(Vec<String>, bool)> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names = names.as_ref()?;
        let same = (names.place.0.as_str(), names.place.1.as_str()) == place;
        if !same || names.stamp != stamp {
            return None;
        }
        names.after(after.0, after.1, most)
    }

    /// Keeps names for the next page, if a change of them would be noticed.
    pub(crate) fn keep(&self, names: Names) {
        if names.stamp.is_settled() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
        }
    }
}
