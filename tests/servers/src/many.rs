//! A bucket with any number of keys, of which none is kept: each page of a list
//! is made when it is asked for.

use std::{
    collections::BTreeMap,
    fmt::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::serving::{Answer, Failure, Serving, never};

/// How many keys have the same first part.
const IN_ONE: u64 = 10_000;
/// What each object is said to have, in bytes.
const SIZE: u64 = 1000;
/// What S3 lists at a time.
const PAGE: u64 = 1000;

/// A running server, which does not look at keys of access.
#[derive(Debug)]
pub struct ManyKeys {
    serving: Serving,
    requests: Arc<AtomicU64>,
    count: u64,
}

impl ManyKeys {
    /// Starts a server with so many objects.
    pub fn start(count: u64) -> Self {
        let requests = Arc::new(AtomicU64::new(0));
        let asked = Arc::clone(&requests);
        let serving = Serving::start(move |request: Request<Incoming>| {
            asked.fetch_add(1, Ordering::SeqCst);
            let answer = answer(count, request.uri().query().unwrap_or_default());
            std::future::ready(Ok::<_, Failure>(answer))
        });
        Self { serving, requests, count }
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// Returns where clients find it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.serving.address)
    }

    /// Returns how many requests came.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Returns the key of an object; they are in the order of their numbers.
    pub fn key(number: u64) -> String {
        format!("day-{:06}/object-{number:012}-of-many", number / IN_ONE)
    }

    /// Returns how many bytes all objects have.
    pub fn size(&self) -> u64 {
        self.count * SIZE
    }
}

fn answer(count: u64, query: &str) -> Answer {
    let query: BTreeMap<&str, String> = query.split('&').map(pair).collect();
    let text = |name: &str| query.get(name).map_or("", String::as_str);
    // With a delimiter it would have to say what is common.
    if text("list-type") != "2" || !text("delimiter").is_empty() {
        return said(StatusCode::NOT_IMPLEMENTED, "<Error><Code>NotImplemented</Code></Error>");
    }
    let limit = text("max-keys").parse().unwrap_or(PAGE).min(PAGE);
    let after = match text("continuation-token") {
        "" => text("start-after"),
        token => token,
    };
    said(StatusCode::OK, &page(count, text("prefix"), after, limit))
}

fn page(count: u64, prefix: &str, after: &str, limit: u64) -> String {
    let begin = first(count, |key| key >= prefix && (after.is_empty() || key > after));
    let end = first(count, |key| key > prefix && !key.starts_with(prefix)).max(begin);
    let last = end.min(begin + limit);
    let mut body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult><KeyCount>{}</KeyCount>\
         <MaxKeys>{limit}</MaxKeys><IsTruncated>{}</IsTruncated>",
        last - begin,
        last < end
    );
    for number in begin..last {
        // Writing to a string cannot fail.
        let _ = write!(
            body,
            "<Contents><Key>{}</Key><LastModified>2026-11-17T02:00:00.000Z</LastModified>\
             <ETag>&quot;{number:032x}&quot;</ETag><Size>{SIZE}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            ManyKeys::key(number)
        );
    }
    if last < end && last > begin {
        let token = ManyKeys::key(last - 1);
        let _ = write!(body, "<NextContinuationToken>{token}</NextContinuationToken>");
    }
    body + "</ListBucketResult>"
}

/// Returns the first number whose key is `good`, as all after it are.
fn first(count: u64, good: impl Fn(&str) -> bool) -> u64 {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = u64::midpoint(low, high);
        if good(&ManyKeys::key(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

fn pair(text: &str) -> (&str, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
    (name, value)
}

fn said(status: StatusCode, body: &str) -> Answer {
    let body = Full::new(body.to_owned().into());
    let mut answer = Response::new(body.map_err(never).boxed());
    *answer.status_mut() = status;
    answer
}
