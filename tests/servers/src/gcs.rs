//! A small stand-in for Google Cloud Storage, in memory: there is no usable
//! server of others. It has what the XML interface's documentation says of the
//! requests that we make, and nothing else.

mod answers;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use self::answers::{empty, refusal, xml};
use crate::{
    BUCKET,
    serving::{Answer, Failure, Serving},
};

/// An object with all that is told of it.
#[derive(Debug, Clone)]
struct Object {
    content: Bytes,
    /// `x-goog-meta-…` and the storage class.
    kept: HeaderMap,
    generation: u64,
    modified: SystemTime,
}

#[derive(Debug)]
struct Upload {
    path: String,
    kept: HeaderMap,
    parts: BTreeMap<u32, Bytes>,
    begun: SystemTime,
}

#[derive(Debug, Default)]
struct Bucket {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    generation: u64,
}

/// A running server with the one bucket [`BUCKET`].
#[derive(Debug)]
pub struct GcsServer {
    serving: Serving,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    bucket: Mutex<Bucket>,
    requests: AtomicU64,
    /// Whether `x-goog-if-generation-match` counts.
    conditions: bool,
}

impl GcsServer {
    /// Starts a server that keeps conditions.
    pub fn start() -> Self {
        Self::with_conditions(true)
    }

    /// Starts a server that keeps conditions or overwrites all the same.
    pub fn with_conditions(conditions: bool) -> Self {
        // A generation is a time in microseconds.
        let bucket = Bucket { generation: 1_795_222_800_000_000, ..Bucket::default() };
        let state =
            Arc::new(State { bucket: Mutex::new(bucket), requests: AtomicU64::new(0), conditions });
        let shared = Arc::clone(&state);
        let serving = Serving::start(move |request| {
            let state = Arc::clone(&shared);
            async move { state.answer(request).await }
        });
        Self { serving, state }
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
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Returns the content of all objects.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        let bucket = self.state.bucket();
        bucket.objects.iter().map(|(key, it)| (key.clone(), it.content.clone())).collect()
    }

    /// Returns the keys of uploads that are neither completed nor aborted.
    pub fn uploads(&self) -> Vec<String> {
        self.state.bucket().uploads.values().map(|it| it.path.clone()).collect()
    }
}

