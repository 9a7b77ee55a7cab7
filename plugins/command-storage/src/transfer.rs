//! Bytes on their way, whole or not at all.

use std::io::{self, Read};

use hayloft_plugin_api::{
    ByteRange, Chunk, Error, ErrorKind, Host, ObjectMeta, Progress, PutStream, Result,
    StorageHandle,
};
use sha2::{Digest, Sha256};

/// How much is read at a time.
const PIECE: usize = 512 << 10;

/// What went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) size: u64,
    pub(crate) sha256: [u8; 32],
}

/// Who is told how much went through, and asked whether to go on.
pub(crate) type Meter<'a> = &'a dyn Fn(u64) -> Result<()>;

/// Reads everything into pieces that are as full as can be, and gives each to
/// `each`.
///
/// # Errors
///
/// Those of reading, of the meter, and of `each`.
fn pump(
    mut from: impl Read,
    meter: Meter<'_>,
    mut each: impl FnMut(Vec<u8>) -> Result<()>,
) -> Result<u64> {
    let mut size = 0;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        from.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok(size);
        }
        let length = piece.len() as u64;
        each(piece)?;
        size += length;
        meter(length)?;
    }
}

/// The same, for those who only look at the pieces: all are in the same memory.
///
/// # Errors
///
/// As [`pump`].
fn look(
    mut from: impl Read,
    meter: Meter<'_>,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let (mut size, mut piece) = (0, vec![0; PIECE]);
    loop {
        let mut length = 0;
        while length < PIECE {
            match from.read(&mut piece[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if length == 0 {
            return Ok(size);
        }
        each(&piece[..length])?;
        size += length as u64;
        meter(length as u64)?;
    }
}

/// Writes everything into an object and commits it. With an error nothing of
/// it stays.
///
/// # Errors
///
/// Those of reading, writing and the meter; [`ErrorKind::CORRUPT`] if the
/// storage has another size than was sent.
pub(crate) fn send(
    from: impl Read,
    to: &mut dyn PutStream,
    meter: Meter<'_>,
) -> Result<(ObjectMeta, Sent)> {
    let mut hash = Sha256::new();
    let written = pump(from, meter, |piece| {
        hash.update(&piece);
        to.write_owned(Chunk::from(piece))
    });
    let size = match written {
        Ok(size) => size,
        Err(error) => {
            if let Err(left) = to.abort() {
                tracing::warn!("what was begun stays behind: {left}");
            }
            return Err(error);
        }
    };
    let meta = to.commit()?;
    if meta.size != size {
        let message =
            format!("{} has {} bytes after {size} were written to it", meta.key, meta.size);
        return Err(Error::new(ErrorKind::CORRUPT, message));
    }
    Ok((meta, Sent { size, sha256: hash.finalize().into() }))
}

/// Reads an object and returns its digest.
///
/// # Errors
///
/// Those of reading and the meter.
pub(crate) fn digest(storage: &StorageHandle, key: &str, meter: Meter<'_>) -> Result<Sent> {
    let mut hash = Sha256::new();
    let size = look(storage.get(key, ByteRange::ALL)?, meter, |piece| {
        hash.update(piece);
        Ok(())
    })?;
    Ok(Sent { size, sha256: hash.finalize().into() })
}

/// Reads an object to its end, which must be where the storage says.
///
/// # Errors
///
/// Those of reading, of the meter, and of `each`; [`ErrorKind::CORRUPT`] if
/// another number of bytes comes.
pub(crate) fn receive(
    storage: &StorageHandle,
    object: &ObjectMeta,
    meter: Meter<'_>,
    each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let size = look(storage.get(&object.key, ByteRange::ALL)?, meter, each)?;
    if size == object.size {
        return Ok(());
    }
    let message = format!("{} has {} bytes, but {size} came", object.key, object.size);
    Err(Error::new(ErrorKind::CORRUPT, message).hint("if it was just being replaced, try again"))
}

/// How often something is done if it may pass.
const TRIES: u32 = 3;

/// Does something again as long as trying again may help, a few times. Storages
/// try single requests again themselves: this is for what can only begin anew,
/// such as a download that was damaged on its way.
///
/// # Errors
///
/// The last one.
pub(crate) fn tried<T>(host: &Host, doing: impl Fn() -> Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match doing() {
            Err(error) if error.is_transient() && tries < TRIES => {
                host.check_cancelled()?;
                tracing::warn!("trying again: {error}");
                tries += 1;
            }
            other => return other,
        }
    }
}

/// Returns a meter that shows the progress of one object and stops when the
/// work is to end.
pub(crate) fn metered<'a>(
    host: &'a Host,
    what: &'a str,
    total: Option<u64>,
) -> impl Fn(u64) -> Result<()> + 'a {
    let done = std::cell::Cell::new(0);
    move |bytes| {
        done.set(done.get() + bytes);
        host.progress(Progress { what, done: done.get(), total: total.unwrap_or(0) });
        host.check_cancelled()
    }
}

/// The error for an object that is not there.
pub(crate) fn missing(place: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::NOT_FOUND, format!("there is no object {place}"))
}
