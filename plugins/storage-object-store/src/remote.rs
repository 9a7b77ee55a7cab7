//! What the core needs of a store.

use std::{fmt, ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use hayloft_plugin_api::{Protection, Retention};
use md5::Md5;
use object_store::{PutPayload, multipart::PartId, path::Path};
use sha2::{Digest, Sha256};

use crate::{explain::Advice, failure::Failure, sum::Sum};

/// Content in pieces, as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    pieces: Vec<Bytes>,
    length: u64,
}

impl Body {
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.length += piece.len() as u64;
        self.pieces.push(piece);
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    pub(crate) fn payload(&self) -> PutPayload {
        self.pieces.iter().cloned().collect()
    }

    pub(crate) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        self.pieces.iter().for_each(|it| hash.update(it));
        hex(&hash.finalize())
    }

    pub(crate) fn md5(&self) -> [u8; 16] {
        let mut hash = Md5::new();
        self.pieces.iter().for_each(|it| hash.update(it));
        hash.finalize().into()
    }

    pub(crate) fn sum(&self) -> Sum {
        Sum::of(&self.pieces)
    }
}

impl From<Bytes> for Body {
    fn from(piece: Bytes) -> Self {
        let mut body = Self::default();
        body.push(piece);
        body
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The names of our marks in the metadata of objects.
pub(crate) const TOKEN: &str = "haylofttoken";
/// See [`Marks::sha256`].
pub(crate) const SHA256: &str = "hayloftsha256";

/// What we tell the store to keep with an object.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    /// Says that an object is the one of this very put and no other.
    pub(crate) token: String,
    /// The digest of the content, in hexadecimal, if it is known in time.
    pub(crate) sha256: Option<String>,
    /// The checksum of an object that came in parts, for stores that take marks
    /// when the last part is there.
    pub(crate) crc64: Option<u64>,
}

impl Marks {
    pub(crate) fn new() -> Self {
        Self { token: hex(&rand::random::<[u8; 16]>()), sha256: None, crc64: None }
    }
}

/// What must hold for a put to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// There is no object of that name.
    Absent,
    /// There is one with that etag.
    Etag(String),
}

/// What a store knows of an object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) etag: Option<String>,
    /// Nanoseconds since 1970; 0 if unknown.
    pub(crate) modified_ns: i64,
    /// See [`Marks::token`].
    pub(crate) token: Option<String>,
    /// See [`Marks::sha256`].
    pub(crate) sha256: Option<String>,
    /// The checksum of the whole content, as the store keeps it.
    pub(crate) crc64: Option<u64>,
    /// Another one.
    pub(crate) crc32c: Option<u32>,
    /// What keeps it from being removed or replaced.
    pub(crate) lock: Option<Protection>,
}

impl Head {
    /// Compares content with what the store keeps of it; `None` if it keeps
    /// nothing that can be compared.
    pub(crate) fn agrees(&self, sum: &Sum) -> Option<bool> {
        if self.size != sum.length {
            return Some(false);
        }
        let long = self.crc64.map(|it| it == sum.crc64);
        long.or_else(|| self.crc32c.map(|it| it == sum.crc32c))
    }
}

/// What came of a put.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) etag: Option<String>,
    /// Nanoseconds since 1970; 0 if unknown.
    pub(crate) modified_ns: i64,
    /// The store has compared the content with a checksum of ours, or told one
    /// that is right.
    pub(crate) confirmed: bool,
}

/// All parts of a multipart upload.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) upload: String,
    /// In their order.
    pub(crate) ids: Vec<PartId>,
}

/// A part of an object.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) head: Head,
    pub(crate) content: Body,
}

/// An object in a list.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) path: String,
    pub(crate) size: u64,
    /// Nanoseconds since 1970; 0 if unknown.
    pub(crate) modified_ns: i64,
    pub(crate) etag: String,
}

/// A part of a list.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Listed>,
    /// Whether more follow.
    pub(crate) more: bool,
}

/// Something that was begun and neither completed nor given up.
#[derive(Debug, Clone)]
pub(crate) struct LeftOver {
    pub(crate) path: String,
    pub(crate) upload: String,
    /// When it was begun, in nanoseconds since 1970; 0 if unknown.
    pub(crate) begun_ns: i64,
    /// How old it is by the store's own clock.
    pub(crate) age: Duration,
}

