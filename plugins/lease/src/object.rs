//! The lease's object in the storage.

use std::{io::Read, sync::Arc, thread, time::Duration};

use hayloft_plugin_api::{
    ByteRange, Error, ErrorKind, PutOptions, PutStream, Result, StorageHandle,
};

use crate::{error::LeaseError, record::Record};

/// No lease is larger.
const LARGEST: u64 = 64 << 10;
/// How often an object is looked at again that changes while it is looked at.
const TRIES: u32 = 20;

/// Where a lease is.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) storage: Arc<StorageHandle>,
    pub(crate) key: String,
}

/// A lease as it was at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) etag: String,
    pub(crate) record: Record,
}

/// What became of an attempt to write.
#[derive(Debug)]
pub(crate) enum Written {
    /// It is there, with this etag.
    Ours(String),
    /// It is not, but what the same holder has tried before is, with this
    /// etag: no answer had come.
    Earlier(String),
    /// Somebody else was quicker.
    Theirs,
}

/// Who has a lease, for people; see [`holder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What it calls itself.
    pub name: String,
    /// Its term.
    pub term: u64,
    /// How long the lease lasts when it is not renewed.
    pub ttl: Duration,
    /// Whether it has given the lease back.
    pub released: bool,
}

/// Tells who has a lease, or had it last: whether that one is still alive
/// shows only when it is renewed. `None` if it never was had.
///
/// # Errors
///
/// [`ErrorKind::CORRUPT`] for what is no lease, and the storage's own.
pub fn holder(storage: Arc<StorageHandle>, key: &str) -> Result<Option<Holder>> {
    let object = Object { storage, key: key.to_owned() };
    let seen = object.look().map_err(LeaseError::into_error)?;
    Ok(seen.map(|Seen { record, .. }| Holder {
        ttl: record.ttl(),
        name: record.holder,
        term: record.term,
        released: record.released,
    }))
}

impl Object {
    pub(crate) fn failed(&self, doing: &'static str, error: Error) -> LeaseError {
        LeaseError::Storage { doing, key: self.key.clone(), cause: Box::new(error) }
    }

    /// Returns the lease as it is; `None` if it never was had.
    pub(crate) fn look(&self) -> Result<Option<Seen>, LeaseError> {
        for tried in 0..TRIES {
            thread::sleep(Duration::from_millis(10 * u64::from(tried)));
            match self.try_look() {
                Ok(None) => return Ok(None),
                Ok(Some((etag, content))) if !etag.is_empty() => {
                    let record = Record::from_bytes(&content)
                        .ok_or_else(|| LeaseError::Damaged { key: self.key.clone() })?;
                    return Ok(Some(Seen { etag, record }));
                }
                // It has changed meanwhile.
                Ok(Some(_)) => {}
                Err(error) => return Err(self.failed("read", error)),
            }
        }
        let error = Error::new(ErrorKind::TRANSIENT, "it changes faster than it can be read");
        Err(self.failed("read", error))
    }

    /// Returns the etag, which is empty if it does not belong to the content.
    fn try_look(&self) -> Result<Option<(String, Vec<u8>)>> {
        let Some(before) = self.storage.stat(&self.key)? else { return Ok(None) };
        let mut content = Vec::new();
        match self.storage.get(&self.key, ByteRange::ALL) {
            Ok(reader) => reader.take(LARGEST).read_to_end(&mut content)?,
            Err(error) if error.kind() == ErrorKind::NOT_FOUND => return Ok(None),
            Err(error) => return Err(error),
        };
        let after = self.storage.stat(&self.key)?;
        let same = after.filter(|it| it.etag == before.etag);
        Ok(Some((same.map(|it| it.etag).unwrap_or_default(), content)))
    }

    /// Returns the etag of now.
    pub(crate) fn etag(&self) -> Result<Option<String>, LeaseError> {
        let meta = self.storage.stat(&self.key).map_err(|e| self.failed("look at", e))?;
        Ok(meta.map(|it| it.etag))
    }

    /// Creates the object, or replaces the one with that etag.
    pub(crate) fn write(&self, etag: Option<&str>, record: &Record) -> Result<Written, LeaseError> {
        match self.try_write(etag, record) {
            Ok(etag) if !etag.is_empty() => Ok(Written::Ours(etag)),
            Ok(_) => Err(LeaseError::Untrusted {
                key: self.key.clone(),
                why: "its objects have no etags".to_owned(),
            }),
            Err(error) if is_final(&error) => Err(self.failed("write", error)),
            Err(error) => self.settle(record, error),
        }
    }

    /// Writes without asking what came of it if that is not clear.
    pub(crate) fn try_write(&self, etag: Option<&str>, record: &Record) -> Result<String> {
        let content = record.to_bytes();
        let size_hint = Some(content.len() as u64);
        let mut put: Box<dyn PutStream> = match etag {
            Some(etag) => {
                let options = PutOptions { create_only: false, size_hint };
                self.storage.replace(&self.key, etag, options)?
            }
            None => self.storage.put(&self.key, PutOptions { create_only: true, size_hint })?,
        };
        put.write(&content)?;
        put.commit().map(|meta| meta.etag)
    }

    /// Finds out what came of an attempt. That it failed may be the answer to
    /// a repetition whose first try had succeeded, and that no answer came
    /// says nothing at all.
    fn settle(&self, record: &Record, error: Error) -> Result<Written, LeaseError> {
        let lost = matches!(error.kind(), ErrorKind::CHANGED | ErrorKind::ALREADY_EXISTS);
        match self.look()? {
            Some(seen) if seen.record == *record => Ok(Written::Ours(seen.etag)),
            Some(seen) if lost && seen.record.token == record.token => {
                Ok(Written::Earlier(seen.etag))
            }
            _ if lost => Ok(Written::Theirs),
            _ => Err(self.failed("write", error)),
        }
    }
}

/// Tells whether the storage has not even tried.
fn is_final(error: &Error) -> bool {
    let kinds = [ErrorKind::UNSUPPORTED, ErrorKind::CONFIGURATION, ErrorKind::PANIC];
    kinds.contains(&error.kind())
}
