//! Fetching pieces, checking them, and writing them.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::Receiver,
    },
};

use blake3::Hash;
use hayloft_plugin_api::{ByteRange, Error, ErrorKind, Host, Result, StorageHandle};

use super::{
    disk::{self, Disk, cannot},
    plan::{Batch, Out, Patched, Piece, Run, runs},
};
use crate::{
    backup::{Aligned, Compressor, place},
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
    /// Whether what is written is to stay in the kernel's cache.
    cached: bool,
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
        cached: bool,
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
            cached,
            written: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        })
    }

    /// Works until there is nothing more to be done, or somebody has failed.
    pub(super) fn work(&self, jobs: &Mutex<Receiver<Job>>) {
        let mut scratch = Scratch::default();
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            if self.failed.load(Ordering::Acquire) {
                // Whoever gives work must not wait for us.
                continue;
            }
            let done = match job {
                Job::Batch(batch) => self.batch(&batch, &mut scratch),
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

    fn batch(&self, batch: &Batch, scratch: &mut Scratch) -> Result<()> {
        let mut wanted = Vec::new();
        for piece in &batch.pieces {
            if !(piece.file.there && is_there(piece, &mut scratch.content)?) {
                wanted.push(piece);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let part = self.part(batch.part)?;
        let mut last = None;
        for copy in self.copies {
            match self.from(copy, batch, &wanted, scratch) {
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

    /// Fetches what is at one place, or takes what was read of it, and compares
    /// it with its hash, if it has one.
    ///
    /// # Errors
    ///
    /// If no storage has it undamaged.
    pub(super) fn frame(
        &self,
        place: Place,
        (hash, length): (Option<Hash>, usize),
        read: Option<Vec<u8>>,
        name: &Path,
    ) -> Result<Vec<u8>> {
        let part = self.part(place.part)?;
        let compressor = self.compressor(place.part)?;
        let check = |stored: Vec<u8>| {
            let mut scratch = Aligned::default();
            let content = compressor.unpack(&stored, length, &mut scratch)?;
            if hash.is_none_or(|hash| blake3::hash(content) == hash) {
                return Ok(content.to_vec());
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
        let mut content = Aligned::default();
        Ok(self.get_into(copy, part, (start, end), &mut content)?.to_vec())
    }

    /// Fetches what is there of a range.
    fn get_into<'t>(
        &self,
        copy: &Copy,
        part: &Part,
        (start, end): (u64, u64),
        to: &'t mut Aligned,
    ) -> Result<&'t [u8]> {
        let key = place::part(self.server, &part.backup, &part.name);
        let range = ByteRange { offset: start, length: Some(end - start) };
        let room = to.room(usize::try_from(end - start)?);
        let read = fill(&mut copy.storage.get(&key, range)?, room)?;
        Ok(&room[..read])
    }

    fn part(&self, index: u32) -> Result<&Part> {
        let part = usize::try_from(index).ok().and_then(|it| self.parts.get(it));
        part.ok_or_else(|| Error::new(ErrorKind::CORRUPT, "a frame lies in no part"))
    }

    fn from(
        &self,
        copy: &Copy,
        batch: &Batch,
        wanted: &[&Piece],
        scratch: &mut Scratch,
    ) -> Result<()> {
        let blocks = self.blocks(copy, wanted)?;
        if let Some(content) = &batch.content {
            let start = Batch::span(&batch.pieces).0;
            return self.write(batch.part, wanted, (start, content, &blocks), &mut scratch.frame);
        }
        let (start, end) = Batch::span(wanted.iter().copied());
        let part = self.part(batch.part)?;
        let stored = self.get_into(copy, part, (start, end), &mut scratch.stored)?;
        self.write(batch.part, wanted, (start, stored, &blocks), &mut scratch.frame)
    }

    /// Fetches the blocks of pieces, as they are stored.
    fn blocks(&self, copy: &Copy, wanted: &[&Piece]) -> Result<Vec<Fetched>> {
        let places = wanted.iter().filter_map(|it| it.patch.as_ref());
        let places = places.filter(|it| it.read.is_none()).map(|it| it.patch.place);
        let mut blocks = Vec::new();
        for run in runs(places) {
            let bytes = self.get(copy, self.part(run.part)?, (run.start, run.end))?;
            blocks.push((run, bytes));
        }
        Ok(blocks)
    }

    /// Checks pieces and writes them.
    fn write(
        &self,
        part: u32,
        wanted: &[&Piece],
        (start, content, blocks): (u64, &[u8], &[Fetched]),
        frame: &mut Frame,
    ) -> Result<()> {
        let compressor = self.compressor(part)?;
        let Frame { whole, patched, aligned } = frame;
        let mut open: Option<Disk<'_>> = None;
        for piece in wanted {
            let stored = slice(content, start, piece.offset, piece.stored);
            let stored = stored.ok_or_else(|| corrupt(piece, "it is not all there"))?;
            let mut bytes = compressor
                .unpack(stored, piece.length, whole)
                .map_err(|e| corrupt(piece, &e.to_string()))?;
            if let Some(patch) = &piece.patch {
                let room = patched.room(bytes.len());
                room.copy_from_slice(bytes);
                self.patch(patch, blocks, room).map_err(|e| corrupt(piece, &e.to_string()))?;
                bytes = room;
            }
            if blake3::hash(bytes) != piece.hash {
                return Err(corrupt(piece, "its hash is another one"));
            }
            let disk = match &mut open {
                Some(disk) if disk.is_for(&piece.file) => disk,
                other => other.insert(Disk::new(&piece.file, self.cached)),
            };
            disk.write(bytes, piece.at, aligned)?;
            self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Puts blocks into a frame.
    fn patch(&self, patched: &Patched, blocks: &[Fetched], frame: &mut [u8]) -> Result<()> {
        let Patched { patch, read } = patched;
        let Place { part, offset, stored } = patch.place;
        let fetched = || {
            let run = |it: &&Fetched| it.0.part == part && (it.0.start..it.0.end).contains(&offset);
            let (run, bytes) = blocks.iter().find(run)?;
            slice(bytes, run.start, offset, stored)
        };
        let bytes = read.as_deref().or_else(fetched);
        let bytes = bytes.ok_or_else(|| Error::msg("its blocks are not all there"))?;
        let mut scratch = Aligned::default();
        let bytes = self.compressor(part)?.unpack(bytes, patch.length(), &mut scratch)?;
        patch.apply(bytes, frame);
        Ok(())
    }

    fn compressor(&self, part: u32) -> Result<&Compressor> {
        let compressor = self.compressors.get(&self.part(part)?.compressed);
        compressor.ok_or_else(|| Error::msg("a part has no compressor"))
    }

    fn zeros(&self, file: &Arc<Out>, at: u64, length: usize) -> Result<()> {
        let opened = disk::open(file, true)?;
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

/// What was fetched in one request.
type Fetched = (Run, Vec<u8>);

/// Memory that a worker uses again.
#[derive(Debug, Default)]
struct Scratch {
    stored: Aligned,
    content: Vec<u8>,
    frame: Frame,
}

/// Memory for a frame.
#[derive(Debug, Default)]
struct Frame {
    whole: Aligned,
    patched: Aligned,
    /// For what is stored as it is, wherever that lies.
    aligned: Aligned,
}

/// Reads as much as fits, or is there; returns how much.
fn fill(from: &mut dyn Read, to: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < to.len() {
        match from.read(&mut to[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Returns what is at a place of a part, of which `content` begins at `start`.
fn slice(content: &[u8], start: u64, offset: u64, stored: u32) -> Option<&[u8]> {
    let from = usize::try_from(offset.checked_sub(start)?).ok()?;
    content.get(from..from.checked_add(stored as usize)?)
}

/// Tells whether a piece is on the disk already.
fn is_there(piece: &Piece, found: &mut Vec<u8>) -> Result<bool> {
    let file = disk::open(&piece.file, true)?;
    found.resize(piece.length, 0);
    let all = read_at(&file, piece.at, found).map_err(|e| cannot("read", &piece.file, e))?;
    Ok(all && blake3::hash(found) == piece.hash)
}

/// Fills a buffer; tells whether there was so much.
fn read_at(file: &fs::File, at: u64, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
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
