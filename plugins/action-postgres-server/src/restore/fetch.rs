//! Fetching pieces, checking them, and writing them.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::Receiver,
    },
};

use blake3::Hash;
use hayloft_plugin_api::{ByteRange, Error, ErrorKind, Host, Result, StorageHandle};

use super::plan::{Batch, Out, Piece};
use crate::{
    backup::{Compressor, place},
    manifest::{Part, Place},
};

/// What a worker does.
#[derive(Debug)]
pub(super) enum Job {
    /// Fetch and write.
    Batch(Batch),
    /// Make sure that so many bytes from there on are zeros.
    Zeros(Arc<Out>, u64, usize),
}

/// A storage that has the backup.
#[derive(Debug)]
pub(super) struct Copy {
    /// Its name.
    pub(super) name: String,
    /// It itself.
    pub(super) storage: StorageHandle,
}

/// What workers need.
#[derive(Debug)]
pub(super) struct Fetcher<'a> {
    server: &'a str,
    parts: &'a [Part],
    /// Storages with the same objects; one helps out for another.
    copies: &'a [Copy],
    compressors: HashMap<String, Compressor>,
    /// Bytes written.
    pub(super) written: AtomicU64,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
}

impl<'a> Fetcher<'a> {
    /// Prepares; opens what reads the frames.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UNSUPPORTED`] if no plugin can.
    pub(super) fn new(
        host: &Host,
        server: &'a str,
        parts: &'a [Part],
        copies: &'a [Copy],
    ) -> Result<Self> {
        let mut compressors = HashMap::new();
        for part in parts {
            if !compressors.contains_key(&part.compressed) {
                let it = Compressor::of_suffix(host, &part.compressed)?;
                compressors.insert(part.compressed.clone(), it);
            }
        }
        Ok(Self {
            server,
            parts,
            copies,
            compressors,
            written: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        })
    }

