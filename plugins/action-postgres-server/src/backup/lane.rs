//! One way of encoding a backup, and the storages that get it so.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    sync::Arc,
    thread,
    thread::JoinHandle,
};

use blake3::Hash;
use hayloft_plugin_api::{Error, ErrorKind, Result};

use super::{
    DamagedFile,
    buffers::Buffer,
    encoding::{Compressor, Encryptor, Stream},
    part::{Committed, Fan, Member},
    place, record,
    resume::{Held, Journal},
    worker::{Done, Packed, Piece},
};
use crate::manifest::{
    BLOCKS, Blocks, Entry, FRAME, File, Frame, Header, Part, Patch, Place, Spool,
};

/// Storages that get the same objects, and what these hold so far.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Where the objects go.
    pub(crate) members: Vec<Member>,
    /// Which of the lanes it is.
    number: usize,
    compressor: Arc<Compressor>,
    encryptor: Encryptor,
    server: String,
    id: String,
    part_size: u64,
    /// The parts that frames refer to.
    table: Vec<Part>,
    /// The place in it of each part in `known`.
    inherited: Vec<Option<u32>>,
    /// The parent's table, and behind it what is held.
    known: Vec<Part>,
    /// How many of these are the parent's.
    parents: usize,
    /// What was stored before the backup was interrupted.
    held: Arc<Held>,
    /// How many of those that are held several times are used.
    taken: HashMap<Hash, usize>,
    /// The number of the last part.
    last_number: usize,
    journal: Option<Journal>,
    spool: Spool,
    file: Option<(File, Option<Arc<File>>)>,
    open: Option<Open>,
    committing: Option<Committing>,
    tally: Tally,
    damaged: Vec<DamagedFile>,
}

/// What a backup consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Tally {
    /// Files.
    pub(crate) files: u64,
    /// Bytes of them.
    pub(crate) size: u64,
    /// Bytes that were written for it to a storage.
    pub(crate) stored: u64,
    /// Bytes of the files that an older backup had.
    pub(crate) inherited: u64,
    /// Bytes of the files that were stored before it was interrupted.
    pub(crate) resumed: u64,
}

/// The part that is being written.
#[derive(Debug)]
struct Open {
    /// Its place in the table.
    index: u32,
    /// Bytes in it so far, before encryption.
    offset: u64,
    stream: Stream<Fan>,
    /// What is in it, for the journal.
    frames: Vec<Frame>,
}

/// A part that is being made durable. It is waited for in any case: nothing may
/// appear after somebody has cleaned up.
#[derive(Debug)]
struct Committing {
    /// Its place in the table.
    at: usize,
    frames: Vec<Frame>,
    thread: Option<JoinHandle<Committed>>,
}

impl Drop for Committing {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// What a lane begins with.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// Where the objects go.
    pub(crate) members: Vec<Member>,
    /// Which of the lanes it is.
    pub(crate) number: usize,
    /// What compresses its frames.
    pub(crate) compressor: Arc<Compressor>,
    /// How parts are encrypted.
    pub(crate) encryptor: Encryptor,
    /// The server's name.
    pub(crate) server: String,
    /// The backup's name.
    pub(crate) id: String,
    /// About how many bytes a part has.
    pub(crate) part_size: u64,
    /// The parent's table of parts.
    pub(crate) parents: Vec<Part>,
    /// What was stored before the backup was interrupted.
    pub(crate) held: Arc<Held>,
    /// Where is noted what is stored.
    pub(crate) journal: Option<Journal>,
    /// Where the entries wait.
    pub(crate) spool: fs::File,
}

impl Lane {
    /// Begins. Nothing is written yet.
    pub(crate) fn new(it: Beginning) -> Self {
        let parents = it.parents.len();
        let known: Vec<Part> = it.parents.into_iter().chain(it.held.parts().cloned()).collect();
        Self {
            members: it.members,
            number: it.number,
            compressor: it.compressor,
            encryptor: it.encryptor,
            server: it.server,
            id: it.id,
            part_size: it.part_size,
            table: Vec::new(),
            inherited: vec![None; known.len()],
            known,
            parents,
            last_number: it.held.last_number(),
            held: it.held,
            taken: HashMap::new(),
            journal: it.journal,
            spool: Spool::new(it.spool),
            file: None,
            open: None,
            committing: None,
            tally: Tally::default(),
            damaged: Vec::new(),
        }
    }

