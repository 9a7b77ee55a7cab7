//! Requests about multipart uploads.

use std::{collections::BTreeMap, time::SystemTime};

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use s3s::{
    S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum,
        CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
        CreateMultipartUploadOutput, ETag, EncodingType, ListMultipartUploadsInput,
        ListMultipartUploadsOutput, MultipartUpload, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};

use super::{
    State, Stored,
    bucket::{Part, Upload, crc64, hex, receive},
    known,
    objects::{encoded, sorted},
};

/// All parts but the last have at least this size.
const SMALLEST: usize = 5 << 20;

impl State {
    pub(super) fn create_upload(
        &self,
        input: CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        known(&input.bucket)?;
        let draft = Stored {
            metadata: sorted(input.metadata),
            tags: input.tagging,
            storage_class: input.storage_class.map(|it| it.as_str().to_owned()),
            encryption: input.server_side_encryption.map(|it| it.as_str().to_owned()),
            ..Stored::plain(Bytes::new())
        };
        let begun = SystemTime::now();
        let upload = Upload { key: input.key.clone(), begun, draft, parts: BTreeMap::new() };
        let id = self.bucket().begin(upload);
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn upload_part(&self, input: UploadPartInput) -> S3Result<UploadPartOutput> {
        known(&input.bucket)?;
        let wanted = Checksum {
            checksum_sha256: input.checksum_sha256.clone(),
            checksum_crc64nvme: input.checksum_crc64nvme.clone(),
            ..Checksum::default()
        };
        let content = receive(input.body, input.content_md5.as_deref(), &wanted).await?;
        let md5: [u8; 16] = Md5::digest(&content).into();
        let mut bucket = self.bucket();
        let upload = bucket
            .uploads
            .get_mut(&input.upload_id)
            .filter(|it| it.key == input.key)
            .ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))?;
        upload.parts.insert(input.part_number, Part { content, md5 });
        Ok(UploadPartOutput {
            e_tag: Some(ETag::Strong(hex(&md5))),
            checksum_sha256: input.checksum_sha256,
            checksum_crc64nvme: input.checksum_crc64nvme,
            ..UploadPartOutput::default()
        })
    }

    pub(super) fn complete_upload(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        known(&input.bucket)?;
        let mut bucket = self.bucket();
        let upload = bucket
            .uploads
            .get(&input.upload_id)
            .filter(|it| it.key == input.key)
            .ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))?;
        let asked = input.multipart_upload.and_then(|it| it.parts).unwrap_or_default();
        let invalid = || s3_error!(InvalidPart, "One or more of the parts could not be found.");
        let (mut content, mut hash, mut last) = (BytesMut::new(), Md5::new(), 0);
        for (at, wanted) in asked.iter().enumerate() {
            let number = wanted.part_number.ok_or_else(invalid)?;
            let part = upload.parts.get(&number).ok_or_else(invalid)?;
            let tag = ETag::Strong(hex(&part.md5));
            if number <= last || !wanted.e_tag.as_ref().is_some_and(|it| it.strong_cmp(&tag)) {
                return Err(invalid());
            }
            if at + 1 < asked.len() && part.content.len() < SMALLEST {
                return Err(s3_error!(EntityTooSmall));
            }
            content.extend_from_slice(&part.content);
            hash.update(part.md5);
            last = number;
        }
        if asked.is_empty() {
            return Err(invalid());
        }
        if self.behaviour.conditional_complete {
            bucket.check(&input.key, input.if_none_match.as_ref(), input.if_match.as_ref())?;
        }
        let Some(upload) = bucket.uploads.remove(&input.upload_id) else { return Err(invalid()) };
        let etag = format!("{}-{}", hex(&hash.finalize()), asked.len());
        let crc64 = Some(crc64(&content));
        let content = content.freeze();
        let modified = SystemTime::now();
        let object = Stored { content, etag: etag.clone(), crc64, modified, ..upload.draft };
        bucket.place(&input.key, object);
        Ok(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    pub(super) fn abort_upload(
        &self,
        input: &AbortMultipartUploadInput,
    ) -> S3Result<AbortMultipartUploadOutput> {
        known(&input.bucket)?;
        match self.bucket().uploads.remove(&input.upload_id) {
            Some(_) => Ok(AbortMultipartUploadOutput::default()),
            None => Err(s3_error!(NoSuchUpload, "The specified upload does not exist.")),
        }
    }

    pub(super) fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        known(&input.bucket)?;
        let limit = usize::try_from(input.max_uploads.unwrap_or(1000)).unwrap_or(0);
        let prefix = input.prefix.unwrap_or_default();
        let after = (input.key_marker.unwrap_or_default(), input.upload_id_marker);
        let bucket = self.bucket();
        let mut all: Vec<_> = bucket
            .uploads
            .iter()
            .filter(|(_, it)| it.key.starts_with(&prefix))
            .map(|(id, it)| (it.key.clone(), id.clone(), it.begun))
            .filter(|(key, id, _)| match &after {
                (marker, Some(upload)) => (key, id) > (marker, upload),
                (marker, None) => marker.is_empty() || key > marker,
            })
            .collect();
        all.sort();
        let more = all.len() > limit;
        all.truncate(limit);
        let last = all.last().cloned().filter(|_| more);
        let url = input.encoding_type.as_ref().is_some_and(|it| it.as_str() == EncodingType::URL);
        let shown = |key: String| if url { encoded(&key) } else { key };
        let uploads = all.into_iter().map(|(key, id, begun)| MultipartUpload {
            key: Some(shown(key)),
            upload_id: Some(id),
            initiated: Some(begun.into()),
            ..MultipartUpload::default()
        });
        Ok(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            is_truncated: Some(more),
            next_key_marker: last.as_ref().map(|it| shown(it.0.clone())),
            next_upload_id_marker: last.map(|it| it.1),
            encoding_type: input.encoding_type,
            ..ListMultipartUploadsOutput::default()
        })
    }
}
