//! Reads objects as `object_store` does, the same for all types of storage.

use futures_util::TryStreamExt;
use http::HeaderMap;
use object_store::{Attribute, GetOptions, GetRange, GetResult, ObjectStore, path::Path};

use crate::{
    connector::Seen,
    failure::Failure,
    rate::Rate,
    remote::{Body, Head, Piece, SHA256, TOKEN},
};

/// Reads what a store tells of an object besides what everybody tells.
pub(crate) trait Told: Sync {
    /// Adds it to what is known.
    fn read_headers(&self, headers: &HeaderMap, head: &mut Head);
}

/// Where objects are read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) store: &'a dyn ObjectStore,
    pub(crate) rate: &'a Rate,
    pub(crate) told: &'a dyn Told,
}

impl Reading<'_> {
    /// See [`Remote::get`](crate::remote::Remote::get).
    pub(crate) async fn get(&self, path: &Path, options: GetOptions) -> Result<Piece, Failure> {
        let result = self.store.get_opts(path, options).await?;
        let head = self.head_of(&result);
        let wanted = result.range.end - result.range.start;
        let mut content = Body::default();
        let mut stream = result.into_stream();
        while let Some(piece) = stream.try_next().await? {
            self.rate.take(piece.len() as u64).await;
            content.push(piece);
        }
        if content.length() != wanted {
            let text = format!("{} bytes came instead of {wanted}", content.length());
            return Err(Failure::Damaged(text));
        }
        Ok(Piece { head, content })
    }

    /// See [`Remote::head`](crate::remote::Remote::head).
    pub(crate) async fn head(&self, path: &Path) -> Result<Head, Failure> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let result = self.store.get_opts(path, options).await?;
        Ok(self.head_of(&result))
    }

    fn head_of(&self, result: &GetResult) -> Head {
        let mark = |name: &'static str| {
            let attribute = result.attributes.get(&Attribute::Metadata(name.into()));
            attribute.map(|it| it.as_ref().to_owned())
        };
        let mut head = Head {
            size: result.meta.size,
            etag: result.meta.e_tag.clone(),
            modified_ns: result.meta.last_modified.timestamp_nanos_opt().unwrap_or(0),
            token: mark(TOKEN),
            sha256: mark(SHA256),
            ..Head::default()
        };
        if let Some(Seen(headers)) = result.extensions.get::<Seen>() {
            self.told.read_headers(headers, &mut head);
        }
        head
    }
}

/// Asks for a range of an object, provided that it is that one.
pub(crate) fn part_of(range: std::ops::Range<u64>, etag: Option<&str>) -> GetOptions {
    GetOptions {
        range: Some(GetRange::Bounded(range)),
        if_match: etag.map(str::to_owned),
        ..GetOptions::default()
    }
}
