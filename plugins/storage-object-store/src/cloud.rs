//! A store as `object_store` reaches it, with what one dialect adds.

use std::{fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::HeaderMap;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore, PutMode, PutMultipartOptions, PutOptions,
    TagSet, UpdateVersion,
    multipart::{MultipartStore, PartId},
    path::Path,
};

use crate::{
    connector::{Connector, Header, Seen},
    explain::Advice,
    failure::{Failure, date},
    reading::{Reading, Told, part_of},
    remote::{
        Body, Condition, Head, LeftOvers, Marker, Marks, Page, Parts, Piece, Protected, Remote,
        SHA256, TOKEN, Written,
    },
};

/// What `object_store` offers for all of its clouds.
pub(crate) trait Uploads: ObjectStore + MultipartStore {}
impl<T: ObjectStore + MultipartStore> Uploads for T {}

/// What differs from one store to the next, and `object_store` does not offer.
#[async_trait]
pub(crate) trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// Tells whether the store has compared what it got with a checksum, or
    /// tells one that is right. `None` if there is no telling.
    fn confirms(&self, headers: &HeaderMap, body: &Body) -> Option<bool>;

    /// Returns what tells one content of an object from another; `told` is
    /// what the store calls so.
    fn etag(&self, _headers: &HeaderMap, told: Option<String>) -> Option<String> {
        told
    }

    /// Tells whether a text can be what [`Dialect::etag`] returns. One that
    /// cannot is that of no object, and the store need not be asked.
    fn could_be(&self, _etag: &str) -> bool {
        true
    }

    /// Asks for a range of an object, provided that it is that one.
    fn part_of(&self, range: Range<u64>, etag: Option<&str>) -> GetOptions {
        part_of(range, etag)
    }

    /// Returns the header that states a condition of a completion.
    fn header(&self, condition: &Condition) -> Result<Header, Failure>;

    /// See [`Remote::protection`].
    async fn protection(&self) -> Result<Protected, Failure>;

    /// See [`Remote::confirms_parts`].
    fn confirms_parts(&self) -> bool;

    /// See [`Remote::renew`].
    fn renew(&self) -> bool {
        false
    }

    /// Reads what the store tells of an object besides what everybody tells.
    fn read_headers(&self, headers: &HeaderMap, head: &mut Head);

    /// See [`Remote::page`].
    async fn page(&self, prefix: &str, after: &str, limit: usize) -> Result<Page, Failure>;

    /// See [`Remote::left_overs`].
    async fn left_overs(&self, prefix: &str, after: Option<&Marker>) -> Result<LeftOvers, Failure>;
}

/// A bucket.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) name: String,
    /// Asks for checksums with whatever it gets.
    pub(crate) reader: Arc<dyn ObjectStore>,
    pub(crate) writer: Arc<dyn Uploads>,
    /// Removes many objects with one request, and how many at most.
    pub(crate) batch: Option<(Arc<dyn ObjectStore>, usize)>,
    pub(crate) connector: Connector,
    pub(crate) dialect: Box<dyn Dialect>,
    pub(crate) attributes: Attributes,
    pub(crate) tags: TagSet,
    pub(crate) advice: &'static Advice,
    /// See [`Remote::no_etag`].
    pub(crate) no_etag: &'static str,
    pub(crate) knows_conditions: Option<bool>,
}

impl Cloud {
    fn attributes(&self, marks: &Marks) -> Attributes {
        let mut attributes = self.attributes.clone();
        attributes.insert(Attribute::Metadata(TOKEN.into()), marks.token.clone().into());
        if let Some(sha256) = &marks.sha256 {
            attributes.insert(Attribute::Metadata(SHA256.into()), sha256.clone().into());
        }
        attributes
    }

    fn reading(&self) -> Reading<'_> {
        Reading { store: self.reader.as_ref(), rate: self.connector.rate(), told: self }
    }

    fn written(&self, result: &object_store::PutResult, body: &Body) -> Result<Written, Failure> {
        let headers = result.extensions.get::<Seen>().cloned().unwrap_or_default().0;
        let confirmed = self.dialect.confirms(&headers, body);
        if confirmed == Some(false) {
            let text = "the store has received something else than what was sent";
            return Err(Failure::Damaged(text.to_owned()));
        }
        Ok(Written {
            etag: self.dialect.etag(&headers, result.e_tag.clone()),
            modified_ns: date(&headers).unwrap_or(0).saturating_mul(1_000_000_000),
            confirmed: confirmed.is_some(),
        })
    }
}

impl Told for Cloud {
    fn read_headers(&self, headers: &HeaderMap, head: &mut Head) {
        self.dialect.read_headers(headers, head);
    }
}

