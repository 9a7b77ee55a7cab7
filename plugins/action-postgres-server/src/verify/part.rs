//! Reading a part from its beginning to its end.

use std::{
    cell::RefCell,
    io::{self, Read},
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc,
        mpsc::{SyncSender, channel},
    },
};

use blake3::{Hash, Hasher};
use hayloft_plugin_api::{ByteRange, DecodeReader, Error, ErrorKind, Host, Result, StorageHandle};

use super::frames::{Gathering, Piece, Spare};
use crate::{backup::Compressor, manifest::Part};

/// How much is read at a time, in bytes.
const BUFFER: usize = 256 << 10;
/// How many bytes tell what a stream was encoded with.
const HEAD: usize = 64;

/// A frame that is expected in a part.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// Where it is.
    pub(super) offset: u64,
    /// How many bytes it has there.
    pub(super) stored: u32,
    /// How many bytes its content has.
    pub(super) length: usize,
    /// The hash of the content.
    pub(super) hash: Hash,
    /// The file that it is of.
    pub(super) file: Arc<PathBuf>,
}

/// Those who compare frames, and memory for these.
pub(super) type Shared<'a> = (&'a SyncSender<Piece>, &'a Spare);

/// What is wrong with a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What.
    pub(super) problem: String,
    /// The first file that is damaged by it.
    pub(super) file: Option<Arc<PathBuf>>,
}

/// Reads a part and compares it, and the frames in it, with their hashes; each
/// piece that was read is told to `step`.
///
/// # Errors
///
/// Those of `step`, which ends it. That it is damaged, or cannot be read, is
/// the value.
pub(super) fn check(
    host: &Host,
    storage: &StorageHandle,
    (key, part): (&str, &Part),
    (frames, shared): (&Arc<[Expected]>, Shared<'_>),
    step: &dyn Fn(u64) -> Result<()>,
) -> Result<Option<Wrong>> {
    let stopped = RefCell::new(None);
    let told = |bytes: u64| {
        step(bytes).map_err(|e| {
            let kind = e.kind();
            *stopped.borrow_mut() = Some(e);
            Error::new(kind, "it is to end")
        })
    };
    let hasher = Rc::new(RefCell::new((Hasher::new(), 0_u64)));
    let result = read(host, storage, (key, part), (frames, shared), (&told, &hasher));
    if let Some(error) = stopped.into_inner() {
        return Err(error);
    }
    let (hasher, size) = &*hasher.borrow();
    let mut wrong = result
        .unwrap_or_else(|error| Some(Wrong { problem: crate::intake::chain(&error), file: None }));
    let whole = *size == part.size && hasher.finalize().to_hex().as_str() == part.blake3;
    if !whole && wrong.is_none() {
        wrong = Some(Wrong { problem: "its hash is another one".to_owned(), file: None });
    }
    if let Some(it) = &mut wrong
        && it.file.is_none()
    {
        it.file = frames.first().map(|it| Arc::clone(&it.file));
    }
    Ok(wrong)
}

type Told<'a> = (&'a dyn Fn(u64) -> Result<()>, &'a Rc<RefCell<(Hasher, u64)>>);

fn read(
    host: &Host,
    storage: &StorageHandle,
    (key, part): (&str, &Part),
    frames: (&Arc<[Expected]>, Shared<'_>),
    (told, hasher): Told<'_>,
) -> Result<Option<Wrong>> {
    let reader = storage.get(key, ByteRange::ALL)?;
    let mut raw = Hashing { reader, told, hasher: Rc::clone(hasher) };
    let mut wrong = None;
    if part.encrypted.is_empty() {
        wrong = compare(host, part, frames, &mut raw)?;
    } else {
        let mut head = Vec::with_capacity(HEAD);
        (&mut raw).take(HEAD as u64).read_to_end(&mut head)?;
        let transform = host.recognise(&part.name, &head)?.ok_or_else(|| {
            Error::new(ErrorKind::UNSUPPORTED, "no plugin can decrypt it")
                .hint("`hayloft plugin list` shows the encryptors that there are")
        })?;
        match transform.decoder() {
            Ok(decoder) => {
                let whole = io::Cursor::new(head).chain(&mut raw);
                wrong = compare(host, part, frames, &mut DecodeReader::new(decoder, whole))?;
            }
            // The stored bytes have a hash that needs no key.
            Err(error) if error.kind() == ErrorKind::NOT_FOUND => {
                tracing::info!("{key} is not decrypted: {error}");
            }
            Err(error) => return Err(error),
        }
    }
    io::copy(&mut raw, &mut io::sink())?;
    Ok(wrong)
}

/// Reads frames, in the order of their places, and lets others compare them;
/// returns what is wrong with the first that is damaged.
fn compare(
    host: &Host,
    part: &Part,
    (frames, shared): (&Arc<[Expected]>, Shared<'_>),
    from: &mut dyn Read,
) -> Result<Option<Wrong>> {
    let compressor = Compressor::of_suffix(host, &part.compressed)?;
    let (damaged, told) = channel();
    let mut gathering = Gathering::new(shared, compressor, Arc::clone(frames), damaged);
    let mut at = 0;
    for frame in frames.iter() {
        let skip = frame.offset.saturating_sub(at);
        let skipped = io::copy(&mut from.take(skip), &mut io::sink())?;
        let stored = gathering.memory();
        let before = stored.len();
        from.take(u64::from(frame.stored)).read_to_end(stored)?;
        let read = stored.len() - before;
        at += skipped + read as u64;
        gathering.gathered();
        if read != frame.stored as usize {
            break;
        }
    }
    gathering.finish();
    // Encrypted streams say at their end whether they are whole.
    io::copy(from, &mut io::sink())?;
    // This ends when the last of them was compared.
    let first = told.iter().min_by_key(|it| it.0);
    Ok(first.map(|(index, problem)| Wrong {
        problem,
        file: frames.get(index).map(|it| Arc::clone(&it.file)),
    }))
}

/// Hashes what is read.
struct Hashing<'a> {
    reader: Box<dyn Read + Send>,
    told: &'a dyn Fn(u64) -> Result<()>,
    hasher: Rc<RefCell<(Hasher, u64)>>,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(BUFFER);
        let read = self.reader.read(&mut buffer[..most])?;
        let mut hasher = self.hasher.borrow_mut();
        hasher.0.update(&buffer[..read]);
        hasher.1 += read as u64;
        (self.told)(read as u64).map_err(Error::into_io)?;
        Ok(read)
    }
}
