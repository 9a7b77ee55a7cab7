//! The type `azure`: block blobs in a container.
//!
//! What is written is written by requests of our own: `object_store` sends no
//! checksums, and neither marks nor conditions with a list of blocks.

mod access;
mod raw;
mod xml;

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{StreamExt, stream};
use hayloft_plugin_api::{Protection, Result};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use object_store::{
    ObjectStore, TagSet, azure::MicrosoftAzureBuilder, client::HttpConnector, multipart::PartId,
    path::Path,
};

use self::{
    access::Renewed,
    raw::{Answer, Question, Raw},
};
use crate::{
    config::{AzureConfig, AzureSettings},
    connector::{Connector, Header},
    explain::Advice,
    failure::{Failure, date},
    options,
    rate::Rate,
    reading::{Reading, Told, part_of},
    remote::{Body, Condition, Head, Marks, Page, Parts, Piece, Protected, Remote, Written, hex},
};

/// How many objects one request removes at most.
const BATCH: usize = 256;
/// Where lists go on, for as many lists at a time.
const MOST_MARKERS: usize = 64;

const ADVICE: Advice = Advice {
    no_keys: "configure <password_file> and <authentication>, or set AZURE_STORAGE_KEY or \
              AZURE_STORAGE_SAS_TOKEN",
    wrong_keys: "the secret is not that of the account, it has expired, or a firewall of the \
                 account keeps this machine out: check <account>, <authentication> and \
                 <password_file>",
    may_not: "the keys are right, but may not do this: the role `Storage Blob Data Contributor` \
              may, or a shared access signature with `sp=racwdl`",
    no_place: "create the container, or check <container>, <account> and <endpoint>",
    no_answer: "check the network, <account>, <endpoint>, <proxy> and <timeout>",
};

/// Makes a container of Azure's or of a server that speaks the same.
pub(crate) fn open(config: &AzureConfig) -> Result<Azure> {
    let AzureConfig { common, own } = config;
    let (account, container) = (own.account.as_str(), own.container.as_str());
    let usual = format!("https://{account}.blob.core.windows.net");
    let endpoint = own.endpoint.as_ref().map_or(usual, |it| it.as_str().to_owned());
    let authority = own.endpoint.as_ref().map(|it| it.authority().to_owned());
    let authority = authority.unwrap_or_else(|| format!("{account}.blob.core.windows.net"));
    let encrypted = endpoint.starts_with("https://");
    let rate = Rate::new(common.rate_limit.map(hayloft_plugin_api::config::ByteSize::bytes));
    let connector = Connector::new(&authority, rate);
    let tokens_in_clear = own.authority.as_ref().is_some_and(|it| !it.is_encrypted());
    let client = options::client(common, encrypted && !tokens_in_clear)?;
    let builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(container)
        .with_endpoint(endpoint.clone())
        .with_client_options(client.clone())
        .with_retry(options::no_retries())
        .with_http_connector(connector.clone());
    let (builder, secret) = access::find(own)?.apply(builder, own)?;
    let store = builder.build()?;
    let raw = Raw {
        client: connector.connect(&client)?,
        container: format!("{endpoint}/{container}"),
        account: account.to_owned(),
        credentials: Arc::clone(store.credentials()),
    };
    Ok(Azure {
        name: format!("container {container} at {authority}"),
        store: Arc::new(store),
        raw,
        secret,
        connector,
        kept: kept_with_objects(own)?,
        knows_conditions: own.conditional_put.or(own.endpoint.is_none().then_some(true)),
        markers: Mutex::default(),
    })
}

/// What each new object is given besides our marks.
fn kept_with_objects(own: &AzureSettings) -> Result<Vec<Header>, Failure> {
    let mut headers = Vec::new();
    if let Some(tier) = own.access_tier {
        headers.push(named("x-ms-access-tier", tier.as_str())?);
    }
    if let Some(scope) = &own.encryption_scope {
        headers.push(named("x-ms-encryption-scope", scope.as_str())?);
    }
    let mut tags = TagSet::default();
    own.tags.tag.iter().for_each(|it| tags.push(&it.name, &it.value));
    if !tags.encoded().is_empty() {
        headers.push(named("x-ms-tags", tags.encoded())?);
    }
    Ok(headers)
}

fn named(name: &'static str, value: &str) -> Result<Header, Failure> {
    let value = HeaderValue::from_str(value);
    let value = value.map_err(|_| Failure::Nonsense(format!("no header can hold that {name}")))?;
    Ok((HeaderName::from_static(name), value))
}

/// A container.
#[derive(Debug)]
pub(crate) struct Azure {
    name: String,
    /// Reads, and removes many at once.
    store: Arc<dyn ObjectStore>,
    raw: Raw,
    /// One that can be read again.
    secret: Option<Arc<Renewed>>,
    connector: Connector,
    kept: Vec<Header>,
    knows_conditions: Option<bool>,
    /// What was listed last, and the marker that stands for what follows.
    markers: Mutex<VecDeque<(String, String)>>,
}