#[async_trait]
impl Remote for Cloud {
    async fn put(
        &self,
        path: &Path,
        body: &Body,
        marks: &Marks,
        condition: Option<&Condition>,
    ) -> Result<Written, Failure> {
        let mode = match condition {
            None => PutMode::Overwrite,
            Some(Condition::Absent) => PutMode::Create,
            Some(Condition::Etag(etag)) if !self.dialect.could_be(etag) => {
                return Err(Failure::Condition);
            }
            Some(Condition::Etag(etag)) => {
                // The one or the other is what the store goes by.
                let version = Some(etag.clone());
                PutMode::Update(UpdateVersion { e_tag: version.clone(), version })
            }
        };
        let options = PutOptions {
            mode,
            tags: self.tags.clone(),
            attributes: self.attributes(marks),
            ..PutOptions::default()
        };
        let result = self.writer.put_opts(path, body.payload(), options).await?;
        self.written(&result, body)
    }

    async fn begin(&self, path: &Path, marks: &Marks) -> Result<String, Failure> {
        let options = PutMultipartOptions {
            tags: self.tags.clone(),
            attributes: self.attributes(marks),
            ..PutMultipartOptions::default()
        };
        Ok(self.writer.create_multipart_opts(path, options).await?)
    }

    async fn part(
        &self,
        path: &Path,
        upload: &str,
        index: usize,
        body: &Body,
    ) -> Result<PartId, Failure> {
        Ok(self.writer.put_part(path, &upload.to_owned(), index, body.payload()).await?)
    }

    async fn complete(
        &self,
        path: &Path,
        parts: &Parts,
        _marks: &Marks,
        condition: Option<&Condition>,
    ) -> Result<Written, Failure> {
        let header = condition.map(|it| self.dialect.header(it)).transpose()?;
        self.connector.set_condition(&parts.upload, header);
        let ids = parts.ids.clone();
        let result = self.writer.complete_multipart(path, &parts.upload, ids).await;
        self.connector.set_condition(&parts.upload, None);
        let result = result?;
        let headers = result.extensions.get::<Seen>().cloned().unwrap_or_default().0;
        Ok(Written {
            etag: self.dialect.etag(&headers, result.e_tag),
            modified_ns: date(&headers).unwrap_or(0).saturating_mul(1_000_000_000),
            confirmed: false,
        })
    }

    async fn abort(&self, path: &Path, upload: &str) -> Result<(), Failure> {
        Ok(self.writer.abort_multipart(path, &upload.to_owned()).await?)
    }

    async fn get(
        &self,
        path: &Path,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Piece, Failure> {
        self.reading().get(path, self.dialect.part_of(range, etag)).await
    }

    async fn head(&self, path: &Path) -> Result<Head, Failure> {
        self.reading().head(path).await
    }

    async fn page(&self, prefix: &str, after: &str, limit: usize) -> Result<Page, Failure> {
        self.dialect.page(prefix, after, limit).await
    }

    async fn delete(&self, path: &Path) -> Result<(), Failure> {
        let paths = stream::iter([Ok(path.clone())]).boxed();
        self.writer.delete_stream(paths).try_for_each(|_| async { Ok(()) }).await?;
        Ok(())
    }

    async fn delete_many(&self, paths: &[Path]) -> Result<Vec<Result<(), Failure>>, Failure> {
        let Some((batch, _)) = &self.batch else {
            return Err(Failure::Unsupported("objects are removed one by one".to_owned()));
        };
        let all: Vec<_> = paths.iter().cloned().map(Ok).collect();
        let mut done = Vec::new();
        let mut stream = batch.delete_stream(stream::iter(all).boxed());
        while let Some(result) = stream.next().await {
            done.push(result.map(drop).map_err(Failure::from));
        }
        if done.len() == paths.len() {
            return Ok(done);
        }
        // It was refused as a whole.
        Err(done.into_iter().find_map(Result::err).unwrap_or_else(|| {
            Failure::Nonsense("the store does not say what it has removed".to_owned())
        }))
    }

    fn most_deleted(&self) -> usize {
        self.batch.as_ref().map_or(1, |it| it.1)
    }

    async fn protection(&self) -> Result<Protected, Failure> {
        self.dialect.protection().await
    }

    fn leaves_uploads(&self) -> bool {
        true
    }

    async fn left_overs(&self, prefix: &str, after: Option<&Marker>) -> Result<LeftOvers, Failure> {
        self.dialect.left_overs(prefix, after).await
    }

    fn confirms_parts(&self) -> bool {
        self.dialect.confirms_parts()
    }

    fn knows_conditions(&self) -> Option<bool> {
        self.knows_conditions
    }

    fn renew(&self) -> bool {
        self.dialect.renew()
    }

    fn no_etag(&self) -> &'static str {
        self.no_etag
    }

    fn advice(&self) -> &'static Advice {
        self.advice
    }

    fn name(&self) -> &str {
        &self.name
    }
}
