//! What came over the boundary, as ordinary Rust.

use std::io::{self, Read};

use abi_stable::std_types::{RResult, RSlice, RSliceMut, RStr, RString};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    abi::{
        CodecBox, Fallible, Op, RObjectMeta, RPutOptions, RStreamOptions, RUndeleted, ReaderBox,
        Step, StorageBox,
    },
    error::{Error, ErrorKind, Result},
    sdk::{
        self, ByteRange, Capabilities, Codec, Leftover, ObjectMeta, Protection, PutOptions,
        PutStream, StreamOptions, Sweep, Undeleted,
    },
};

/// Turns a result of the boundary into an ordinary one.
pub fn plain<T>(result: Fallible<T>) -> Result<T> {
    match result {
        RResult::ROk(value) => Ok(value),
        RResult::RErr(error) => Err(error.into()),
    }
}

/// Writes a document for the other side.
///
/// # Errors
///
/// If the value has no JSON form.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::from(e).context("cannot encode a document"))
}

/// Reads a document of the other side.
///
/// # Errors
///
/// If the other side does not keep to the contract.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| {
        Error::from(e).context("the other side of the plugin boundary answers nonsense")
    })
}

struct CodecProxy(CodecBox);

impl Codec for CodecProxy {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let (taken, room) = (input.len(), output.len());
        let step =
            plain(self.0.step(RSlice::from_slice(input), RSliceMut::from_mut_slice(output), op))?;
        if step.consumed > taken || step.produced > room {
            return Err(impossible_counts());
        }
        Ok(step)
    }
}

/// The error for a codec that claims more than the buffers hold.
pub(crate) fn impossible_counts() -> Error {
    Error::new(ErrorKind::PANIC, "the plugin reported impossible counts")
}

/// Makes a codec of the other side usable.
pub fn codec(raw: CodecBox) -> Box<dyn Codec> {
    Box::new(CodecProxy(raw))
}

struct ReaderProxy(ReaderBox);

impl Read for ReaderProxy {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        let n = plain(self.0.read(RSliceMut::from_mut_slice(buffer))).map_err(Error::into_io)?;
        if n > room {
            return Err(impossible_counts().into_io());
        }
        Ok(n)
    }
}

/// Makes a reader of the other side usable.
pub fn reader(raw: ReaderBox) -> Box<dyn Read + Send> {
    Box::new(ReaderProxy(raw))
}

/// Refuses what is no key, see [`Storage`](crate::Storage).
///
/// # Errors
///
/// What is wrong with it.
pub fn check_key(key: &str) -> Result<()> {
    let problem = if key.is_empty() {
        "it is empty"
    } else if key.chars().any(char::is_control) {
        "it has a control character"
    } else if key.split('/').any(str::is_empty) {
        "it has an empty segment"
    } else if key.split('/').any(|segment| segment == "." || segment == "..") {
        "it has a `.` or `..` segment"
    } else {
        return Ok(());
    };
    Err(Error::msg(format!("{key:?} is not a key of a storage: {problem}")))
}

pub(crate) fn put(raw: &StorageBox, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
    check_key(key)?;
    let put = plain(raw.put(key.into(), options.into()))?;
    Ok(Box::new(sdk::PutProxy(put)))
}

pub(crate) fn get(raw: &StorageBox, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
    check_key(key)?;
    plain(raw.get(key.into(), range.offset, range.length.into())).map(reader)
}

pub(crate) fn stat(raw: &StorageBox, key: &str) -> Result<Option<ObjectMeta>> {
    check_key(key)?;
    Ok(plain(raw.stat(key.into()))?.into_option().map(ObjectMeta::from))
}