impl Azure {
    fn reading(&self) -> Reading<'_> {
        Reading { store: self.store.as_ref(), rate: self.connector.rate(), told: self }
    }

    /// The headers of what makes an object appear.
    fn headers(
        &self,
        marks: &Marks,
        condition: Option<&Condition>,
    ) -> Result<Vec<Header>, Failure> {
        let mut headers = self.kept.clone();
        headers.push(named(META_TOKEN, &marks.token)?);
        if let Some(sha256) = &marks.sha256 {
            headers.push(named(META_SHA256, sha256)?);
        }
        if let Some(crc64) = marks.crc64 {
            headers.push(named(META_CRC64, &hex(&crc64.to_be_bytes()))?);
        }
        match condition {
            None => {}
            Some(Condition::Absent) => headers.push(named("if-none-match", "*")?),
            Some(Condition::Etag(etag)) => headers.push(named("if-match", etag)?),
        }
        Ok(headers)
    }

    fn marker(&self, after: &str) -> Option<String> {
        let markers = self.markers.lock().unwrap_or_else(PoisonError::into_inner);
        markers.iter().rev().find(|it| it.0 == after).map(|it| it.1.clone())
    }

    fn keep_marker(&self, prefix: &str, page: &Page, marker: &str) {
        let Some(last) = page.objects.last().filter(|_| !marker.is_empty()) else { return };
        let mut markers = self.markers.lock().unwrap_or_else(PoisonError::into_inner);
        if markers.len() >= MOST_MARKERS {
            markers.pop_front();
        }
        markers.push_back((list_name(prefix, &last.path), marker.to_owned()));
    }
}

const META_TOKEN: &str = "x-ms-meta-haylofttoken";
const META_SHA256: &str = "x-ms-meta-hayloftsha256";
const META_CRC64: &str = "x-ms-meta-hayloftcrc64";

/// Stands for a list up to an object.
fn list_name(prefix: &str, last: &str) -> String {
    format!("{prefix}\0{last}")
}

fn written(answer: &Answer) -> Written {
    let text = |name| answer.headers.get(name).and_then(|it| it.to_str().ok());
    Written {
        etag: text(header::ETAG).map(str::to_owned),
        modified_ns: date(&answer.headers).unwrap_or(0).saturating_mul(1_000_000_000),
        // It has compared what came with the checksum that we sent.
        confirmed: true,
    }
}

fn md5(body: &Body) -> Result<Header, Failure> {
    named("content-md5", &STANDARD.encode(body.md5()))
}

impl Told for Azure {
    fn read_headers(&self, headers: &HeaderMap, head: &mut Head) {
        let crc64 = headers.get(META_CRC64).and_then(|it| it.to_str().ok());
        head.crc64 = crc64.and_then(|it| u64::from_str_radix(it, 16).ok());
        head.lock = lock(headers);
    }
}

/// Reads what keeps a blob from being removed.
fn lock(headers: &HeaderMap) -> Option<Protection> {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let hold = text("x-ms-legal-hold") == Some("true");
    let until = text("x-ms-immutability-policy-until-date");
    let until = until.and_then(|it| jiff::fmt::rfc2822::parse(it).ok()).map(|it| it.timestamp());
    let until = until.filter(|it| *it > jiff::Timestamp::now());
    (hold || until.is_some()).then(|| Protection {
        until_ns: until.and_then(|it| it.as_nanosecond().try_into().ok()),
        hold,
        mode: text("x-ms-immutability-policy-mode").unwrap_or_default().to_ascii_lowercase(),
    })
}

#[async_trait]
impl Remote for Azure {
    async fn put(
        &self,
        path: &Path,
        body: &Body,
        marks: &Marks,
        condition: Option<&Condition>,
    ) -> Result<Written, Failure> {
        let mut headers = self.headers(marks, condition)?;
        headers.push(named("x-ms-blob-type", "BlockBlob")?);
        headers.push(md5(body)?);
        let question = Question {
            method: Method::PUT,
            path: Some(path),
            headers,
            body: Some(body.payload().into()),
            ..Question::default()
        };
        Ok(written(&self.raw.ask(question).await?))
    }

    async fn begin(&self, _path: &Path, marks: &Marks) -> Result<String, Failure> {
        // Blocks need no announcement, but names that nobody else gives.
        Ok(marks.token.clone())
    }

