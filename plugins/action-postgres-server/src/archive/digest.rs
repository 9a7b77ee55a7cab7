//! What is known of the content of an encrypted object.
//!
//! Who may write to an archive cannot always read it: the secret key is kept
//! elsewhere. So that the same segment can be told from another one when it
//! comes once more, a small object beside the archive says what the encrypted
//! one holds: the hash of the content, and that of the object's own bytes. It
//! is written before the object appears. That two servers write at the same
//! time does no harm: each writes a note of its own, and only that of the
//! object that is there agrees with it.

use std::io::Read;

use hayloft_plugin_api::{ByteRange, ErrorKind, ObjectMeta, PutOptions, Result, StorageHandle};
use hayloft_postgres::wal::FileName;
use serde::{Deserialize, Serialize};

use super::{examine::hash, place};

/// More than a note has, in bytes.
const MOST: u64 = 4 << 10;
/// More notes of one file than there can be.
const MOST_NOTES: u32 = 256;

/// The note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digest {
    /// BLAKE3 of the content, in hexadecimal digits.
    pub(super) content: String,
    /// BLAKE3 of the object's bytes.
    pub(super) object: String,
}

/// Makes a note durable.
///
/// # Errors
///
/// If that is impossible.
pub(super) fn write(
    storage: &StorageHandle,
    server: &str,
    name: FileName,
    digest: &Digest,
) -> Result<()> {
    let text = serde_json::to_vec(digest)?;
    // Another note of the same bytes says the same.
    let key = format!("{}{}", place::digests(server, name), &digest.object[..16]);
    let options = PutOptions { create_only: false, size_hint: Some(text.len() as u64) };
    let mut put = storage.put(&key, options)?;
    put.write(&text)?;
    put.commit().map(drop)
}

/// Tells whether an object holds what has that hash, without decrypting it;
/// `None` if nothing is noted of the object.
///
/// # Errors
///
/// If the storage cannot tell.
pub(super) fn same(
    storage: &StorageHandle,
    server: &str,
    name: FileName,
    key: &str,
    content: &str,
) -> Result<Option<bool>> {
    let notes = storage.list(&place::digests(server, name), "", MOST_NOTES)?;
    if notes.is_empty() {
        return Ok(None);
    }
    let object = hash(&mut storage.get(key, ByteRange::ALL)?)?;
    let found = noted(storage, &notes, &object)?;
    Ok(found.map(|digest| digest.content == content))
}

/// Tells whether the bytes of an object are those that were written; `None`
/// if nothing is noted of the file.
///
/// # Errors
///
/// If the storage cannot tell.
pub(super) fn intact(
    storage: &StorageHandle,
    server: &str,
    name: FileName,
    object: &mut dyn Read,
) -> Result<Option<bool>> {
    let notes = storage.list(&place::digests(server, name), "", MOST_NOTES)?;
    if notes.is_empty() {
        return Ok(None);
    }
    Ok(Some(noted(storage, &notes, &hash(object)?)?.is_some()))
}

/// Returns the note of an object with that hash.
fn noted(storage: &StorageHandle, notes: &[ObjectMeta], object: &str) -> Result<Option<Digest>> {
    for note in notes {
        match read(storage, &note.key)? {
            Some(digest) if digest.object == object => return Ok(Some(digest)),
            _ => {}
        }
    }
    Ok(None)
}

/// Removes the notes of a file, after its objects.
///
/// # Errors
///
/// If one stays.
pub(super) fn remove(storage: &StorageHandle, server: &str, name: FileName) -> Result<()> {
    for note in storage.list(&place::digests(server, name), "", MOST_NOTES)? {
        storage.delete(&note.key)?;
    }
    Ok(())
}

fn read(storage: &StorageHandle, key: &str) -> Result<Option<Digest>> {
    let mut text = Vec::new();
    match storage.get(key, ByteRange { offset: 0, length: Some(MOST) }) {
        Ok(reader) => reader.take(MOST).read_to_end(&mut text)?,
        Err(error) if error.kind() == ErrorKind::NOT_FOUND => return Ok(None),
        Err(error) => return Err(error),
    };
    // One that cannot be read proves nothing.
    Ok(serde_json::from_slice(&text).ok())
}
