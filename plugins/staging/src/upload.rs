//! Puts one file into a storage.

use std::{
    fmt::Write as _,
    fs::{File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use hayloft_plugin_api::{
    Codec, EncodeWriter, Error, ErrorKind, ObjectMeta, PutOptions, PutStream, Result,
    StorageHandle, StreamOptions, Transform,
};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How much is read at a time.
const BUFFER: usize = 1 << 20;

/// What storing needs of a storage.
pub trait Objects: Sync {
    /// See [`Storage::put`](hayloft_plugin_api::Storage::put).
    ///
    /// # Errors
    ///
    /// See there.
    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>>;

    /// Returns the whole object, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// See [`Storage::stat`](hayloft_plugin_api::Storage::stat).
    ///
    /// # Errors
    ///
    /// See there.
    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>>;

    /// See [`Storage::delete`](hayloft_plugin_api::Storage::delete).
    ///
    /// # Errors
    ///
    /// See there.
    fn delete(&self, key: &str) -> Result<()>;
}

impl Objects for StorageHandle {
    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        Self::put(self, key, options)
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        match Self::get(self, key, hayloft_plugin_api::ByteRange::ALL) {
            Ok(mut reader) => reader.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == ErrorKind::NOT_FOUND => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(bytes))
    }

    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        Self::stat(self, key)
    }

    fn delete(&self, key: &str) -> Result<()> {
        Self::delete(self, key)
    }
}

/// A compressor or encryptor that files go through.
pub trait Encoding: Sync {
    /// Returns its name in the configuration.
    fn name(&self) -> &str;

    /// Returns what it appends to a file's name.
    fn suffix(&self) -> &str;

    /// Begins a stream.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>>;
}

impl Encoding for Transform {
    fn name(&self) -> &str {
        self.name()
    }

    fn suffix(&self) -> &str {
        self.suffix()
    }

    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>> {
        self.encoder(options)
    }
}

/// What is known of a file after it was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// How an object differs from the file in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoded {
    /// The compressor and encryptor, in the order in which they were used.
    pub with: Vec<String>,
    /// The object's size in bytes.
    pub size: u64,
    /// The SHA-256 of the object, in hexadecimal.
    pub sha256: String,
}

/// Which side a failure is on.
#[derive(Debug)]
pub enum Fault {
    /// The file in the staging area. Another storage would not help.
    Source(Error),
    /// The storage, or the host.
    Storage(Error),
}

impl Fault {
    /// Returns the error, whichever side it is on.
    pub fn into_error(self) -> Error {
        match self {
            Self::Source(error) | Self::Storage(error) => error,
        }
    }

    /// Tells whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_transient())
    }
}

/// A file that is read from beginning to end and must not change meanwhile.
#[derive(Debug)]
pub struct Reading<'a> {
    file: File,
    before: Metadata,
    path: &'a Path,
}

impl<'a> Reading<'a> {
    /// Opens the file, which must be a regular one.
    ///
    /// # Errors
    ///
    /// [`Fault::Source`].
    pub fn open(path: &'a Path) -> Result<Self, Fault> {
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
        let (before, file) = opened.map_err(|e| unreadable(path, e))?;
        if !before.is_file() {
            return Err(unreadable(path, io::Error::other("it is not a regular file any more")));
        }
        Ok(Self { file, before, path })
    }

    /// Gives all of it to `each`, a piece at a time.
    ///
    /// # Errors
    ///
    /// Those of `each`; [`Fault::Source`] if it cannot be read to its end, or
    /// changed meanwhile.
    pub fn read(
        mut self,
        mut each: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<Content, Fault> {
        let mut buffer = vec![0; BUFFER];
        let mut hash = Sha256::new();
        let mut size = 0;
        loop {
            let n = match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(self.path, error)),
            };
            hash.update(&buffer[..n]);
            each(&buffer[..n])?;
            size += n as u64;
        }
        let after = self.file.metadata().map_err(|e| unreadable(self.path, e))?;
        let times = |it: &Metadata| (it.mtime(), it.mtime_nsec());
        if size != self.before.len() || times(&after) != times(&self.before) {
            return Err(unreadable(self.path, io::Error::other("it changed while it was read")));
        }
        Ok(Content { size, sha256: hexadecimal(hash) })
    }
}

