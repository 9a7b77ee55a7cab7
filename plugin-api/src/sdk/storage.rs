//! Places that keep named objects.

use std::{fmt, io::Read, ops::Deref};

use abi_stable::std_types::RVec;

use crate::{
    abi::{PutBox, StorageBox},
    config::Configuration,
    error::Result,
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
