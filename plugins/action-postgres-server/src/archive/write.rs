//! One pass over a file into any number of storages.
//!
//! The file is read once. Storages that want it encoded in the same way share
//! one encoding. A storage that fails does not keep the others from getting
//! theirs.

use std::{
    io::{self, Write},
    mem,
    sync::{Condvar, Mutex, PoisonError},
    thread,
};

use hayloft_plugin_api::{
    EncodeWriter, Error, Host, ObjectMeta, PutOptions, PutStream, Result, StorageHandle,
    StreamOptions,
};
use hayloft_postgres::wal::FileName;
use memmap2::{Advice, MmapMut};

use super::{
    digest::{self, Digest},
    place,
    source::{BUFFER, Source},
    target::Target,
};
use crate::config::NONE;

/// What came of it in one storage: the object, durable, or why not.
pub(super) type Put = Result<ObjectMeta>;

/// How files are stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner<'a> {
    pub(super) host: &'a Host,
    pub(super) server: &'a str,
    /// How many threads one encoder may use.
    pub(super) threads: u32,
    /// Whether the hash of the content is wanted.
    pub(super) hashed: bool,
    /// Where files are held whole, if they are.
    pub(super) rooms: Option<&'a Rooms>,
}

/// More than this is not held in memory at once, in bytes.
const MOST_AT_ONCE: u64 = 16 << 20;

/// Memory for files that are encoded in one piece, which is used again: for so
/// many at the same time, whoever comes then waits.
#[derive(Debug)]
pub(super) struct Rooms {
    free: Mutex<Vec<Room>>,
    freed: Condvar,
}

/// For one file.
#[derive(Debug, Default)]
struct Room {
    content: Option<MmapMut>,
    encoded: Vec<u8>,
}

impl Room {
    /// Returns the room for the content of a file of so many bytes.
    fn content(&mut self, size: usize) -> io::Result<&mut MmapMut> {
        let content = match self.content.take().filter(|it| it.len() == size) {
            Some(fitting) => fitting,
            None => in_large_pages(size)?,
        };
        Ok(self.content.insert(content))
    }
}

/// Returns memory in large pages if the kernel has some: an encoder that goes
/// through all of it is quicker then.
fn in_large_pages(size: usize) -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(size)?;
    if let Err(error) = memory.advise(Advice::HugePage) {
        tracing::debug!("no large pages: {error}");
    }
    Ok(memory)
}

/// Gives the room back, also when its user panics: others wait for it.
struct Lent<'a> {
    room: Room,
    rooms: &'a Rooms,
}

impl Rooms {
    /// Makes so many; one at least.
    pub(super) fn new(count: usize) -> Self {
        let free = (0..count.max(1)).map(|_| Room::default()).collect();
        Self { free: Mutex::new(free), freed: Condvar::new() }
    }

    fn lend(&self) -> Lent<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(room) = free.pop() {
                return Lent { room, rooms: self };
            }
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let room = mem::take(&mut self.room);
        self.rooms.free.lock().unwrap_or_else(PoisonError::into_inner).push(room);
        self.rooms.freed.notify_one();
    }
}

/// Stores a file in these storages, under keys that must not be taken.
/// Returns what came of each, in their order, and the hash of the content if
/// it was computed.
///
/// # Errors
///
/// If the file cannot be read: nothing has been stored then.
pub(super) fn store(
    manner: &Manner<'_>,
    source: &Source,
    targets: &[&Target],
) -> Result<(Vec<Put>, Option<String>)> {
    let mut results: Vec<Option<Put>> = targets.iter().map(|_| None).collect();
    let mut lanes = Vec::new();
    for (encoding, members) in grouped(source.name, targets) {
        let mut fan = Fan::default();
        for at in members {
            match Member::open(manner, source, (at, targets[at]), &encoding) {
                Ok(member) => fan.members.push(member),
                Err(error) => results[at] = Some(Err(error)),
            }
        }
        if !fan.members.is_empty() {
            lanes.push(Lane::new(manner, &encoding, source.size, fan));
        }
    }
    let encoded = lanes.iter().any(|it| !matches!(it.stream, Ok(Stream::Plain(_))));
    let content = match manner.rooms {
        Some(rooms) if encoded && source.size <= MOST_AT_ONCE => {
            fill_at_once(source, &mut lanes, manner.hashed, &mut rooms.lend().room)?
        }
        _ => fill(source, &mut lanes, manner.hashed)?,
    };
    let note = Note { server: manner.server, name: source.name, content: content.as_deref() };
    for (at, result) in lanes.into_iter().flat_map(|it| it.finish(&note)) {
        results[at] = Some(result);
    }
    let silent = || Err(Error::msg("a storage gave no answer"));
    Ok((results.into_iter().map(|it| it.unwrap_or_else(silent)).collect(), content))
}