    /// Works until there is nothing more to be done, or somebody has failed.
    pub(super) fn work(&self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            if self.failed.load(Ordering::Acquire) {
                // Whoever gives work must not wait for us.
                continue;
            }
            let done = match job {
                Job::Batch(batch) => self.batch(&batch),
                Job::Zeros(file, at, length) => self.zeros(&file, at, length),
            };
            if let Err(error) = done {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
                self.failed.store(true, Ordering::Release);
            }
        }
    }

    /// Fails if anybody has failed.
    ///
    /// # Errors
    ///
    /// Why.
    pub(super) fn check(&self) -> Result<()> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        Err(failure.clone().unwrap_or_else(|| Error::msg("a worker has failed")))
    }

    fn batch(&self, batch: &Batch) -> Result<()> {
        let mut wanted = Vec::new();
        for piece in &batch.pieces {
            if !(piece.file.there && is_there(piece)?) {
                wanted.push(piece.clone());
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let part = self.part(batch.part)?;
        if let Some(content) = &batch.content {
            let start = Batch::span(&batch.pieces).0;
            return self.write(part, &wanted, (start, content)).map_err(|e| about(part, e));
        }
        let mut last = None;
        for copy in self.copies {
            match self.from(copy, part, &wanted) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let error = about(part, error).context(format!("storage {}", copy.name));
                    if self.copies.len() > 1 {
                        tracing::warn!("{error}; another storage is asked");
                    }
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::msg("there is no storage")))
    }

    /// Fetches one frame, or takes what was read of it, and checks it.
    ///
    /// # Errors
    ///
    /// If no storage has it undamaged.
    pub(super) fn frame(
        &self,
        place: Place,
        (hash, length): (Hash, usize),
        read: Option<Vec<u8>>,
        name: &Path,
    ) -> Result<Vec<u8>> {
        let part = self.part(place.part)?;
        let compressor = self.compressors.get(&part.compressed);
        let compressor = compressor.ok_or_else(|| Error::msg("a part has no compressor"))?;
        let check = |stored: Vec<u8>| {
            let content = compressor.unpack(stored, length)?;
            if blake3::hash(&content) == hash {
                return Ok(content);
            }
            Err(Error::new(ErrorKind::CORRUPT, format!("{} is damaged", name.display())))
        };
        if let Some(read) = read {
            return check(read).map_err(|e| about(part, e));
        }
        let end = place.offset + u64::from(place.stored);
        let mut last = None;
        for copy in self.copies {
            match self.get(copy, part, (place.offset, end)).and_then(check) {
                Ok(content) => return Ok(content),
                Err(error) => last = Some(about(part, error)),
            }
        }
        Err(last.unwrap_or_else(|| Error::msg("there is no storage")))
    }

    fn get(&self, copy: &Copy, part: &Part, (start, end): (u64, u64)) -> Result<Vec<u8>> {
        let key = place::part(self.server, &part.backup, &part.name);
        let range = ByteRange { offset: start, length: Some(end - start) };
        let mut content = Vec::with_capacity(usize::try_from(end - start).unwrap_or(0));
        copy.storage.get(&key, range)?.take(end - start).read_to_end(&mut content)?;
        Ok(content)
    }

    fn part(&self, index: u32) -> Result<&Part> {
        let part = usize::try_from(index).ok().and_then(|it| self.parts.get(it));
        part.ok_or_else(|| Error::new(ErrorKind::CORRUPT, "a frame lies in no part"))
    }

    fn from(&self, copy: &Copy, part: &Part, wanted: &[Piece]) -> Result<()> {
        let (start, end) = Batch::span(wanted);
        let content = self.get(copy, part, (start, end))?;
        self.write(part, wanted, (start, &content))
    }

    /// Checks pieces and writes them.
    fn write(&self, part: &Part, wanted: &[Piece], (start, content): (u64, &[u8])) -> Result<()> {
        let compressor = self.compressors.get(&part.compressed);
        let compressor = compressor.ok_or_else(|| Error::msg("a part has no compressor"))?;
        let mut open: Option<(&Arc<Out>, fs::File)> = None;
        for piece in wanted {
            let from = usize::try_from(piece.offset - start).unwrap_or(usize::MAX);
            let stored = content.get(from..from.saturating_add(piece.stored as usize));
            let stored = stored.ok_or_else(|| corrupt(piece, "it is not all there"))?;
            let bytes = compressor
                .unpack(stored.to_vec(), piece.length)
                .map_err(|e| corrupt(piece, &e.to_string()))?;
            if blake3::hash(&bytes) != piece.hash {
                return Err(corrupt(piece, "its hash is another one"));
            }
            let file = match &open {
                Some((known, file)) if Arc::ptr_eq(known, &piece.file) => file,
                _ => &open.insert((&piece.file, reopen(&piece.file, false)?)).1,
            };
            file.write_all_at(&bytes, piece.at).map_err(|e| cannot("write", &piece.file, e))?;
            self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn zeros(&self, file: &Arc<Out>, at: u64, length: usize) -> Result<()> {
        let opened = reopen(file, true)?;
        let mut found = vec![0; length];
        let same = read_at(&opened, at, &mut found).map_err(|e| cannot("read", file, e))?;
        if same && found.iter().all(|it| *it == 0) {
            return Ok(());
        }
        found.fill(0);
        opened.write_all_at(&found, at).map_err(|e| cannot("write", file, e))?;
        self.written.fetch_add(length as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Tells whether a piece is on the disk already.
fn is_there(piece: &Piece) -> Result<bool> {
    let file = reopen(&piece.file, true)?;
    let mut found = vec![0; piece.length];
    let all = read_at(&file, piece.at, &mut found).map_err(|e| cannot("read", &piece.file, e))?;
    Ok(all && blake3::hash(&found) == piece.hash)
}

/// Fills a buffer; tells whether there was so much.
fn read_at(file: &fs::File, at: u64, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

fn reopen(file: &Out, read: bool) -> Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(read).write(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options.open(&file.at).map_err(|e| cannot("open", file, e))
}

fn cannot(verb: &str, file: &Out, error: io::Error) -> Error {
    Error::from(error).context(format!("cannot {verb} {}", file.at.display()))
}

fn corrupt(piece: &Piece, why: &str) -> Error {
    let file = piece.file.name.display();
    Error::new(ErrorKind::CORRUPT, format!("{file}, from byte {} on, is damaged: {why}", piece.at))
}

fn about(part: &Part, error: Error) -> Error {
    let kind = error.kind();
    error
        .context(format!("cannot use part {} of backup {}", part.name, part.backup))
        .with_kind(kind)
}
