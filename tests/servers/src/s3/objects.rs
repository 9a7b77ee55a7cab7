//! Requests about objects.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    time::SystemTime,
};

use bytes::Bytes;
use futures_util::stream;
use s3s::{
    S3Result,
    dto::{
        Checksum, ChecksumMode, CommonPrefix, CopyObjectInput, CopyObjectOutput, CopyObjectResult,
        CopySource, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
        DeletedObject, ETag, ETagCondition, EncodingType, GetObjectInput, GetObjectOutput,
        HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Metadata,
        Object, PutObjectInput, PutObjectOutput, Range, StorageClass, StreamingBlob,
    },
    s3_error,
};

use super::{
    State, Stored,
    bucket::{crc64, hex, receive},
    known,
};
use md5::{Digest, Md5};

impl State {
    pub(super) async fn put(&self, input: PutObjectInput) -> S3Result<PutObjectOutput> {
        known(&input.bucket)?;
        let wanted = Checksum {
            checksum_sha256: input.checksum_sha256.clone(),
            checksum_crc64nvme: input.checksum_crc64nvme.clone(),
            checksum_crc32: input.checksum_crc32.clone(),
            ..Checksum::default()
        };
        let content = receive(input.body, input.content_md5.as_deref(), &wanted).await?;
        let object = Stored {
            etag: hex(&Md5::digest(&content)),
            crc64: Some(crc64(&content)),
            content,
            metadata: sorted(input.metadata),
            tags: input.tagging,
            storage_class: input.storage_class.map(|it| it.as_str().to_owned()),
            encryption: input.server_side_encryption.map(|it| it.as_str().to_owned()),
            modified: SystemTime::now(),
        };
        let output = PutObjectOutput {
            e_tag: Some(ETag::Strong(object.etag.clone())),
            checksum_sha256: input.checksum_sha256,
            checksum_crc64nvme: input.checksum_crc64nvme,
            ..PutObjectOutput::default()
        };
        let mut bucket = self.bucket();
        if self.behaviour.conditional_put {
            bucket.check(&input.key, input.if_none_match.as_ref(), input.if_match.as_ref())?;
        }
        bucket.place(&input.key, object);
        Ok(output)
    }

