//! Reading what was stored, whatever it was encoded with.

use std::io::{self, Read, Write};

use hayloft_plugin_api::{ByteRange, DecodeReader, Error, ErrorKind, Host, Result, StorageHandle};
use hayloft_postgres::wal::{FileName, RecordCheck, SegmentHeader};

use super::{Stored, compare, place, source};

/// How much is in memory at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// How many bytes tell what a stream was encoded with.
const HEAD: usize = 64;
/// How many times content may be encoded: compressed, then encrypted.
const MOST_LAYERS: usize = 3;

/// Opens an object and undoes whatever was done to its content.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] if there is no such object, or no key that opens
/// it; the message tells which. [`ErrorKind::UNSUPPORTED`] if no plugin can
/// read it. What is damaged shows when it is read.
pub(super) fn open(
    host: &Host,
    storage: &StorageHandle,
    key: &str,
) -> Result<Box<dyn Read + Send>> {
    decoded(host, key, storage.get(key, ByteRange::ALL)?)
}

/// Undoes whatever was done to the content of an object.
///
/// # Errors
///
/// As [`open`].
pub(super) fn decoded<'r>(
    host: &Host,
    key: &str,
    object: Box<dyn Read + Send + 'r>,
) -> Result<Box<dyn Read + Send + 'r>> {
    let mut reader = object;
    let mut name = key.rsplit('/').next().unwrap_or(key).to_owned();
    let mut plain = false;
    for _ in 0..MOST_LAYERS {
        let head = head(&mut reader)?;
        // A segment is one, whatever it is called.
        plain = SegmentHeader::parse(&head).is_ok();
        let transform = if plain { None } else { host.recognise(&name, &head)? };
        reader = Box::new(io::Cursor::new(head).chain(reader));
        let Some(transform) = transform else { break };
        if let Some(rest) = name.strip_suffix(transform.suffix()) {
            name.truncate(rest.len());
        }
        let decoder = transform.decoder().map_err(|e| e.context(format!("cannot decode {key}")))?;
        reader = Box::new(DecodeReader::new(decoder, reader));
    }
    if !plain && place::SUFFIXES.iter().any(|it| name.ends_with(it)) {
        let message = format!("no plugin can read {key}");
        return Err(Error::new(ErrorKind::UNSUPPORTED, message)
            .hint("`hayloft plugin list` shows the compressors and encryptors that there are"));
    }
    Ok(reader)
}

fn head(reader: &mut dyn Read) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    reader.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Copies what is stored, decoded and checked, to `to`; returns its length.
///
/// # Errors
///
/// As [`open`], and [`ErrorKind::CORRUPT`] if it is not what its name says.
pub(super) fn copy(
    host: &Host,
    storage: &StorageHandle,
    stored: &Stored,
    to: &mut dyn Write,
) -> Result<u64> {
    let mut reader = open(host, storage, &stored.object.key)?;
    let mut buffer = vec![0; BUFFER];
    let (mut length, mut header, mut check) = (0_u64, None, None);
    loop {
        let read = compare::full(&mut reader, &mut buffer)?;
        if length == 0
            && let FileName::Segment(name) | FileName::Partial(name) = stored.name
        {
            let found = source::check_head(&buffer[..read], name).map_err(damaged)?;
            let whole = matches!(stored.name, FileName::Segment(_));
            check = whole.then(|| RecordCheck::new(name, &found, None));
            header = Some(found);
        }
        if let Some(check) = &mut check {
            check.feed(&buffer[..read]);
        }
        to.write_all(&buffer[..read])?;
        length += read as u64;
        if read < buffer.len() {
            break;
        }
    }
    check_length(stored.name, length, header.as_ref())?;
    // Where a log ends, recovery ends: that is no damage. A bit that is wrong
    // in the middle of one would look to it like an end.
    check.map(RecordCheck::finish).transpose().map_err(|it| damaged(it.to_string()))?;
    Ok(length)
}

/// Tells whether a file can have so many bytes.
///
/// # Errors
///
/// [`ErrorKind::CORRUPT`] if not.
pub(super) fn check_length(
    name: FileName,
    length: u64,
    header: Option<&SegmentHeader>,
) -> Result<()> {
    let Some(bytes) = header.map(|it| it.segment_size.bytes()) else {
        return if length == 0 { Err(damaged("it is empty".to_owned())) } else { Ok(()) };
    };
    if length > bytes || (length < bytes && matches!(name, FileName::Segment(_))) {
        let why = format!("it has {length} bytes, and segments of its cluster have {bytes}");
        return Err(damaged(why));
    }
    Ok(())
}

pub(super) fn damaged(why: String) -> Error {
    Error::new(ErrorKind::CORRUPT, why)
}
