//! Sends files, and makes sure that they arrived.

use std::{
    io::{self, Read},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use hayloft_plugin_api::{ByteRange, Error, ErrorKind, Host, Progress, Result, StorageHandle};
use hayloft_staging::{
    files::{Identity, open},
    upload::{self, Content, Encoding, Fault, hexadecimal},
};
use sha2::{Digest, Sha256};
use tracing::{debug, warn};

/// How many files are sent at a time.
const WORKERS: usize = 4;
/// How often a file is tried if trying again may help.
const TRIES: u32 = 3;
/// The least pause before another try; it grows, and part of it is chance.
const PAUSE: Duration = Duration::from_secs(1);
/// How much is read at a time.
const BUFFER: usize = 1 << 20;

/// Sends files into a storage.
pub(crate) struct Transfer<'a> {
    pub(crate) host: &'a Host,
    pub(crate) storage: &'a StorageHandle,
    /// What files go through on their way.
    pub(crate) encodings: &'a [&'a dyn Encoding],
    /// Whether what was sent is read back.
    pub(crate) check_data: bool,
    pub(crate) done: AtomicU64,
    pub(crate) total: u64,
}

impl Transfer<'_> {
    /// Sends a file as the object `key`, and makes sure that it arrived.
    ///
    /// # Errors
    ///
    /// Why it did not.
    pub(crate) fn send(&self, path: &Path, key: &str) -> Result<()> {
        let mut attempt = 1;
        loop {
            let error = match self.try_to_send(path, key) {
                Ok(()) => return Ok(()),
                Err(Fault::Source(error)) => return Err(error),
                Err(Fault::Storage(error)) => error,
            };
            let again = error.is_transient() || error.kind() == ErrorKind::CORRUPT;
            if !again || attempt >= TRIES {
                let tries = if attempt > 1 { format!(" ({attempt} tries)") } else { String::new() };
                return Err(error.context(format!("cannot upload {}{tries}", path.display())));
            }
            warn!("trying again: {error}");
            self.pause(attempt)?;
            attempt += 1;
        }
    }

    fn try_to_send(&self, path: &Path, key: &str) -> Result<(), Fault> {
        let (content, encoded) =
            upload::put(self.storage, key, path, self.encodings, |n| self.advance(path, n))?;
        let (size, sha256) = match &encoded {
            Some(encoded) => (encoded.size, &encoded.sha256),
            None => (content.size, &content.sha256),
        };
        if self.check_data {
            let there = self.read_back(key).map_err(Fault::Storage)?;
            if (there.size, &there.sha256) != (size, sha256) {
                let message = format!("{key} is not what was sent, when it is read back");
                return Err(Fault::Storage(Error::new(ErrorKind::CORRUPT, message)));
            }
        }
        debug!("uploaded {key}");
        Ok(())
    }

    fn advance(&self, path: &Path, bytes: u64) -> Result<()> {
        self.host.check_cancelled()?;
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let what = path.to_string_lossy();
        self.host.progress(Progress { what: &what, done, total: self.total });
        Ok(())
    }

    /// Reads an object to its end.
    ///
    /// # Errors
    ///
    /// If that cannot be done.
    pub(crate) fn read_back(&self, key: &str) -> Result<Content> {
        let context = |e: Error| e.context(format!("cannot read {key} back"));
        let mut reader = self.storage.get(key, ByteRange::ALL).map_err(context)?;
        content_of(self.host, &mut reader).map_err(context)
    }

    /// Tells whether an object has the content of a file.
    ///
    /// # Errors
    ///
    /// If one of the two cannot be read.
    pub(crate) fn is_same(&self, path: &Path, key: &str) -> Result<bool> {
        let context = |e: Error| e.context(format!("cannot read {}", path.display()));
        let mut file = open(path).map_err(|e| context(e.into()))?;
        let before = Identity::of(&file.metadata().map_err(|e| context(e.into()))?);
        let here = content_of(self.host, &mut file).map_err(context)?;
        Ok(here.size == before.size && self.read_back(key)? == here)
    }

    /// Waits, so that several machines do not all come back at once.
    fn pause(&self, attempt: u32) -> Result<()> {
        const SLICE: Duration = Duration::from_millis(100);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let chance = f64::from(now.map_or(0, |it| it.subsec_micros()) % 1000) / 1000.0;
        let mut left = PAUSE.mul_f64(f64::from(attempt) * (0.5 + chance));
        while !left.is_zero() {
            self.host.check_cancelled()?;
            let slice = left.min(SLICE);
            thread::sleep(slice);
            left -= slice;
        }
        Ok(())
    }
}

fn content_of(host: &Host, reader: &mut dyn Read) -> Result<Content> {
    let mut buffer = vec![0; BUFFER];
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        host.check_cancelled()?;
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(Content { size, sha256: hexadecimal(hash) }),
            Ok(n) => {
                hash.update(&buffer[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Does something with each item, several at a time, until one fails. `work`
/// gets the number of the thread, too.
///
/// # Errors
///
/// The first failure; all others are finished by then.
pub(crate) fn in_parallel<T: Sync>(
    items: &[T],
    work: impl Fn(usize, &T) -> Result<()> + Sync,
) -> Result<()> {
    let (next, end) = (AtomicUsize::new(0), AtomicBool::new(false));
    let failure = Mutex::new(None);
    let run = |thread: usize| {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if end.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = work(thread, item) {
                end.store(true, Ordering::Relaxed);
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for thread in 1..WORKERS.min(items.len()) {
            let run = &run;
            scope.spawn(move || run(thread));
        }
        run(0);
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
