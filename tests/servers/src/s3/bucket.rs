//! What is kept.

use std::{collections::BTreeMap, fmt::Write, time::SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use md5::{Digest, Md5};
use s3s::{
    S3Result,
    checksum::ChecksumHasher,
    crypto::{Crc32, Crc64Nvme, Sha256},
    dto::{Checksum, ETag, ETagCondition, StreamingBlob},
    s3_error,
};

use super::Stored;

/// A multipart upload that is neither completed nor aborted.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) begun: SystemTime,
    /// What the object will be, but for its content.
    pub(super) draft: Stored,
    pub(super) parts: BTreeMap<i32, Part>,
}

#[derive(Debug)]
pub(super) struct Part {
    pub(super) content: Bytes,
    pub(super) md5: [u8; 16],
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Stored>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) count: u64,
}

impl Bucket {
    pub(super) fn place(&mut self, key: &str, object: Stored) {
        self.objects.insert(key.to_owned(), object);
    }

    /// Begins an upload, and returns what it is called.
    pub(super) fn begin(&mut self, upload: Upload) -> String {
        self.count += 1;
        let id = format!("upload-{:08}", self.count);
        self.uploads.insert(id.clone(), upload);
        id
    }

    /// Checks the conditions of a put.
    pub(super) fn check(
        &self,
        key: &str,
        none_match: Option<&ETagCondition>,
        must_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        let failed =
            || s3_error!(PreconditionFailed, "At least one of the pre-conditions did not hold");
        let there = self.objects.get(key).map(|it| ETag::Strong(it.etag.clone()));
        if none_match.is_some() && there.is_some() {
            return Err(failed());
        }
        match (must_match, there) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => Ok(()),
            (Some(ETagCondition::ETag(wanted)), Some(there)) if there.strong_cmp(wanted) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            _ => Err(failed()),
        }
    }
}

impl Stored {
    pub(super) fn plain(content: Bytes) -> Self {
        let etag = hex(&Md5::digest(&content));
        let crc64 = crc64(&content);
        Self {
            content,
            metadata: BTreeMap::new(),
            tags: None,
            storage_class: None,
            encryption: None,
            etag,
            crc64: Some(crc64),
            modified: SystemTime::now(),
        }
    }
}

pub(super) fn crc64(content: &[u8]) -> String {
    let mut hasher =
        ChecksumHasher { crc64nvme: Some(Crc64Nvme::default()), ..ChecksumHasher::default() };
    hasher.update(content);
    hasher.finalize().checksum_crc64nvme.unwrap_or_default()
}

/// Reads a body and compares it with the checksums that came with it.
pub(super) async fn receive(
    body: Option<StreamingBlob>,
    md5: Option<&str>,
    wanted: &Checksum,
) -> S3Result<Bytes> {
    let mut content = BytesMut::new();
    if let Some(mut body) = body {
        let broken = |e| s3_error!(IncompleteBody, "the body broke off: {e}");
        while let Some(chunk) = body.try_next().await.map_err(broken)? {
            content.extend_from_slice(&chunk);
        }
    }
    let mut hasher = ChecksumHasher {
        sha256: wanted.checksum_sha256.as_ref().map(|_| Sha256::default()),
        crc64nvme: wanted.checksum_crc64nvme.as_ref().map(|_| Crc64Nvme::default()),
        crc32: wanted.checksum_crc32.as_ref().map(|_| Crc32::default()),
        ..ChecksumHasher::default()
    };
    hasher.update(&content);
    let found = hasher.finalize();
    let good = found.checksum_sha256 == wanted.checksum_sha256
        && found.checksum_crc64nvme == wanted.checksum_crc64nvme
        && found.checksum_crc32 == wanted.checksum_crc32
        && md5.is_none_or(|it| it == base64_of(&Md5::digest(&content)));
    if !good {
        return Err(s3_error!(BadDigest, "The checksum did not match what we received."));
    }
    Ok(content.freeze())
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
