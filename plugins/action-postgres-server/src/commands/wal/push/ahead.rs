//! Storing further files that wait, while PostgreSQL waits for one.
//!
//! PostgreSQL archives one file after the other. When it has fallen behind,
//! `archive_status` beside the file names the others, and several can be
//! worked on at the same time. Each is noted when it is durable; PostgreSQL
//! is told of it only when it asks for it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::Result;
use hayloft_postgres::wal::{FileName, PgWalEntry, Readiness};

use crate::archive::{Archive, Ledger};

/// After this time no further file is begun, so that PostgreSQL is not kept
/// waiting by slow storages.
const LONGEST: Duration = Duration::from_secs(10);

/// The files that wait for being archived.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// All of them, the one that PostgreSQL asks for too.
    pub(super) all: Vec<FileName>,
    /// Those to be stored ahead, in the order in which PostgreSQL will ask
    /// for them.
    pub(super) next: Vec<FileName>,
    directory: PathBuf,
}

impl Waiting {
    /// Finds them in `archive_status` beside a file; nothing if there is no
    /// such directory.
    pub(super) fn beside(path: &Path, asked: FileName, most: u32) -> Self {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        if most == 0 {
            return Self { all: vec![asked], next: Vec::new(), directory };
        }
        let entries =
            fs::read_dir(directory.join("archive_status")).into_iter().flatten().flatten();
        let ready = |entry: fs::DirEntry| match PgWalEntry::of(entry.file_name().to_str()?) {
            PgWalEntry::Status(file, Readiness::Ready) => Some(file),
            _ => None,
        };
        let mut all: Vec<FileName> = entries.filter_map(ready).collect();
        let mut next: Vec<FileName> = all.iter().copied().filter(|it| *it != asked).collect();
        // PostgreSQL asks for histories first, then for the oldest name.
        next.sort_by_cached_key(|it| (!matches!(it, FileName::History(_)), it.to_string()));
        next.truncate(most as usize);
        all.push(asked);
        Self { all, next, directory }
    }
}

/// Stores the file that PostgreSQL asks for, and meanwhile others. Returns
/// when nothing is at work any more.
///
/// # Errors
///
/// If that file is not stored. What is wrong with others is told when
/// PostgreSQL asks for them.
pub(super) fn push(
    archive: &Archive<'_>,
    ledger: Option<&Ledger>,
    (asked, path): (FileName, &Path),
    waiting: Waiting,
    workers: usize,
) -> Result<()> {
    let queue = Queue::new(archive, ledger, waiting, Some(Instant::now() + LONGEST));
    thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| queue.work());
        }
        let stored = archive.save(asked, path);
        if stored.is_err() {
            queue.close();
        }
        queue.work();
        stored.map(drop)
    })
}

/// Files that wait, for any number of threads.
pub(super) struct Queue<'a> {
    archive: &'a Archive<'a>,
    ledger: Option<&'a Ledger>,
    directory: PathBuf,
    next: Mutex<std::vec::IntoIter<FileName>>,
    closed: AtomicBool,
    end: Option<Instant>,
    stored: AtomicUsize,
}

impl<'a> Queue<'a> {
    /// Makes one. After `end` no further file is begun.
    pub(super) fn new(
        archive: &'a Archive<'a>,
        ledger: Option<&'a Ledger>,
        waiting: Waiting,
        end: Option<Instant>,
    ) -> Self {
        Self {
            archive,
            ledger,
            directory: waiting.directory,
            next: Mutex::new(waiting.next.into_iter()),
            closed: AtomicBool::new(false),
            end,
            stored: AtomicUsize::new(0),
        }
    }

    /// Stores one file after the other until there is no more.
    pub(super) fn work(&self) {
        while let Some(name) = self.take() {
            let Some(ledger) = self.ledger else {
                self.store(name);
                continue;
            };
            // Whoever has marked it does it. Without locks it is done twice, at worst.
            let mark = ledger.mark(name);
            if !matches!(mark, Ok(None)) && !ledger.has(name) && self.waits(name) {
                self.store(name);
            }
        }
    }

    fn store(&self, name: FileName) {
        let path = self.directory.join(name.to_string());
        match self.archive.save_known(name, &path, self.ledger.is_some()) {
            Ok(receipt) => {
                if let Some(ledger) = self.ledger {
                    ledger.note(name, &receipt);
                }
                self.stored.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::info!("{name} is not stored ahead: {error}");
                // What keeps one from being stored may keep all.
                self.close();
            }
        }
    }

    /// PostgreSQL may have been told of it meanwhile.
    fn waits(&self, name: FileName) -> bool {
        self.directory.join(format!("archive_status/{name}.ready")).exists()
    }

    /// Tells whether files were stored, and none failed.
    pub(super) fn went_well(&self) -> bool {
        self.stored.load(Ordering::Relaxed) > 0 && !self.closed.load(Ordering::Relaxed)
    }

    fn take(&self) -> Option<FileName> {
        let late = self.end.is_some_and(|end| Instant::now() > end);
        if self.closed.load(Ordering::Relaxed) || late {
            return None;
        }
        self.next.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    /// Begins no further file.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_wait_in_the_order_in_which_postgresql_asks_for_them() {
        let home = tempfile::tempdir().unwrap();
        let status = home.path().join("archive_status");
        fs::create_dir(&status).unwrap();
        for name in [
            "000000020000000000000006.ready",
            "000000010000000000000007.ready",
            "000000010000000000000005.partial.ready",
            "000000010000000000000005.ready",
            "000000010000000000000004.done",
            "000000010000000000000005.00000028.backup.ready",
            "00000002.history.ready",
            "junk.ready",
            "junk",
        ] {
            fs::write(status.join(name), "").unwrap();
        }
        let asked: FileName = "000000010000000000000005".parse().unwrap();
        let path = home.path().join(asked.to_string());
        let names = |it: &[FileName]| it.iter().map(ToString::to_string).collect::<Vec<_>>();
        let waiting = Waiting::beside(&path, asked, 4);
        let expected = [
            "00000002.history",
            "000000010000000000000005.00000028.backup",
            "000000010000000000000005.partial",
            "000000010000000000000007",
        ];
        assert_eq!(names(&waiting.next), expected);
        assert!(waiting.all.contains(&asked) && waiting.all.len() >= 6, "{waiting:?}");
        assert!(Waiting::beside(&path, asked, 0).next.is_empty());
        assert!(Waiting::beside(Path::new("/nonexistent/x"), asked, 4).next.is_empty());
    }
}