/// Some of what was begun.
#[derive(Debug, Default)]
pub(crate) struct LeftOvers {
    pub(crate) uploads: Vec<LeftOver>,
    /// Where it goes on, if it does.
    pub(crate) next: Option<Marker>,
}

/// A place in a list of uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) path: String,
    pub(crate) upload: String,
}

/// How a bucket protects what is in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Protected {
    /// Older versions of objects are kept.
    pub(crate) versions: bool,
    /// Objects can be locked.
    pub(crate) locks: bool,
    /// Every new object is locked for a time.
    pub(crate) retention: Option<Retention>,
}

/// A store, one request a call. Paths are whole: with the storage's prefix.
#[async_trait]
pub(crate) trait Remote: fmt::Debug + Send + Sync + 'static {
    /// Puts an object in one request. [`Failure::Condition`] if a condition
    /// does not hold, provided that the store keeps conditions.
    async fn put(
        &self,
        path: &Path,
        body: &Body,
        marks: &Marks,
        condition: Option<&Condition>,
    ) -> Result<Written, Failure>;

    /// Begins a multipart upload.
    async fn begin(&self, path: &Path, marks: &Marks) -> Result<String, Failure>;

    /// Puts a part of a multipart upload.
    async fn part(
        &self,
        path: &Path,
        upload: &str,
        index: usize,
        body: &Body,
    ) -> Result<PartId, Failure>;

    /// Completes a multipart upload; conditions are as in [`Remote::put`].
    async fn complete(
        &self,
        path: &Path,
        parts: &Parts,
        marks: &Marks,
        condition: Option<&Condition>,
    ) -> Result<Written, Failure>;

    /// Gives a multipart upload up.
    async fn abort(&self, path: &Path, upload: &str) -> Result<(), Failure>;

    /// Gets a part of an object: [`Failure::Beyond`] if it begins at or after
    /// the end, [`Failure::Condition`] if the object is not `etag` any more.
    async fn get(
        &self,
        path: &Path,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Piece, Failure>;

    /// Returns what the store knows of an object.
    async fn head(&self, path: &Path) -> Result<Head, Failure>;

    /// Lists up to `limit` objects after `after`, in the order of bytes.
    async fn page(&self, prefix: &str, after: &str, limit: usize) -> Result<Page, Failure>;

    /// Removes an object; [`Failure::Absent`] or success if there is none.
    async fn delete(&self, path: &Path) -> Result<(), Failure>;

    /// Removes up to [`Remote::most_deleted`] objects with one request. Returns
    /// what came of each.
    async fn delete_many(&self, paths: &[Path]) -> Result<Vec<Result<(), Failure>>, Failure>;

    /// How many objects one request removes at most; 1 if only one.
    fn most_deleted(&self) -> usize;

    /// Says how the bucket protects what is in it.
    async fn protection(&self) -> Result<Protected, Failure>;

    /// Tells whether there can be uploads that were not completed, and whether
    /// they can be given up by somebody else.
    fn leaves_uploads(&self) -> bool {
        false
    }

    /// Lists multipart uploads below `prefix` that were not completed, from
    /// `after` on.
    async fn left_overs(
        &self,
        _prefix: &str,
        _after: Option<&Marker>,
    ) -> Result<LeftOvers, Failure> {
        Ok(LeftOvers::default())
    }

    /// Says why a key cannot be kept, if the store takes it for another.
    fn refuses(&self, _key: &str) -> Option<&'static str> {
        None
    }

    /// Tells whether the store keeps our marks with objects. Where it does
    /// not, objects are told apart by their content.
    fn keeps_marks(&self) -> bool {
        true
    }

    /// Tells whether the store compares parts with checksums of ours.
    fn confirms_parts(&self) -> bool;

    /// Tells whether conditions of requests are known to count, or known not
    /// to. `None` must be tried out.
    fn knows_conditions(&self) -> Option<bool>;

    /// Reads the keys again, which have expired; tells whether they are others.
    fn renew(&self) -> bool {
        false
    }

    /// An etag that no object has, but that could be one.
    fn no_etag(&self) -> &'static str {
        "\"00000000000000000000000000000000\""
    }

    /// What people are told to do about keys and places.
    fn advice(&self) -> &'static Advice;

    /// What people call it.
    fn name(&self) -> &str;
}