    fn find(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        known(bucket)?;
        let found = self.bucket().objects.get(key).cloned();
        found.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))
    }

    pub(super) fn get(&self, input: &GetObjectInput) -> S3Result<GetObjectOutput> {
        let object = self.find(&input.bucket, &input.key)?;
        match &input.if_match {
            Some(ETagCondition::ETag(wanted))
                if !ETag::Strong(object.etag.clone()).strong_cmp(wanted) =>
            {
                return Err(s3_error!(PreconditionFailed));
            }
            _ => {}
        }
        let size = object.content.len() as u64;
        let range = input.range.as_ref().map(|it| checked(it, size)).transpose()?;
        let whole = range.as_ref().is_none_or(|it| it.end - it.start == size);
        let (start, end) = range.as_ref().map_or((0, size), |it| (it.start, it.end));
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let content = object.content.slice(at(start)..at(end));
        let told = self.behaviour.checksums && whole && asked(input.checksum_mode.as_ref());
        Ok(GetObjectOutput {
            content_length: Some(length(content.len())),
            content_range: range.map(|it| format!("bytes {}-{}/{size}", it.start, it.end - 1)),
            body: Some(pieces(content)),
            e_tag: Some(ETag::Strong(object.etag)),
            checksum_crc64nvme: object.crc64.filter(|_| told),
            last_modified: Some(object.modified.into()),
            metadata: unsorted(object.metadata),
            ..GetObjectOutput::default()
        })
    }

    pub(super) fn head(&self, input: &HeadObjectInput) -> S3Result<HeadObjectOutput> {
        let object = self.find(&input.bucket, &input.key)?;
        let told = self.behaviour.checksums && asked(input.checksum_mode.as_ref());
        Ok(HeadObjectOutput {
            content_length: Some(length(object.content.len())),
            e_tag: Some(ETag::Strong(object.etag)),
            checksum_crc64nvme: object.crc64.filter(|_| told),
            last_modified: Some(object.modified.into()),
            metadata: unsorted(object.metadata),
            storage_class: object.storage_class.map(StorageClass::from),
            ..HeadObjectOutput::default()
        })
    }

    pub(super) fn copy(&self, input: &CopyObjectInput) -> S3Result<CopyObjectOutput> {
        known(&input.bucket)?;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let mut object = self.find(bucket, key)?;
        object.modified = SystemTime::now();
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.modified.into()),
            ..CopyObjectResult::default()
        };
        self.bucket().place(&input.key, object);
        Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }

    pub(super) fn delete(&self, input: &DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        known(&input.bucket)?;
        self.bucket().objects.remove(&input.key);
        Ok(DeleteObjectOutput::default())
    }

    pub(super) fn delete_many(&self, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
        known(&input.bucket)?;
        let mut bucket = self.bucket();
        let deleted = input.delete.objects.into_iter().map(|it| {
            bucket.objects.remove(&it.key);
            DeletedObject { key: Some(it.key), ..DeletedObject::default() }
        });
        Ok(DeleteObjectsOutput {
            deleted: Some(deleted.collect()),
            ..DeleteObjectsOutput::default()
        })
    }

    pub(super) fn list(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        known(&input.bucket)?;
        let asked = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or(0);
        let limit = asked.min(self.behaviour.page);
        let prefix = input.prefix.clone().unwrap_or_default();
        // The token is the last key of the page before.
        let after = input.continuation_token.clone().or_else(|| input.start_after.clone());
        let after = after.unwrap_or_default();
        let bucket = self.bucket();
        let from = if prefix > after { &prefix } else { &after };
        let found = bucket
            .objects
            .range::<String, _>(from.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix) || **key < prefix)
            .filter(|(key, _)| key.starts_with(&prefix) && (after.is_empty() || **key > after));
        let delimiter = input.delimiter.as_deref();
        let common = if after.is_empty() {
            common(bucket.objects.keys(), &prefix, delimiter)
        } else {
            BTreeSet::new()
        };
        let mut found = found.filter(|(key, _)| deeper(key, &prefix, delimiter).is_none());
        let page: Vec<(&String, &Stored)> = found.by_ref().take(limit).collect();
        let more = limit > 0 && found.next().is_some();
        let next = page.last().map(|(key, _)| (*key).clone()).filter(|_| more);
        let url = input.encoding_type.as_ref().is_some_and(|it| it.as_str() == EncodingType::URL);
        let contents = page.into_iter().map(|(key, it)| Object {
            key: Some(if url { encoded(key) } else { key.clone() }),
            size: Some(length(it.content.len())),
            e_tag: Some(ETag::Strong(it.etag.clone())),
            last_modified: Some(it.modified.into()),
            ..Object::default()
        });
        let common = common
            .into_iter()
            .map(|it| CommonPrefix { prefix: Some(if url { encoded(&it) } else { it }) });
        Ok(ListObjectsV2Output {
            common_prefixes: Some(common.collect()),
            delimiter: input.delimiter.clone(),
            contents: Some(contents.collect()),
            is_truncated: Some(more),
            next_continuation_token: next,
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        })
    }
}

/// What keys that are deeper than a delimiter have in common: all of it comes
/// with the first page.
fn common<'a>(
    keys: impl Iterator<Item = &'a String>,
    prefix: &str,
    delimiter: Option<&str>,
) -> BTreeSet<String> {
    let below = keys.filter(|it| it.starts_with(prefix));
    below.filter_map(|it| deeper(it, prefix, delimiter)).map(ToOwned::to_owned).collect()
}

/// The part of a key up to the first delimiter behind the prefix.
fn deeper<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter?;
    let within = key.get(prefix.len()..)?.find(delimiter)?;
    Some(&key[..prefix.len() + within + delimiter.len()])
}

fn checked(range: &Range, size: u64) -> S3Result<std::ops::Range<u64>> {
    range.check(size).map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))
}

fn asked(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|it| it.as_str() == ChecksumMode::ENABLED)
}

/// In pieces, as a network delivers it.
fn pieces(content: Bytes) -> StreamingBlob {
    const PIECE: usize = 256 << 10;
    let mut rest = content;
    let pieces = std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| Ok::<_, std::io::Error>(rest.split_to(PIECE.min(rest.len()))))
    });
    StreamingBlob::wrap(stream::iter(pieces))
}

pub(super) fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn sorted(metadata: Option<Metadata>) -> BTreeMap<String, String> {
    metadata.into_iter().flatten().collect()
}

fn unsorted(metadata: BTreeMap<String, String>) -> Option<Metadata> {
    (!metadata.is_empty()).then(|| metadata.into_iter().collect())
}

/// As S3 encodes keys in lists: a blank is a plus sign.
pub(super) fn encoded(key: &str) -> String {
    let mut text = String::new();
    for byte in key.bytes() {
        match byte {
            b' ' => text.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                text.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}
