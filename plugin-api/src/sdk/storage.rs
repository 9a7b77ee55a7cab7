//! Places that keep named objects.

use std::{fmt, io::Read, ops::Deref, path::PathBuf};

use abi_stable::std_types::RVec;
use serde::{Deserialize, Serialize};

use super::{Capabilities, Host, Leftover, Outcome, Protection, Request, Sweep, Undeleted};
use crate::{
    abi::{PutBox, StorageBox},
    config::Configuration,
    error::{Error, ErrorKind, Result},
    shim::client,
};

/// What a storage knows of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The object's name.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was made visible, in nanoseconds since 1970; 0 if unknown.
    pub modified_ns: i64,
    /// A token that changes with the content; empty if the storage has none.
    pub etag: String,
}

/// How an object is to be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// Fail with [`ErrorKind::ALREADY_EXISTS`](crate::ErrorKind::ALREADY_EXISTS),
    /// at the latest on commit, if the key is taken. Otherwise an object of
    /// that name is replaced in one step.
    pub create_only: bool,
    /// The object's size in bytes, if it is known.
    pub size_hint: Option<u64>,
}

/// A part of an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByteRange {
    /// Where it begins.
    pub offset: u64,
    /// How long it is; `None` is up to the end.
    pub length: Option<u64>,
}

impl ByteRange {
    /// The whole object.
    pub const ALL: Self = Self { offset: 0, length: None };
}

/// An owned piece of data allocated by the host.
///
/// It can be kept as long as needed, for example inside `bytes::Bytes`; the
/// memory goes back to the host when it is dropped.
#[derive(Debug)]
pub struct Chunk(pub(crate) RVec<u8>);

impl Deref for Chunk {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

/// An object that is being written. Dropping it without [`PutStream::commit`]
/// aborts: nothing of it stays.
pub trait PutStream: Send {
    /// Appends `data`.
    ///
    /// # Errors
    ///
    /// Whatever keeps the data from being kept; the stream is useless then.
    fn write(&mut self, data: &[u8]) -> Result<()>;

    /// Appends `data` without a copy where the storage can.
    ///
    /// # Errors
    ///
    /// As [`PutStream::write`].
    fn write_owned(&mut self, data: Chunk) -> Result<()> {
        self.write(&data)
    }

    /// Makes the object visible, whole and durable. Only after this has
    /// returned may anybody be told that the object is stored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ALREADY_EXISTS`](crate::ErrorKind::ALREADY_EXISTS) if the
    /// key is taken and was to be created.
    fn commit(&mut self) -> Result<ObjectMeta>;

    /// Gives up: removes whatever was written.
    ///
    /// # Errors
    ///
    /// If something stays behind.
    fn abort(&mut self) -> Result<()>;
}

/// A directory with everything in it, for [`Storage::put_trees`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Where it is to be in the storage, such as `2026/11/17`: a key of one
    /// or more segments.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
}