fn unreadable(path: &Path, error: io::Error) -> Fault {
    Fault::Source(Error::from(error).context(format!("cannot read {}", path.display())))
}

/// Returns a hash as text.
pub fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Puts a file into a storage as the object `key`, and makes sure that it has
/// the size there that was sent. Returns what the file is, and what the object
/// is if the two differ.
///
/// # Errors
///
/// Why there is no such object; an older one of that key is as it was.
pub fn put(
    objects: &dyn Objects,
    key: &str,
    path: &Path,
    encodings: &[&dyn Encoding],
    mut on_progress: impl FnMut(u64) -> Result<()>,
) -> Result<(Content, Option<Encoded>), Fault> {
    let reading = Reading::open(path)?;
    let size = reading.before.len();
    let hint = encodings.is_empty().then_some(size);
    let refused = |error: Error| Fault::Storage(error.context(format!("cannot store {key}")));
    let options = PutOptions { create_only: false, size_hint: hint };
    let sink =
        Sink { put: objects.put(key, options).map_err(refused)?, hash: Sha256::new(), size: 0 };
    let mut writer = chain(sink, encodings, size).map_err(refused)?;
    let content = reading.read(|piece| {
        writer.write_all(piece).map_err(|e| refused(e.into()))?;
        on_progress(piece.len() as u64).map_err(Fault::Storage)
    })?;
    let mut sink = writer.finish().map_err(|e| refused(e.into()))?;
    sink.put.commit().map_err(refused)?;
    verify(objects, key, sink.size).map_err(Fault::Storage)?;
    let encoded = (!encodings.is_empty()).then(|| Encoded {
        with: encodings.iter().map(|it| it.name().to_owned()).collect(),
        size: sink.size,
        sha256: hexadecimal(sink.hash),
    });
    Ok((content, encoded))
}

/// Makes sure that an object is there and has a certain size.
///
/// # Errors
///
/// [`ErrorKind::CORRUPT`] if it is not so.
pub fn verify(objects: &dyn Objects, key: &str, size: u64) -> Result<()> {
    let there = objects.stat(key).map_err(|e| e.context(format!("cannot verify {key}")))?;
    let what = match there {
        Some(meta) if meta.size == size => return Ok(()),
        Some(meta) => format!("{key} has {} bytes after {size} were stored", meta.size),
        None => format!("{key} is not there after it was stored"),
    };
    Err(Error::new(ErrorKind::CORRUPT, what))
}

/// The end of the chain: hashes what goes into the storage.
struct Sink {
    put: Box<dyn PutStream>,
    hash: Sha256,
    size: u64,
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.put.write(data).map_err(Error::into_io)?;
        self.hash.update(data);
        self.size += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer with an end, after which the sink comes back.
trait Finish: Write {
    fn finish(self: Box<Self>) -> io::Result<Sink>;
}

impl Finish for Sink {
    fn finish(self: Box<Self>) -> io::Result<Sink> {
        Ok(*self)
    }
}

impl Finish for EncodeWriter<Box<dyn Finish>> {
    fn finish(self: Box<Self>) -> io::Result<Sink> {
        Self::finish(*self)?.finish()
    }
}

fn chain(sink: Sink, encodings: &[&dyn Encoding], size: u64) -> Result<Box<dyn Finish>> {
    let mut writer: Box<dyn Finish> = Box::new(sink);
    for (index, encoding) in encodings.iter().enumerate().rev() {
        // What comes out of the first encoding has a size that nobody knows.
        let size_hint = (index == 0).then_some(size);
        let codec = encoding.encoder(StreamOptions { size_hint, ..StreamOptions::default() })?;
        writer = Box::new(EncodeWriter::new(codec, writer));
    }
    Ok(writer)
}
