//! Content checked against what was written down when it was stored.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use hayloft_plugin_api::{ByteRange, Error, ErrorKind, Result, StorageHandle};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Day;
use crate::hex::hexadecimal;

/// The size and the SHA-256 of every object of a day, by key.
pub(super) type Expected = HashMap<String, (u64, String)>;

/// A manifest is never larger than this.
const LARGEST: u64 = 256 << 20;

/// What the `store` action writes into `<day>/manifest.json`.
#[derive(Debug, Deserialize)]
struct Manifest {
    files: Vec<ManifestFile>,
}

#[derive(Debug, Deserialize)]
struct ManifestFile {
    size: u64,
    sha256: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    peer: String,
    #[serde(default)]
    name: String,
    encoded: Option<Encoded>,
}

#[derive(Debug, Deserialize)]
struct Encoded {
    size: u64,
    sha256: String,
}

/// Reads the manifest of a day, if there is one.
pub(super) fn manifest(storage: &StorageHandle, day: Day) -> Result<Option<Expected>> {
    let key = format!("{}/manifest.json", day.path());
    let mut data = Vec::new();
    match storage.get(&key, ByteRange::ALL) {
        Ok(stream) => {
            let read = stream.take(LARGEST).read_to_end(&mut data);
            read.map_err(|e| Error::from(e).context(format!("cannot read {key}")))?;
        }
        Err(e) if e.kind() == ErrorKind::NOT_FOUND => return Ok(None),
        Err(e) => return Err(e.context(format!("cannot read {key}"))),
    }
    let manifest: Manifest = serde_json::from_slice(&data).map_err(|e| {
        Error::new(ErrorKind::CORRUPT, format!("{key} is no manifest")).context(e.to_string())
    })?;
    let files = manifest.files.into_iter().map(|file| {
        let ManifestFile { size, sha256, key, peer, name, encoded } = file;
        let key = if key.is_empty() { format!("{}/{peer}/{name}", day.path()) } else { key };
        let stored = encoded.map_or((size, sha256), |it| (it.size, it.sha256));
        (key, stored)
    });
    Ok(Some(files.collect()))
}

/// A stream whose content is compared at its end.
pub(super) struct Verifying {
    inner: Box<dyn Read + Send>,
    name: String,
    hash: Sha256,
    size: u64,
    expected: Option<(u64, String)>,
}

impl Verifying {
    pub(super) fn new(inner: Box<dyn Read + Send>, name: &str, expected: (u64, String)) -> Self {
        let name = name.to_owned();
        Self { inner, name, hash: Sha256::new(), size: 0, expected: Some(expected) }
    }
}

impl Read for Verifying {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(&buffer[..got]);
        self.size += got as u64;
        if got > 0 || buffer.is_empty() {
            return Ok(got);
        }
        let Some((size, sha256)) = self.expected.take() else { return Ok(0) };
        let digest = hexadecimal(&std::mem::take(&mut self.hash).finalize());
        if self.size == size && digest.eq_ignore_ascii_case(&sha256) {
            return Ok(0);
        }
        let message = format!(
            "{} is not what was stored: it has {} bytes with SHA-256 {digest}, the manifest says \
             {size} bytes with {sha256}",
            self.name, self.size
        );
        Err(Error::new(ErrorKind::CORRUPT, message).into_io())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HAY: &str = "00000";

    #[test]
    fn what_differs_is_an_error_at_the_end() {
        let digest = hexadecimal(&Sha256::digest(b"hay"));
        for (expected, good) in [
            ((3, digest.clone()), true),
            ((3, digest.to_uppercase()), true),
            ((4, digest.clone()), false),
            ((3, HAY.to_owned()), false),
        ] {
            let mut stream = Verifying::new(Box::new(&b"hay"[..]), "k", expected);
            let mut content = Vec::new();
            assert_eq!(stream.read_to_end(&mut content).is_ok(), good);
            assert_eq!(content, b"hay");
        }
    }
}
