//! What the server says.

use std::{fmt::Write, time::SystemTime};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Asked, Bucket, Object};
use crate::serving::{Answer, never};

pub(super) fn empty(status: StatusCode) -> Answer {
    answer(status, HeaderMap::new(), Bytes::new())
}

pub(super) fn xml(body: String) -> Answer {
    answer(StatusCode::OK, HeaderMap::new(), body.into())
}

pub(super) fn refusal(status: u16, code: &str, method: &Method) -> Answer {
    let status = StatusCode::from_u16(status).expect("we give a status of HTTP");
    let body =
        format!("<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>");
    // An answer to HEAD has no body, and so does not say why.
    let body = if method == Method::HEAD { Bytes::new() } else { body.into() };
    answer(status, HeaderMap::new(), body)
}

pub(super) fn crc32c(content: &[u8]) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, content);
    // It comes in the lower half.
    STANDARD.encode(&sum.to_be_bytes()[4..])
}

fn described(object: &Object) -> HeaderMap {
    let mut headers = object.kept.clone();
    let value = |text: String| HeaderValue::from_str(&text).expect("what we say is plain text");
    headers.insert("etag", value(format!("\"g{}\"", object.generation)));
    headers.insert("x-goog-generation", value(object.generation.to_string()));
    headers.insert("x-goog-hash", value(format!("crc32c={}", crc32c(&object.content))));
    headers.insert("last-modified", value(date(object.modified)));
    headers.insert("date", value(date(SystemTime::now())));
    headers
}

/// Answers a GET or a HEAD.
pub(super) fn object(object: &Object, asked: &Asked) -> Answer {
    let mut headers = described(object);
    let total = object.content.len();
    let range = asked.header("range").and_then(|it| it.strip_prefix("bytes=")).and_then(|it| {
        let (first, last) = it.split_once('-')?;
        Some((first.parse::<usize>().ok()?, last.parse::<usize>().unwrap_or(usize::MAX)))
    });
    let (status, content) = match range {
        Some((first, _)) if first >= total => {
            return refusal(416, "InvalidRange", &asked.method);
        }
        Some((first, last)) => {
            let end = last.saturating_add(1).min(total);
            let text = format!("bytes {first}-{}/{total}", end - 1);
            headers.insert("content-range", text.parse().expect("a range is plain text"));
            (StatusCode::PARTIAL_CONTENT, object.content.slice(first..end))
        }
        None => (StatusCode::OK, object.content.clone()),
    };
    headers.insert("content-length", content.len().into());
    let content = if asked.method == Method::HEAD { Bytes::new() } else { content };
    answer(status, headers, content)
}

/// Answers a put.
pub(super) fn put(object: &Object) -> Answer {
    let mut headers = described(object);
    headers.remove("last-modified");
    answer(StatusCode::OK, headers, Bytes::new())
}

pub(super) fn part(content: &[u8]) -> Answer {
    let sum = crc32c(content);
    let mut headers = HeaderMap::new();
    headers.insert("etag", format!("\"{sum}\"").parse().expect("base64 is plain text"));
    headers.insert("x-goog-hash", format!("crc32c={sum}").parse().expect("base64 is plain text"));
    answer(StatusCode::OK, headers, Bytes::new())
}

pub(super) fn completed(put: &Answer) -> Answer {
    let etag = put.headers().get("etag").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let body = format!(
        "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
        etag.replace('"', "&quot;")
    );
    answer(StatusCode::OK, put.headers().clone(), body.into())
}

pub(super) fn list(bucket: &Bucket, asked: &Asked) -> String {
    let prefix = asked.says("prefix").unwrap_or_default();
    let after = asked.says("start-after").unwrap_or_default();
    let limit = asked.says("max-keys").and_then(|it| it.parse().ok()).unwrap_or(1000).min(1000);
    let mut found =
        bucket.objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after);
    let mut text = String::new();
    for (key, object) in found.by_ref().take(limit) {
        let _ = write!(
            text,
            "<Contents><Key>{}</Key><Generation>{}</Generation><LastModified>{}</LastModified>\
             <ETag>\"g{}\"</ETag><Size>{}</Size></Contents>",
            encoded(key),
            object.generation,
            iso(object.modified),
            object.generation,
            object.content.len()
        );
    }
    let more = found.next().is_some();
    format!(
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>\
         {text}</ListBucketResult>"
    )
}

pub(super) fn uploads(bucket: &Bucket, asked: &Asked) -> String {
    let prefix = asked.says("prefix").unwrap_or_default();
    let mut text = String::new();
    for (id, it) in bucket.uploads.iter().filter(|it| it.1.path.starts_with(prefix)) {
        let _ = write!(
            text,
            "<Upload><Key>{}</Key><UploadId>{id}</UploadId><Initiated>{}</Initiated></Upload>",
            encoded(&it.path),
            iso(it.begun)
        );
    }
    format!(
        "<ListMultipartUploadsResult><EncodingType>url</EncodingType>{text}\
         </ListMultipartUploadsResult>"
    )
}

fn encoded(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
}

/// A time as S3 and Google write it.
fn iso(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).expect("it is now");
    format!("{time:.3}")
}

/// A time as headers have it.
fn date(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).expect("it is now");
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn answer(status: StatusCode, headers: HeaderMap, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body).map_err(never).boxed());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    if !answer.headers().contains_key("date") {
        let now = date(SystemTime::now()).parse().expect("a date is plain text");
        answer.headers_mut().insert("date", now);
    }
    answer
}