/// A request as it is understood.
struct Asked {
    method: Method,
    /// The object; empty for the bucket.
    path: String,
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|it| it.to_str().ok())
    }

    fn says(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The headers that are kept with an object.
    fn kept(&self) -> HeaderMap {
        let all = self.headers.iter();
        let kept = all.filter(|(name, _)| {
            name.as_str().starts_with("x-goog-meta-") || *name == "x-goog-storage-class"
        });
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Tells whether the checksum that came is that of what came.
    fn is_intact(&self) -> bool {
        let sum = answers::crc32c(&self.body);
        self.header("x-goog-hash").is_none_or(|it| it == format!("crc32c={sum}"))
    }
}

impl State {
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Failure> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(Failure::other)?.to_bytes();
        let decode =
            |it: &str| percent_encoding::percent_decode_str(it).decode_utf8_lossy().into_owned();
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, object) = path.split_once('/').unwrap_or((path, ""));
        let query = parts.uri.query().unwrap_or_default().split('&').filter(|it| !it.is_empty());
        let pair = |it: &str| {
            let (name, value) = it.split_once('=').unwrap_or((it, ""));
            (decode(name), decode(value))
        };
        let asked = Asked {
            method: parts.method,
            path: decode(object),
            query: query.map(pair).collect(),
            headers: parts.headers,
            body,
        };
        let token = asked.header("authorization").and_then(|it| it.strip_prefix("Bearer "));
        Ok(match token {
            None => refusal(401, "AuthenticationRequired", &asked.method),
            Some("wrong") => refusal(403, "AccessDenied", &asked.method),
            Some(_) if decode(bucket) != BUCKET => refusal(404, "NoSuchBucket", &asked.method),
            Some(_) if asked.path.is_empty() => self.about_bucket(&asked),
            Some(_) => self.about_object(&asked),
        })
    }

    fn about_bucket(&self, asked: &Asked) -> Answer {
        let bucket = self.bucket();
        if asked.says("versioning").is_some() {
            return xml("<VersioningConfiguration/>".to_owned());
        }
        if asked.says("uploads").is_some() {
            return xml(answers::uploads(&bucket, asked));
        }
        xml(answers::list(&bucket, asked))
    }

    fn about_object(&self, asked: &Asked) -> Answer {
        let upload = asked.says("uploadId").map(str::to_owned);
        match (asked.method.as_str(), upload) {
            ("PUT", Some(upload)) => self.put_part(asked, &upload),
            ("PUT", None) => self.put(asked, asked.body.clone(), asked.kept()),
            ("POST", Some(upload)) => self.complete(asked, &upload),
            ("POST", None) => self.begin(asked),
            ("DELETE", Some(upload)) => match self.bucket().uploads.remove(&upload) {
                Some(_) => empty(StatusCode::NO_CONTENT),
                None => refusal(404, "NoSuchUpload", &asked.method),
            },
            ("DELETE", None) => match self.bucket().objects.remove(&asked.path) {
                Some(_) => empty(StatusCode::NO_CONTENT),
                None => refusal(404, "NoSuchKey", &asked.method),
            },
            ("GET" | "HEAD", _) => {
                let bucket = self.bucket();
                let wanted = asked.says("generation").and_then(|it| it.parse().ok());
                match bucket.objects.get(&asked.path) {
                    Some(it) if wanted.is_none_or(|wanted: u64| wanted == it.generation) => {
                        answers::object(it, asked)
                    }
                    _ => refusal(404, "NoSuchKey", &asked.method),
                }
            }
            _ => refusal(405, "MethodNotAllowed", &asked.method),
        }
    }

    fn put(&self, asked: &Asked, content: Bytes, kept: HeaderMap) -> Answer {
        if !asked.is_intact() {
            return refusal(400, "BadDigest", &asked.method);
        }
        let mut bucket = self.bucket();
        let there = bucket.objects.get(&asked.path).map_or(0, |it| it.generation);
        let wanted = asked.header("x-goog-if-generation-match").map(str::parse);
        let Ok(wanted) = wanted.transpose() else {
            return refusal(400, "InvalidArgument", &asked.method);
        };
        if self.conditions && wanted.is_some_and(|wanted: u64| wanted != there) {
            return refusal(412, "PreconditionFailed", &asked.method);
        }
        bucket.generation += 1;
        let generation = bucket.generation;
        let object = Object { content, kept, generation, modified: SystemTime::now() };
        let answer = answers::put(&object);
        bucket.objects.insert(asked.path.clone(), object);
        answer
    }

    fn begin(&self, asked: &Asked) -> Answer {
        let mut bucket = self.bucket();
        bucket.generation += 1;
        let id = format!("upload/{}", bucket.generation);
        let upload = Upload {
            path: asked.path.clone(),
            kept: asked.kept(),
            parts: BTreeMap::new(),
            begun: SystemTime::now(),
        };
        bucket.uploads.insert(id.clone(), upload);
        xml(format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>"
        ))
    }

    fn put_part(&self, asked: &Asked, upload: &str) -> Answer {
        if !asked.is_intact() {
            return refusal(400, "BadDigest", &asked.method);
        }
        let number = asked.says("partNumber").and_then(|it| it.parse().ok());
        let mut bucket = self.bucket();
        match (bucket.uploads.get_mut(upload), number) {
            (Some(it), Some(number)) => {
                it.parts.insert(number, asked.body.clone());
                answers::part(&asked.body)
            }
            _ => refusal(404, "NoSuchUpload", &asked.method),
        }
    }

    fn complete(&self, asked: &Asked, upload: &str) -> Answer {
        let (content, kept) = {
            let bucket = self.bucket();
            let Some(it) = bucket.uploads.get(upload) else {
                return refusal(404, "NoSuchUpload", &asked.method);
            };
            let content: Vec<u8> = it.parts.values().flatten().copied().collect();
            (content, it.kept.clone())
        };
        let answer = self.put(asked, content.into(), kept);
        if !answer.status().is_success() {
            return answer;
        }
        self.bucket().uploads.remove(upload);
        answers::completed(&answer)
    }
}