/// Returns the key that a file gets in a storage.
///
/// # Errors
///
/// If there is no such compressor or encryptor.
fn key(host: &Host, server: &str, name: FileName, target: &Target) -> Result<String> {
    let key = place::key(server, name);
    if !target.destination.suffix {
        return Ok(key);
    }
    Ok(key + &Encoding::of(name, target).suffix(host)?)
}

/// Reads the file into all lanes; returns the hash of it if that is wanted, or
/// one of them needs it.
fn fill(source: &Source, lanes: &mut [Lane<'_>], wanted: bool) -> Result<Option<String>> {
    let needed = wanted || lanes.iter().any(|it| it.encrypted);
    let mut hasher = needed.then(blake3::Hasher::new);
    let mut buffer = vec![0; BUFFER];
    let mut at = 0;
    while at < source.size {
        let read = source.read(&mut buffer, at)?;
        for lane in &mut *lanes {
            lane.write(&buffer[..read]);
        }
        if let Some(hasher) = &mut hasher {
            hasher.update(&buffer[..read]);
        }
        at += read as u64;
    }
    Ok(hasher.map(|it| it.finalize().to_hex().to_string()))
}

/// The same, with all of the file at once: some encoders are quicker then.
fn fill_at_once(
    source: &Source,
    lanes: &mut [Lane<'_>],
    wanted: bool,
    room: &mut Room,
) -> Result<Option<String>> {
    let mut encoded = mem::take(&mut room.encoded);
    let content = room.content(usize::try_from(source.size)?)?;
    source.read(content, 0)?;
    let needed = wanted || lanes.iter().any(|it| it.encrypted);
    for lane in lanes {
        lane.write_whole(content, &mut encoded);
    }
    let hash = needed.then(|| blake3::hash(content).to_hex().to_string());
    room.encoded = encoded;
    Ok(hash)
}

fn grouped(name: FileName, targets: &[&Target]) -> Vec<(Encoding, Vec<usize>)> {
    let mut groups: Vec<(Encoding, Vec<usize>)> = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        let encoding = Encoding::of(name, target);
        match groups.iter_mut().find(|it| it.0 == encoding) {
            Some((_, members)) => members.push(at),
            None => groups.push((encoding, vec![at])),
        }
    }
    groups
}

/// What is done to the content on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Encoding {
    compress: Option<String>,
    encrypt: Option<String>,
}

impl Encoding {
    /// Histories and labels are too small to be worth compressing.
    fn of(name: FileName, target: &Target) -> Self {
        let large = matches!(name, FileName::Segment(_) | FileName::Partial(_));
        let named = |it: &String| (it != NONE).then(|| it.clone());
        Self {
            compress: named(&target.destination.compress).filter(|_| large),
            encrypt: named(&target.destination.encrypt),
        }
    }

    fn is_plain(&self) -> bool {
        self.compress.is_none() && self.encrypt.is_none()
    }

    fn suffix(&self, host: &Host) -> Result<String> {
        let mut suffix = String::new();
        if let Some(name) = &self.compress {
            suffix.push_str(host.compressor(name)?.suffix());
        }
        if let Some(name) = &self.encrypt {
            suffix.push_str(host.encryptor(name)?.suffix());
        }
        Ok(suffix)
    }

    /// Begins to encode into `to`.
    fn stream<'a>(&self, manner: &Manner<'_>, size: u64, to: Fan<'a>) -> Result<Stream<'a>> {
        let host = manner.host;
        let unknown = StreamOptions { threads: Some(manner.threads), ..StreamOptions::default() };
        let known = StreamOptions { size_hint: Some(size), ..unknown };
        let compress = self.compress.as_ref().map(|it| host.compressor(it)?.encoder(known));
        let encrypt = self.encrypt.as_ref().map(|it| host.encryptor(it)?.encoder(unknown));
        Ok(match (compress.transpose()?, encrypt.transpose()?) {
            (None, None) => Stream::Plain(to),
            (Some(codec), None) | (None, Some(codec)) => {
                Stream::Once(Box::new(EncodeWriter::new(codec, to)))
            }
            (Some(inner), Some(outer)) => {
                let outer = EncodeWriter::new(outer, to);
                Stream::Twice(Box::new(EncodeWriter::new(inner, outer)))
            }
        })
    }
}

/// One encoding, and the storages that get it.
struct Lane<'a> {
    members: Vec<usize>,
    encrypted: bool,
    stream: Result<Stream<'a>>,
}

