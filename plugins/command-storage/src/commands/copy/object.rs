//! One object on its way from one storage to the other.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hayloft_plugin_api::{
    Arguments, ByteRange, Error, ErrorKind, Host, ObjectMeta, Progress, PutOptions, PutStream,
    Result, StorageHandle,
};

use super::pairs::Pair;
use crate::transfer::{digest, send, tried};

/// How much is compared at a time.
const PIECE: usize = 256 << 10;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It was copied; its size.
    Copied(u64),
    /// It is there, with the same content.
    Same,
    /// There is something else in its place.
    Other,
    /// It would be copied, or compared.
    Would,
}

/// Copies objects.
pub(super) struct Copier<'a> {
    host: &'a Host,
    pub(super) source: Arc<StorageHandle>,
    pub(super) target: Arc<StorageHandle>,
    replace: bool,
    verify: bool,
    dry_run: bool,
    /// How many bytes went through, for the progress.
    moved: AtomicU64,
}

impl<'a> Copier<'a> {
    pub(super) fn new(
        host: &'a Host,
        arguments: &Arguments,
        source: Arc<StorageHandle>,
        target: Arc<StorageHandle>,
    ) -> Self {
        Self {
            host,
            source,
            target,
            replace: arguments.has("replace"),
            verify: arguments.has("verify"),
            dry_run: arguments.has("dry-run"),
            moved: AtomicU64::new(0),
        }
    }

    /// Copies an object, unless the same is there already.
    pub(super) fn copy(&self, pair: &Pair) -> Result<Done> {
        self.host.check_cancelled()?;
        let Some(there) = &pair.there else {
            if self.dry_run {
                return Ok(Done::Would);
            }
            let options = PutOptions { create_only: true, size_hint: Some(pair.object.size) };
            let copy = || self.target.put(&pair.to, options).and_then(|put| self.fill(pair, put));
            return match tried(self.host, copy) {
                // Somebody else was quicker since it was listed.
                Err(error) if error.kind() == ErrorKind::ALREADY_EXISTS => {
                    let there = self.target.stat(&pair.to)?.ok_or(error)?;
                    self.over(pair, &there)
                }
                other => other,
            };
        };
        self.over(pair, there)
    }

    /// Compares with what is there, and replaces it if that is wanted.
    fn over(&self, pair: &Pair, there: &ObjectMeta) -> Result<Done> {
        if there.size == pair.object.size {
            if self.dry_run {
                return Ok(Done::Would);
            }
            if self.is_same(pair)? {
                return Ok(Done::Same);
            }
        }
        if !self.replace {
            return Ok(Done::Other);
        }
        if self.dry_run {
            return Ok(Done::Would);
        }
        let options = PutOptions { create_only: false, size_hint: Some(pair.object.size) };
        tried(self.host, || {
            let put = match self.target.replace(&pair.to, &there.etag, options) {
                // Then nobody can tell whether it was changed since.
                Err(error) if error.kind() == ErrorKind::UNSUPPORTED => {
                    self.target.put(&pair.to, options)?
                }
                other => other?,
            };
            self.fill(pair, put)
        })
    }

    fn fill(&self, pair: &Pair, mut put: Box<dyn PutStream>) -> Result<Done> {
        let from = self.source.get(&pair.object.key, ByteRange::ALL)?;
        let size = pair.object.size;
        let whole = Whole { from, left: size, key: &pair.object.key };
        let meter = |bytes| self.moved(pair, bytes);
        let (_, sent) = send(whole, &mut *put, &meter)?;
        if self.verify && digest(&self.target, &pair.to, &meter)? != sent {
            let message = format!("{} is not as it was written", pair.to);
            return Err(Error::new(ErrorKind::CORRUPT, message));
        }
        Ok(Done::Copied(size))
    }

    fn is_same(&self, pair: &Pair) -> Result<bool> {
        let mut one = self.source.get(&pair.object.key, ByteRange::ALL)?;
        let mut other = self.target.get(&pair.to, ByteRange::ALL)?;
        let (mut left, mut right) = (Vec::new(), Vec::new());
        loop {
            for (from, into) in [(&mut one, &mut left), (&mut other, &mut right)] {
                into.clear();
                from.by_ref().take(PIECE as u64).read_to_end(into)?;
            }
            if left != right {
                return Ok(false);
            }
            if left.is_empty() {
                return Ok(true);
            }
            self.moved(pair, left.len() as u64)?;
        }
    }

    fn moved(&self, pair: &Pair, bytes: u64) -> Result<()> {
        let done = self.moved.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.host.progress(Progress { what: &pair.object.key, done, total: 0 });
        self.host.check_cancelled()
    }
}

/// An object whose end comes where it was said to be: what is cut short must
/// not be stored.
struct Whole<'a> {
    from: Box<dyn Read + Send>,
    left: u64,
    key: &'a str,
}

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        let is_end = read == 0 && !buffer.is_empty();
        match self.left.checked_sub(read as u64) {
            Some(left) if !is_end || left == 0 => {
                self.left = left;
                Ok(read)
            }
            _ => {
                let message = format!("{} has another size than it is listed with", self.key);
                let error = Error::new(ErrorKind::CHANGED, message)
                    .hint("if it was just being replaced, copy again");
                Err(error.into_io())
            }
        }
    }
}