/// Keeps named objects.
///
/// A key is one or more segments joined by `/`; a segment is not empty, not
/// `.` and not `..`, and has no control characters. The host refuses any other
/// key before it asks. The host calls from several threads at once.
pub trait Storage: Sized + Send + Sync + 'static {
    /// The `<storage>` element of that name, without `<name>` and `<type>`.
    type Config: Configuration;

    /// Creates it. Connections are made when they are first needed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`](crate::ErrorKind::CONFIGURATION) for a
    /// value that decodes but cannot be used.
    fn new(config: Self::Config) -> Result<Self>;

    /// Begins to write the object `key`. No reader ever sees part of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ALREADY_EXISTS`](crate::ErrorKind::ALREADY_EXISTS) at
    /// once, where the storage can tell that early.
    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>>;

    /// Opens a part of the object `key` for reading. A range that begins at
    /// or after the end is empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`](crate::ErrorKind::NOT_FOUND) if there is none.
    fn get(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>>;

    /// Returns what is known of the object `key`, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the storage cannot tell; never for an object that is not there.
    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>>;

    /// Returns up to `limit` objects whose key begins with `prefix` and comes
    /// after `after`, in the order of the keys' bytes. An answer that is
    /// shorter than `limit` is the end.
    ///
    /// # Errors
    ///
    /// If the storage cannot tell.
    fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>>;

    /// Removes the object `key`; one that is not there is removed already.
    ///
    /// # Errors
    ///
    /// If it is still there.
    fn delete(&self, key: &str) -> Result<()>;

    /// Writes whole directory trees in one go: for a medium, such as a disc,
    /// that takes a session with everything in it and no single objects.
    /// Everything else of such a storage says
    /// [`ErrorKind::UNSUPPORTED`](crate::ErrorKind::UNSUPPORTED).
    ///
    /// `host` is what the calling action was given, and `request` what it was
    /// asked: with `full` everything on the medium may be replaced, and with
    /// `dry_run` nothing is touched. `Ok` means that all trees are on the
    /// medium, and checked if that was asked for. Without any trees nothing is
    /// done; that is how to find out what a storage takes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UNSUPPORTED`](crate::ErrorKind::UNSUPPORTED) by a storage
    /// that takes objects; else whatever keeps any of the trees off the medium.
    fn put_trees(&self, host: &Host, request: &Request, trees: &[Tree]) -> Result<Outcome> {
        let _ = (host, request, trees);
        Err(Error::new(
            ErrorKind::UNSUPPORTED,
            "this storage takes single objects, no directory trees",
        ))
    }

    /// Says what it can do. This may cost requests, and an object that is
    /// written and removed to find out whether the store keeps its word: so
    /// the caller asks seldom, and the storage remembers the answer.
    ///
    /// # Errors
    ///
    /// If the storage cannot tell.
    fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities::default())
    }

    /// Begins to replace the object `key`, provided that it still has that
    /// `etag` at the moment of the commit: it is neither replaced nor removed
    /// since somebody got the etag from [`Storage::stat`], [`Storage::list`]
    /// or a commit. [`PutOptions::create_only`] means nothing here.
    ///
    /// For this to work, an object's etag is never one that the same key had
    /// before with other content.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CHANGED`], at the latest on commit, if it has another etag
    /// or is not there; nothing has changed then.
    /// [`ErrorKind::UNSUPPORTED`] if the storage has no such thing.
    fn replace(&self, key: &str, etag: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        let _ = (key, etag, options);
        Err(Error::new(
            ErrorKind::UNSUPPORTED,
            "this storage cannot tell whether somebody else has replaced an object",
        ))
    }

    /// Removes many objects, any number of them, as [`Storage::delete`] does
    /// with one. Returns those that are still there.
    ///
    /// # Errors
    ///
    /// If it is not known which are still there.
    fn delete_many(&self, keys: &[&str]) -> Result<Vec<Undeleted>> {
        let one = |(index, key): (usize, &&str)| {
            self.delete(key).err().map(|error| Undeleted { index, error })
        };
        Ok(keys.iter().enumerate().filter_map(one).collect())
    }

    /// Says what keeps the object `key` from being deleted or replaced;
    /// `None` if nothing does, or there is no such object.
    ///
    /// # Errors
    ///
    /// If the storage cannot tell.
    fn protection(&self, key: &str) -> Result<Option<Protection>> {
        let _ = key;
        Ok(None)
    }

    /// Removes what others began to write and never finished, and returns it.
    /// What is still being written must not be harmed, and what is whole
    /// neither.
    ///
    /// # Errors
    ///
    /// If the storage cannot tell, or something stays that is to go.
    fn sweep(&self, request: &Sweep) -> Result<Vec<Leftover>> {
        let _ = request;
        Ok(Vec::new())
    }
}

/// A configured storage, opened through the host.
pub struct StorageHandle {
    pub(crate) raw: StorageBox,
}

impl StorageHandle {
    /// Wraps what crossed the boundary; the host and the conformance suite
    /// use it.
    #[doc(hidden)]
    pub fn from_raw(raw: StorageBox) -> Self {
        Self { raw }
    }