enum Stream<'a> {
    Plain(Fan<'a>),
    Once(Box<EncodeWriter<Fan<'a>>>),
    Twice(Box<EncodeWriter<EncodeWriter<Fan<'a>>>>),
}

/// What is noted of an encrypted object before it appears.
struct Note<'a> {
    server: &'a str,
    name: FileName,
    content: Option<&'a str>,
}

impl<'a> Lane<'a> {
    fn new(manner: &Manner<'_>, encoding: &Encoding, size: u64, fan: Fan<'a>) -> Self {
        let members = fan.members.iter().map(|it| it.at).collect();
        let encrypted = encoding.encrypt.is_some();
        Self { members, encrypted, stream: encoding.stream(manner, size, fan) }
    }

    fn write(&mut self, data: &[u8]) {
        let Ok(stream) = &mut self.stream else { return };
        let written = match stream {
            Stream::Plain(to) => to.write_all(data),
            Stream::Once(to) => to.write_all(data),
            Stream::Twice(to) => to.write_all(data),
        };
        if let Err(error) = written {
            self.stream = Err(error.into());
        }
    }

    /// Writes everything, and ends the encoding.
    fn write_whole(&mut self, data: &[u8], encoded: &mut Vec<u8>) {
        let nothing = Err(Error::msg("nothing is encoded any more"));
        self.stream = mem::replace(&mut self.stream, nothing).and_then(|stream| {
            let ended = match stream {
                Stream::Plain(mut to) => to.write_all(data).map(|()| to),
                Stream::Once(to) => to.finish_with(data, encoded),
                Stream::Twice(to) => to.finish_with(data, encoded).and_then(EncodeWriter::finish),
            };
            Ok(Stream::Plain(ended?))
        });
    }

    /// Makes it durable in every storage that has taken all of it.
    fn finish(self, note: &Note<'_>) -> Vec<(usize, Put)> {
        let finished = self.stream.and_then(|stream| match stream {
            Stream::Plain(to) => Ok(to),
            Stream::Once(to) => to.finish().map_err(Error::from),
            Stream::Twice(to) => to.finish().and_then(EncodeWriter::finish).map_err(Error::from),
        });
        match finished {
            Ok(fan) => fan.commit(note),
            Err(error) => self.members.into_iter().map(|at| (at, Err(error.clone()))).collect(),
        }
    }
}

/// Gives everything to several storages. One that fails gets no more.
#[derive(Default)]
struct Fan<'a> {
    members: Vec<Member<'a>>,
}

struct Member<'a> {
    at: usize,
    storage: &'a StorageHandle,
    put: Box<dyn PutStream>,
    /// Of an encrypted object's own bytes.
    hasher: Option<blake3::Hasher>,
    failed: Option<Error>,
}

impl Fan<'_> {
    /// Storages wait for their disks and networks at the same time.
    fn commit(self, note: &Note<'_>) -> Vec<(usize, Put)> {
        let mut members = self.members;
        let Some(last) = members.pop() else { return Vec::new() };
        thread::scope(|scope| {
            let others: Vec<_> = members
                .into_iter()
                .map(|it| (it.at, scope.spawn(move || it.commit(note))))
                .collect();
            let mut results = vec![(last.at, last.commit(note))];
            for (at, waiting) in others {
                let panicked = |_| Err(Error::msg("a storage came to grief"));
                results.push((at, waiting.join().unwrap_or_else(panicked)));
            }
            results
        })
    }
}

impl<'a> Member<'a> {
    fn open(
        manner: &Manner<'_>,
        source: &Source,
        (at, target): (usize, &'a Target),
        encoding: &Encoding,
    ) -> Result<Self> {
        let key = key(manner.host, manner.server, source.name, target)?;
        let size_hint = encoding.is_plain().then_some(source.size);
        let storage = target.storage(manner.host)?;
        let put = storage.put(&key, PutOptions { create_only: true, size_hint })?;
        let hasher = encoding.encrypt.as_ref().map(|_| blake3::Hasher::new());
        Ok(Self { at, storage, put, hasher, failed: None })
    }

    fn commit(mut self, note: &Note<'_>) -> Put {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let (Some(hasher), Some(content)) = (self.hasher, note.content) {
            let object = hasher.finalize().to_hex().to_string();
            let digest = Digest { content: content.to_owned(), object };
            digest::write(self.storage, note.server, note.name, &digest)?;
        }
        self.put.commit()
    }
}

impl Write for Fan<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        for it in self.members.iter_mut().filter(|it| it.failed.is_none()) {
            it.failed = it.put.write(data).err();
            if let Some(hasher) = &mut it.hasher {
                hasher.update(data);
            }
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
