//! The layer between `object_store` and the network. Every request passes.
//!
//! It reads what a store says when it says no, keeps to the configured rate,
//! and adds conditions to requests that `object_store` makes without.

mod keys;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
        HttpResponse, HttpService, ReqwestConnector,
    },
};

use crate::{failure::Refusal, rate::Rate, sum::Sum};

/// How much of a refusal is read.
const LONGEST_REFUSAL: usize = 64 << 10;

/// The headers of an answer, for those who get no more than its extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(pub(crate) HeaderMap);

/// A checksum that is sent with what is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summed {
    /// `object_store` does it, or nobody.
    Not,
    /// As Google's store compares it. It is not signed, so it may be added.
    Crc32c,
}

/// Makes clients whose every request passes through here.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    shared: Arc<Shared>,
    sums: Summed,
}

#[derive(Debug)]
struct Shared {
    /// Host and port of the store. Everybody else is asked for credentials.
    home: String,
    rate: Rate,
    /// Headers for the completion of multipart uploads.
    conditions: Mutex<HashMap<String, Header>>,
}

/// A header of a request.
pub(crate) type Header = (HeaderName, HeaderValue);

impl Connector {
    pub(crate) fn new(home: &str, rate: Rate) -> Self {
        let home = home.to_ascii_lowercase();
        let shared = Arc::new(Shared { home, rate, conditions: Mutex::default() });
        Self { shared, sums: Summed::Not }
    }

    /// Sends checksums with what is put.
    pub(crate) fn with_sums(self, sums: Summed) -> Self {
        Self { sums, ..self }
    }

    /// Sends a header with the completion of a multipart upload: a condition,
    /// for which `object_store` has no place.
    pub(crate) fn set_condition(&self, upload: &str, condition: Option<Header>) {
        let mut all = self.shared.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        match condition {
            Some(header) => all.insert(upload.to_owned(), header),
            None => all.remove(upload),
        };
    }

    /// Returns the rate that transfers keep to.
    pub(crate) fn rate(&self) -> &Rate {
        &self.shared.rate
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Watched { client, shared: Arc::clone(&self.shared), sums: self.sums }))
    }
}

#[derive(Debug)]
struct Watched {
    client: HttpClient,
    shared: Arc<Shared>,
    sums: Summed,
}

#[async_trait]
impl HttpService for Watched {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let authority = request.uri().authority().map(|it| it.as_str().to_ascii_lowercase());
        // A store may give keys itself.
        if authority.as_deref() != Some(self.shared.home.as_str()) || keys::shows_token(&request) {
            return keys::ask(&self.client, request).await;
        }
        let completes = completed_upload(&request);
        if let Some((name, value)) = completes.as_deref().and_then(|it| self.condition(it)) {
            request.headers_mut().insert(name, value);
        }
        if self.sums == Summed::Crc32c && request.method() == Method::PUT {
            let sum = sum_of(request.body().clone()).await?;
            request.headers_mut().insert(HeaderName::from_static("x-goog-hash"), sum);
        }
        self.shared.rate.take(request.body().content_length() as u64).await;
        let answer = self.client.execute(request).await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(refused(answer).await);
        }
        let (mut parts, body) = answer.into_parts();
        parts.extensions.insert(Seen(parts.headers.clone()));
        if completes.is_none() {
            return Ok(HttpResponse::from_parts(parts, body));
        }
        // S3 may say yes first, and no in the body.
        let body = body.bytes().await?;
        let refusal = Refusal::read(status, &parts.headers, &body, now());
        if refusal.code.is_empty() {
            return Ok(HttpResponse::from_parts(parts, body.into()));
        }
        Err(HttpError::new(HttpErrorKind::Unknown, refusal))
    }
}

impl Watched {
    fn condition(&self, upload: &str) -> Option<Header> {
        let all = self.shared.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(upload).cloned()
    }
}

/// Sums up a body; a clone of it costs nothing.
async fn sum_of(body: HttpRequestBody) -> Result<HeaderValue, HttpError> {
    let wrong = |e: http::header::InvalidHeaderValue| HttpError::new(HttpErrorKind::Request, e);
    let mut pieces = Vec::new();
    let mut body = body;
    while let Some(frame) = body.frame().await {
        pieces.extend(frame?.into_data());
    }
    let sum = STANDARD.encode(Sum::of(&pieces).crc32c.to_be_bytes());
    HeaderValue::from_str(&format!("crc32c={sum}")).map_err(wrong)
}

/// Returns the multipart upload that a request completes.
fn completed_upload(request: &HttpRequest) -> Option<String> {
    let query = request.uri().query().filter(|_| request.method() == Method::POST)?;
    let value = query.split('&').find_map(|it| it.strip_prefix("uploadId="))?;
    let decoded = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

async fn refused(answer: HttpResponse) -> HttpError {
    let (parts, body) = answer.into_parts();
    // Without its body, an answer still has a status.
    let body = body.bytes().await.unwrap_or_else(|_| Bytes::new());
    let body = &body[..body.len().min(LONGEST_REFUSAL)];
    let status = if parts.status.is_redirection() && parts.status != StatusCode::NOT_MODIFIED {
        StatusCode::MOVED_PERMANENTLY
    } else {
        parts.status
    };
    let refusal = Refusal::read(status, &parts.headers, body, now());
    HttpError::new(HttpErrorKind::Unknown, refusal)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