    /// Adds a directory or a tablespace.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<()> {
        self.spool.add(entry)
    }

    /// Begins a file; `parent` is what the parent has of it.
    pub(crate) fn begin(&mut self, file: File, parent: Option<Arc<File>>) {
        self.file = Some((file, parent));
    }

    /// Adds the next frame of the file that was begun last.
    ///
    /// # Errors
    ///
    /// If no storage takes it.
    pub(crate) fn frame(&mut self, done: &Done) -> Result<()> {
        let Some((file, parent)) = &self.file else { return Err(lost_order()) };
        let index = file.frames.len();
        let (_, length) = file.span(index);
        let known = parent.as_ref().and_then(|it| it.frames.get(index)).copied();
        let (frame, blocks) = match &done.packed {
            Packed::Zeros => (Frame::Zeros, Some(&[[0; 8]; BLOCKS])),
            Packed::Content { hash, blocks, pieces } => {
                let piece = pieces.get(self.number).ok_or_else(lost_order)?;
                (self.piece((piece, *hash), known, length)?, blocks.as_deref())
            }
        };
        let Some((file, _)) = &mut self.file else { return Err(lost_order()) };
        file.frames.push(frame);
        if let Some(blocks) = blocks.filter(|_| length == FRAME && Blocks::are_kept(file)) {
            file.blocks.add(blocks);
        }
        file.damaged.extend(&done.damaged);
        Ok(())
    }

    /// Stores what is to be stored of a frame, of which the parent has `known`.
    fn piece(
        &mut self,
        (piece, hash): (&Piece, Hash),
        known: Option<Frame>,
        length: u64,
    ) -> Result<Frame> {
        match (piece, known.filter(|it| *it != Frame::Zeros)) {
            (Piece::Nothing, Some(same)) if same.hash() == Some(hash) => {
                self.tally.inherited += length;
                self.same(same)
            }
            (Piece::Nothing, _) => {
                Ok(Frame::Stored { hash, place: self.kept(hash, length, None)? })
            }
            (Piece::Whole(bytes), _) => {
                let bytes: &[u8] = bytes;
                Ok(Frame::Stored { hash, place: self.kept(hash, length, Some(bytes))? })
            }
            (Piece::Blocks { which, hash: own, packed }, Some(known)) => {
                let base = known.places().next().ok_or_else(lost_order)?;
                let base = self.inherit(base, 0)?;
                let mut patch = Patch { base, place: base, hash: *own, blocks: *which };
                let blocks = patch.length() as u64;
                let packed: Option<&Buffer> = packed.as_deref();
                patch.place = self.kept(*own, blocks, packed.map(|it| &**it))?;
                self.tally.inherited += length.saturating_sub(blocks);
                Ok(Frame::Patched { hash, patch })
            }
            (Piece::Blocks { .. }, None) => Err(lost_order()),
        }
    }

    /// Refers to what the parent refers to.
    fn same(&mut self, frame: Frame) -> Result<Frame> {
        Ok(match frame {
            Frame::Zeros => frame,
            Frame::Stored { hash, place } => Frame::Stored { hash, place: self.inherit(place, 0)? },
            Frame::Patched { hash, patch } => {
                let (base, place) = (self.inherit(patch.base, 0)?, self.inherit(patch.place, 0)?);
                Frame::Patched { hash, patch: Patch { base, place, ..patch } }
            }
        })
    }

    /// Returns where something is that was stored before the backup was
    /// interrupted, or stores it.
    fn kept(&mut self, hash: Hash, length: u64, bytes: Option<&[u8]>) -> Result<Place> {
        match self.held_place(&hash) {
            Some(place) => {
                self.tally.resumed += length;
                self.inherit(place, self.parents)
            }
            None => self.store(hash, bytes.ok_or_else(lost_order)?),
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// If there is no room for its entry.
    pub(crate) fn end(&mut self) -> Result<()> {
        let (file, _) = self.file.take().ok_or_else(lost_order)?;
        self.tally.files += 1;
        self.tally.size += file.size;
        if !file.damaged.is_empty() {
            let path = file.path.path().display().to_string();
            self.damaged.push(DamagedFile { path, pages: file.damaged.clone() });
        }
        self.spool.add(Entry::File(file))
    }

    /// Finds a frame among those that are held. What is there several times is
    /// taken in its order, so that parts are read forwards.
    fn held_place(&mut self, hash: &Hash) -> Option<Place> {
        let places = self.held.find(hash);
        if places.len() < 2 {
            return places.first().map(|it| it.1);
        }
        let taken = self.taken.entry(*hash).or_insert(0);
        let at = (*taken).min(places.len() - 1);
        *taken += 1;
        places.get(at).map(|it| it.1)
    }

    /// Refers to a known part; `first` is where those of its table begin.
    fn inherit(&mut self, place: Place, first: usize) -> Result<Place> {
        let at = usize::try_from(place.part).unwrap_or(usize::MAX).saturating_add(first);
        let (known, part) = match (self.inherited.get(at), self.known.get(at)) {
            (Some(known), Some(part)) => (*known, part),
            _ => return Err(lost_order()),
        };
        let index = match known {
            Some(index) => index,
            None => next_index(&self.table)?,
        };
        if known.is_none() {
            self.table.push(part.clone());
            self.inherited[at] = Some(index);
        }
        Ok(Place { part: index, ..place })
    }

    fn store(&mut self, hash: Hash, bytes: &[u8]) -> Result<Place> {
        if self.open.as_ref().is_some_and(|it| it.offset >= self.part_size) {
            self.close_part()?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_part()?,
        };
        open.stream.write(bytes)?;
        let stored = u32::try_from(bytes.len()).map_err(|_| lost_order())?;
        let place = Place { part: open.index, offset: open.offset, stored };
        open.offset += u64::from(stored);
        if self.journal.is_some() {
            open.frames.push(Frame::Stored { hash, place });
        }
        self.open = Some(open);
        Ok(place)
    }

    fn open_part(&mut self) -> Result<Open> {
        let index = next_index(&self.table)?;
        self.last_number += 1;
        let name = place::part_name(self.last_number, self.encryptor.suffix());
        let fan = Fan::open(&mut self.members, &place::part(&self.server, &self.id, &name));
        self.still_useful()?;
        self.table.push(Part {
            backup: self.id.clone(),
            name,
            size: 0,
            blake3: String::new(),
            compressed: self.compressor.suffix().to_owned(),
            encrypted: self.encryptor.suffix().to_owned(),
        });
        Ok(Open { index, offset: 0, stream: self.encryptor.begin(fan)?, frames: Vec::new() })
    }

    /// Makes the part durable, while the next one is being filled.
    fn close_part(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let at = usize::try_from(open.index).map_err(|_| lost_order())?;
        let fan = open.stream.finish()?;
        self.settle()?;
        let work = thread::Builder::new().name("commit".to_owned());
        let thread = Some(work.spawn(move || fan.commit())?);
        self.committing = Some(Committing { at, frames: open.frames, thread });
        Ok(())
    }

    /// Waits for the part that is being made durable.
    fn settle(&mut self) -> Result<()> {
        let Some(mut committing) = self.committing.take() else { return Ok(()) };
        let (at, Some(thread)) = (committing.at, committing.thread.take()) else { return Ok(()) };
        let done = thread.join().map_err(|_| Error::msg("a storage came to grief"))?;
        self.tally.stored += done.size;
        if let Some(part) = self.table.get_mut(at) {
            part.size = done.size;
            part.blake3 = done.blake3.to_hex().to_string();
            if let Some(journal) = &mut self.journal {
                journal.note(part, std::mem::take(&mut committing.frames));
            }
        }
        self.note(done.failures)
    }

    fn note(&mut self, failures: Vec<(usize, Error)>) -> Result<()> {
        for (at, error) in failures {
            if let Some(member) = self.members.get_mut(at) {
                member.fail(error);
            }
        }
        self.still_useful()
    }

    fn still_useful(&self) -> Result<()> {
        match self.members.iter().map(|it| it.failed.clone()).collect::<Option<Vec<_>>>() {
            None => Ok(()),
            Some(failures) => Err(failures.into_iter().next().unwrap_or_else(lost_order)),
        }
    }

    /// Tells whether no storage gets anything more.
    pub(crate) fn has_failed(&self) -> bool {
        self.members.iter().all(|it| it.failed.is_some())
    }

    /// Takes note that no storage gets anything more.
    pub(crate) fn give_up(&mut self, error: &Error) {
        self.open = None;
        for member in self.members.iter_mut().filter(|it| it.failed.is_none()) {
            member.fail(error.clone());
        }
    }

    /// Returns what the backup consists of so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Returns how many bytes of parts are the backup's own, whenever they were
    /// stored.
    pub(crate) fn own(&self) -> u64 {
        self.table.iter().filter(|it| it.backup == self.id).map(|it| it.size).sum()
    }

    /// Removes what was stored before the backup was interrupted and is of no
    /// use now. As long as there is no manifest, nobody refers to it.
    /// What cannot be removed goes with the backup.
    pub(crate) fn drop_unused(&self) {
        if self.known.len() == self.parents {
            return;
        }
        let own = self.table.iter().filter(|it| it.backup == self.id);
        let used: BTreeSet<&str> = own.map(|it| it.name.as_str()).collect();
        for member in self.members.iter().filter(|it| it.failed.is_none()) {
            let goes = |name: &str| !used.contains(name);
            let gone = record::remove_parts(&member.storage, &self.server, &self.id, &goes);
            if let Err(error) = gone {
                tracing::warn!("parts that are not needed stay in {}: {error}", member.name);
            }
        }
    }

    /// Makes everything durable that frames refer to.
    ///
    /// # Errors
    ///
    /// If no storage has it.
    pub(crate) fn finish_parts(&mut self) -> Result<()> {
        self.close_part()?;
        self.settle()
    }

    /// Writes the manifest: the backup is whole from then on, in the storages
    /// that have not failed.
    pub(crate) fn write_manifest(mut self, mut header: Header) -> Finished {
        let tally = self.tally;
        header.resumed = tally.resumed > 0;
        let damaged = std::mem::take(&mut self.damaged);
        let (mut members, table) = (self.members, self.table);
        let suffix = format!("{}{}", self.compressor.suffix(), self.encryptor.suffix());
        let key = place::manifest(&self.server, &self.id, &suffix);
        let mut stored = tally.stored;
        if members.iter().any(|it| it.failed.is_none()) {
            let fan = Fan::open(&mut members, &key);
            let spool = self.spool;
            let written = self.encryptor.begin(fan).and_then(|stream| {
                self.compressor.through(stream, |to| spool.finish(header, &table, to))
            });
            match written.map(Fan::commit) {
                Ok(done) => {
                    stored += done.size;
                    for (at, error) in done.failures {
                        if let Some(member) = members.get_mut(at) {
                            member.fail(error);
                        }
                    }
                }
                Err(error) => {
                    for member in members.iter_mut().filter(|it| it.failed.is_none()) {
                        member.fail(error.clone());
                    }
                }
            }
        }
        Finished { members, tally: Tally { stored, ..tally }, damaged }
    }
}

/// What became of a lane.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its storages, and which of them failed.
    pub(crate) members: Vec<Member>,
    /// What the backup consists of.
    pub(crate) tally: Tally,
    /// Files with damaged pages.
    pub(crate) damaged: Vec<DamagedFile>,
}

fn next_index(table: &[Part]) -> Result<u32> {
    u32::try_from(table.len()).map_err(|_| Error::msg("the backup has too many parts"))
}

fn lost_order() -> Error {
    Error::new(ErrorKind::OTHER, "frames came out of order: this is a mistake in the program")
}