    /// See [`Storage::put`].
    ///
    /// # Errors
    ///
    /// See [`Storage::put`].
    pub fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        client::put(&self.raw, key, options)
    }

    /// See [`Storage::get`].
    ///
    /// # Errors
    ///
    /// See [`Storage::get`].
    pub fn get(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
        client::get(&self.raw, key, range)
    }

    /// See [`Storage::stat`].
    ///
    /// # Errors
    ///
    /// See [`Storage::stat`].
    pub fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        client::stat(&self.raw, key)
    }

    /// See [`Storage::list`].
    ///
    /// # Errors
    ///
    /// See [`Storage::list`].
    pub fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
        client::list(&self.raw, prefix, after, limit)
    }

    /// Calls `each` for every object below `prefix`, a page at a time.
    ///
    /// # Errors
    ///
    /// Those of [`Storage::list`] and of `each`, which ends it.
    pub fn for_each(
        &self,
        prefix: &str,
        mut each: impl FnMut(ObjectMeta) -> Result<()>,
    ) -> Result<()> {
        const PAGE: u32 = 1000;
        let mut after = String::new();
        loop {
            let page = self.list(prefix, &after, PAGE)?;
            let last = page.len() < PAGE as usize;
            if let Some(object) = page.last() {
                after.clone_from(&object.key);
            }
            page.into_iter().try_for_each(&mut each)?;
            if last {
                return Ok(());
            }
        }
    }

    /// See [`Storage::delete`].
    ///
    /// # Errors
    ///
    /// See [`Storage::delete`].
    pub fn delete(&self, key: &str) -> Result<()> {
        client::delete(&self.raw, key)
    }

    /// See [`Storage::capabilities`]. A storage of an earlier release promises
    /// nothing.
    ///
    /// # Errors
    ///
    /// See [`Storage::capabilities`].
    pub fn capabilities(&self) -> Result<Capabilities> {
        client::capabilities(&self.raw)
    }

    /// See [`Storage::replace`].
    ///
    /// # Errors
    ///
    /// See [`Storage::replace`]; [`ErrorKind::UNSUPPORTED`] also by a storage of
    /// an earlier release, and for an object without an etag.
    pub fn replace(
        &self,
        key: &str,
        etag: &str,
        options: PutOptions,
    ) -> Result<Box<dyn PutStream>> {
        client::replace(&self.raw, key, etag, options)
    }

    /// See [`Storage::delete_many`]. With a storage of an earlier release they
    /// are deleted one by one.
    ///
    /// # Errors
    ///
    /// See [`Storage::delete_many`].
    pub fn delete_many(&self, keys: &[&str]) -> Result<Vec<Undeleted>> {
        client::delete_many(&self.raw, keys)
    }

    /// See [`Storage::protection`]. A storage of an earlier release protects
    /// nothing that it knew of.
    ///
    /// # Errors
    ///
    /// See [`Storage::protection`].
    pub fn protection(&self, key: &str) -> Result<Option<Protection>> {
        client::protection(&self.raw, key)
    }

    /// See [`Storage::sweep`]. With a storage of an earlier release nothing is
    /// found.
    ///
    /// # Errors
    ///
    /// See [`Storage::sweep`].
    pub fn sweep(&self, request: &Sweep) -> Result<Vec<Leftover>> {
        client::sweep(&self.raw, request)
    }

    /// See [`Storage::put_trees`].
    ///
    /// # Errors
    ///
    /// See [`Storage::put_trees`].
    pub fn put_trees(&self, host: &Host, request: &Request, trees: &[Tree]) -> Result<Outcome> {
        client::put_trees(&self.raw, host, request, trees)
    }

    /// Tells whether it takes whole directory trees, and no objects.
    ///
    /// # Errors
    ///
    /// If the storage cannot tell.
    pub fn takes_trees(&self, host: &Host, request: &Request) -> Result<bool> {
        match self.put_trees(host, request, &[]) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UNSUPPORTED => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The host's end of a put stream, as a plugin sees it.
pub(crate) struct PutProxy(pub(crate) PutBox);

impl PutStream for PutProxy {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        client::plain(self.0.write(data.into()))
    }

    fn write_owned(&mut self, data: Chunk) -> Result<()> {
        client::plain(self.0.write_owned(data.0))
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        client::plain(self.0.commit()).map(ObjectMeta::from)
    }

    fn abort(&mut self) -> Result<()> {
        client::plain(self.0.abort())
    }
}

impl fmt::Debug for StorageHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageHandle").finish_non_exhaustive()
    }
}

impl fmt::Debug for PutProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutProxy").finish_non_exhaustive()
    }
}