    async fn part(
        &self,
        path: &Path,
        upload: &str,
        index: usize,
        body: &Body,
    ) -> Result<PartId, Failure> {
        let content_id = xml::block(upload, index);
        let question = Question {
            method: Method::PUT,
            path: Some(path),
            query: &[("comp", "block"), ("blockid", &content_id)],
            headers: vec![md5(body)?],
            body: Some(body.payload().into()),
        };
        self.raw.ask(question).await?;
        Ok(PartId { content_id })
    }

    async fn complete(
        &self,
        path: &Path,
        parts: &Parts,
        marks: &Marks,
        condition: Option<&Condition>,
    ) -> Result<Written, Failure> {
        let list = Body::from(bytes::Bytes::from(xml::block_list(&parts.ids)));
        let mut headers = self.headers(marks, condition)?;
        headers.push(named("x-ms-blob-content-type", "application/octet-stream")?);
        headers.push(md5(&list)?);
        let question = Question {
            method: Method::PUT,
            path: Some(path),
            query: &[("comp", "blocklist")],
            headers,
            body: Some(list.payload().into()),
        };
        Ok(written(&self.raw.ask(question).await?))
    }

    async fn abort(&self, _path: &Path, _upload: &str) -> Result<(), Failure> {
        // Blocks cannot be removed; Azure does so after a week.
        Ok(())
    }

    async fn get(
        &self,
        path: &Path,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Piece, Failure> {
        let begin = range.start;
        match self.reading().get(path, part_of(range, etag)).await {
            // azurite answers with nothing where Azure says that it is beyond.
            Err(Failure::Nonsense(_)) if begin > 0 && self.head(path).await?.size <= begin => {
                Err(Failure::Beyond)
            }
            other => other,
        }
    }

    async fn head(&self, path: &Path) -> Result<Head, Failure> {
        self.reading().head(path).await
    }

    /// A list goes on where a marker says, or begins at a name. Servers that
    /// know no such beginning list from the very first again.
    async fn page(&self, prefix: &str, after: &str, limit: usize) -> Result<Page, Failure> {
        let limit = limit.clamp(1, 5000).to_string();
        let mut marker = self.marker(&list_name(prefix, after)).unwrap_or_default();
        loop {
            let mut query =
                vec![("restype", "container"), ("comp", "list"), ("maxresults", limit.as_str())];
            query.extend((!prefix.is_empty()).then_some(("prefix", prefix)));
            if !marker.is_empty() {
                query.push(("marker", &marker));
            } else if !after.is_empty() {
                query.push(("startFrom", after));
            }
            let answer = self.raw.ask(Question { query: &query, ..Question::default() }).await?;
            let (mut objects, next) = xml::list(&answer.body)?;
            objects.retain(|it| it.path.as_str() > after);
            let page = Page { objects, more: !next.is_empty() };
            if !page.objects.is_empty() || !page.more {
                self.keep_marker(prefix, &page, &next);
                return Ok(page);
            }
            marker = next;
        }
    }

    async fn delete(&self, path: &Path) -> Result<(), Failure> {
        let question = Question { method: Method::DELETE, path: Some(path), ..Question::default() };
        self.raw.ask(question).await.map(drop)
    }

    async fn delete_many(&self, paths: &[Path]) -> Result<Vec<Result<(), Failure>>, Failure> {
        let all: Vec<_> = paths.iter().cloned().map(Ok).collect();
        let done: Vec<_> = self.store.delete_stream(stream::iter(all).boxed()).collect().await;
        let done: Vec<_> = done.into_iter().map(|it| it.map(drop).map_err(Failure::from)).collect();
        if done.len() == paths.len() {
            return Ok(done);
        }
        // It was refused as a whole.
        Err(done.into_iter().find_map(Result::err).unwrap_or_else(|| {
            Failure::Nonsense("the store does not say what it has removed".to_owned())
        }))
    }

    fn most_deleted(&self) -> usize {
        BATCH
    }

    async fn protection(&self) -> Result<Protected, Failure> {
        let query = &[("restype", "container")];
        let answer = self.raw.ask(Question { query, ..Question::default() }).await?;
        let says = |name: &str| answer.headers.get(name).is_some_and(|it| it == "true");
        let versioned = says("x-ms-immutable-storage-with-versioning-enabled");
        let locks =
            versioned || says("x-ms-has-immutability-policy") || says("x-ms-has-legal-hold");
        Ok(Protected { versions: versioned, locks, retention: None })
    }

    fn renew(&self) -> bool {
        self.secret.as_ref().is_some_and(|it| it.renew())
    }

    fn refuses(&self, key: &str) -> Option<&'static str> {
        key.contains('\\').then_some("Azure takes `\\` for `/`")
    }

    fn confirms_parts(&self) -> bool {
        true
    }

    fn knows_conditions(&self) -> Option<bool> {
        self.knows_conditions
    }

    fn advice(&self) -> &'static Advice {
        &ADVICE
    }

    fn name(&self) -> &str {
        &self.name
    }
}
