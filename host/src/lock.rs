//! One run at a time in a working directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

/// A lock that is held as long as this lives; the system lets go of it when
/// the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a lock could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else has it.
    #[error("another run is at work: {holder} (lock file {path})", path = path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as far as the file tells.
        holder: String,
    },
    /// The file cannot be used.
    #[error("cannot lock {path}", path = path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock at once or not at all. `what` tells others who has it.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] if another process has it.
    pub fn take(path: &Path, what: &str) -> Result<Self, LockError> {
        let io_error = |source| LockError::Io { path: path.to_owned(), source };
        let mut file = open(path).map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's note is a courtesy; without it the lock is held all the same.
                drop(file.read_to_string(&mut holder));
                let holder = if holder.trim().is_empty() { "unknown" } else { holder.trim() };
                return Err(LockError::Held { path: path.into(), holder: holder.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        // Who has it is a courtesy. A full disk must not keep a purge from
        // making room.
        let noted = file.set_len(0).and_then(|()| file.rewind());
        drop(noted.and_then(|()| writeln!(file, "process {}, {what}", std::process::id())));
        Ok(Self { _file: file })
    }

    /// Says that this process, a worker, is at work, until it ends. A worker
    /// lives on for a moment when the program that started it is killed.
    ///
    /// # Errors
    ///
    /// If the file cannot be used.
    pub fn announce(path: &Path) -> Result<Self, LockError> {
        let io_error = |source| LockError::Io { path: path.to_owned(), source };
        let file = open(path).map_err(io_error)?;
        file.lock_shared().map_err(io_error)?;
        Ok(Self { _file: file })
    }

    /// Waits until no worker has announced itself with this file.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] if there is still one after `patience`.
    pub fn await_workers(path: &Path, patience: Duration) -> Result<(), LockError> {
        const PAUSE: Duration = Duration::from_millis(10);
        let io_error = |source| LockError::Io { path: path.to_owned(), source };
        let file = open(path).map_err(io_error)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if begun.elapsed() < patience => {
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = "a worker of a run that was killed".to_owned();
                    return Err(LockError::Held { path: path.to_owned(), holder });
                }
                Err(TryLockError::Error(source)) => return Err(io_error(source)),
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_once_and_names_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::take(&path, "collect since 02:00").unwrap();
        let error = Lock::take(&path, "stage").unwrap_err().to_string();
        assert!(error.contains("collect since 02:00"), "{error}");
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(lock);
        Lock::take(&path, "stage").unwrap();
    }

    #[test]
    fn workers_are_waited_for_and_do_not_wait_for_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("workers");
        Lock::await_workers(&path, Duration::ZERO).unwrap();
        let (one, two) = (Lock::announce(&path).unwrap(), Lock::announce(&path).unwrap());
        let error = Lock::await_workers(&path, Duration::from_millis(30)).unwrap_err().to_string();
        assert!(error.contains("a worker"), "{error}");
        drop(two);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            drop(one);
        });
        Lock::await_workers(&path, Duration::from_mins(1)).unwrap();
    }
}