pub(crate) fn list(
    raw: &StorageBox,
    prefix: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<ObjectMeta>> {
    let objects = plain(raw.list(prefix.into(), after.into(), limit))?;
    Ok(objects.into_iter().map(ObjectMeta::from).collect())
}

pub(crate) fn delete(raw: &StorageBox, key: &str) -> Result<()> {
    check_key(key)?;
    plain(raw.delete(key.into()))
}

pub(crate) fn put_trees(
    raw: &StorageBox,
    host: &sdk::Host,
    request: &sdk::Request,
    trees: &[sdk::Tree],
) -> Result<sdk::Outcome> {
    trees.iter().try_for_each(|tree| check_key(&tree.name))?;
    let (request, trees) = (to_json(request)?, to_json(trees)?);
    let outcome =
        plain(raw.put_trees(host.share(), request.as_str().into(), trees.as_str().into()))?;
    from_json(&outcome)
}

pub(crate) fn replace(
    raw: &StorageBox,
    key: &str,
    etag: &str,
    options: PutOptions,
) -> Result<Box<dyn PutStream>> {
    check_key(key)?;
    if etag.is_empty() {
        let message = format!("object {key} has no etag to tell its changes by");
        return Err(Error::new(ErrorKind::UNSUPPORTED, message));
    }
    // Else a storage could take it for a create.
    let options = PutOptions { create_only: false, ..options };
    let put = plain(raw.replace(key.into(), etag.into(), options.into()))?;
    Ok(Box::new(sdk::PutProxy(put)))
}

pub(crate) fn delete_many(raw: &StorageBox, keys: &[&str]) -> Result<Vec<Undeleted>> {
    keys.iter().try_for_each(|key| check_key(key))?;
    let names: Vec<RStr<'_>> = keys.iter().map(|key| (*key).into()).collect();
    match plain(raw.delete_many(names.as_slice().into())) {
        Ok(undeleted) => undeleted
            .into_iter()
            .map(|it| {
                let it = Undeleted::from(it);
                if it.index < keys.len() { Ok(it) } else { Err(impossible_counts()) }
            })
            .collect(),
        Err(error) if error.kind() == ErrorKind::UNSUPPORTED => {
            let one = |(index, key): (usize, &&str)| {
                delete(raw, key).err().map(|error| Undeleted { index, error })
            };
            Ok(keys.iter().enumerate().filter_map(one).collect())
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn capabilities(raw: &StorageBox) -> Result<Capabilities> {
    known(raw.capabilities())
}

pub(crate) fn protection(raw: &StorageBox, key: &str) -> Result<Option<Protection>> {
    check_key(key)?;
    known(raw.protection(key.into()))
}

pub(crate) fn sweep(raw: &StorageBox, request: &Sweep) -> Result<Vec<Leftover>> {
    known(raw.sweep(to_json(request)?.as_str().into()))
}

/// Reads an answer; a storage that does not know the question has nothing to
/// say.
fn known<T: DeserializeOwned + Default>(answer: Fallible<RString>) -> Result<T> {
    match plain(answer) {
        Ok(text) => from_json(&text),
        Err(error) if error.kind() == ErrorKind::UNSUPPORTED => Ok(T::default()),
        Err(error) => Err(error),
    }
}

const UNKNOWN_SIZE: u64 = u64::MAX;
const CONFIGURED_LEVEL: i32 = i32::MIN;
const CREATE_ONLY: u32 = 1;

impl From<StreamOptions> for RStreamOptions {
    fn from(it: StreamOptions) -> Self {
        Self {
            size_hint: it.size_hint.unwrap_or(UNKNOWN_SIZE),
            threads: it.threads.unwrap_or(0),
            level: it.level.unwrap_or(CONFIGURED_LEVEL),
            reserved: [0; 4],
        }
    }
}

impl From<RStreamOptions> for StreamOptions {
    fn from(it: RStreamOptions) -> Self {
        Self {
            size_hint: Some(it.size_hint).filter(|n| *n != UNKNOWN_SIZE),
            threads: Some(it.threads).filter(|n| *n != 0),
            level: Some(it.level).filter(|n| *n != CONFIGURED_LEVEL),
        }
    }
}

impl From<PutOptions> for RPutOptions {
    fn from(it: PutOptions) -> Self {
        Self {
            flags: if it.create_only { CREATE_ONLY } else { 0 },
            size_hint: it.size_hint.unwrap_or(UNKNOWN_SIZE),
            reserved: [0; 4],
        }
    }
}

impl From<RPutOptions> for PutOptions {
    fn from(it: RPutOptions) -> Self {
        Self {
            create_only: it.flags & CREATE_ONLY != 0,
            size_hint: Some(it.size_hint).filter(|n| *n != UNKNOWN_SIZE),
        }
    }
}

impl From<Undeleted> for RUndeleted {
    fn from(it: Undeleted) -> Self {
        Self { index: it.index as u64, error: it.error.into() }
    }
}

impl From<RUndeleted> for Undeleted {
    fn from(it: RUndeleted) -> Self {
        Self { index: usize::try_from(it.index).unwrap_or(usize::MAX), error: it.error.into() }
    }
}

impl From<ObjectMeta> for RObjectMeta {
    fn from(it: ObjectMeta) -> Self {
        Self {
            key: it.key.into(),
            size: it.size,
            modified_ns: it.modified_ns,
            etag: it.etag.into(),
        }
    }
}

impl From<RObjectMeta> for ObjectMeta {
    fn from(it: RObjectMeta) -> Self {
        Self {
            key: it.key.into(),
            size: it.size,
            modified_ns: it.modified_ns,
            etag: it.etag.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_inside_the_storage() {
        let cases = [
            ("a", true),
            ("a/b.c", true),
            ("2026/11/21/box/etc.tar.zst", true),
            ("", false),
            ("/etc/passwd", false),
            ("a/", false),
            ("a/../../b", false),
            ("./a", false),
            ("a\0b", false),
            ("a\nb", false),
        ];
        for (key, good) in cases {
            assert_eq!(check_key(key).is_ok(), good, "{key:?}");
        }
    }

    #[test]
    fn options_survive_the_boundary() {
        let options = StreamOptions { size_hint: Some(7), threads: None, level: Some(-3) };
        assert_eq!(StreamOptions::from(RStreamOptions::from(options)), options);
        let options = PutOptions { create_only: true, size_hint: None };
        assert_eq!(PutOptions::from(RPutOptions::from(options)), options);
    }
}
