//! An S3 server in memory.
//!
//! Protocol, signatures and checksums of requests are those of the crate
//! `s3s`; what is kept is ours. The crate `s3s-fs`, which keeps files, would
//! refuse keys of more than some 150 bytes, shows an object before its metadata,
//! and has no list of uploads.

mod bucket;
mod objects;
mod uploads;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::{S3Auth, SecretKey},
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput,
        CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
        DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetObjectInput,
        GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
        ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input,
        ListObjectsV2Output, PutObjectInput, PutObjectOutput, UploadPartInput, UploadPartOutput,
    },
    s3_error,
    service::S3ServiceBuilder,
};

use self::bucket::{Bucket, Upload};
use crate::{
    certificate::Certificate,
    serving::{Failure, Serving},
};

/// The one access key that the server knows.
pub const ACCESS_KEY: &str = "HAYLOFTTESTACCESSKEY";
/// Its secret.
pub const SECRET_KEY: &str = "a/secret+of+the/tests";
/// The one bucket that there is.
pub const BUCKET: &str = "backups";

/// How the server differs from Amazon's.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// Whether `If-None-Match` and `If-Match` count when an object is put. A
    /// server that does not know them overwrites and says that all is well.
    pub conditional_put: bool,
    /// The same when a multipart upload is completed.
    pub conditional_complete: bool,
    /// Whether checksums are kept, and told to those who ask.
    pub checksums: bool,
    /// How many keys are listed at a time, at most.
    pub page: usize,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { conditional_put: true, conditional_complete: true, checksums: true, page: 1000 }
    }
}

/// An object as the server keeps it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its content.
    pub content: Bytes,
    /// Its metadata, without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// Its tags, as they came in the header.
    pub tags: Option<String>,
    /// The storage class that was asked for.
    pub storage_class: Option<String>,
    /// The server-side encryption that was asked for.
    pub encryption: Option<String>,
    pub(crate) etag: String,
    pub(crate) crc64: Option<String>,
    pub(crate) modified: SystemTime,
}

/// A running S3 server.
#[derive(Debug)]
pub struct S3Server {
    serving: Serving,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    behaviour: Behaviour,
    bucket: Mutex<Bucket>,
    requests: AtomicU64,
}

impl State {
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl S3Server {
    /// Starts a server that behaves as Amazon's.
    pub fn start() -> Self {
        Self::with(Behaviour::default())
    }

    /// Starts a server that encrypts.
    pub fn encrypted(certificate: &Certificate) -> Self {
        Self::build(Behaviour::default(), Some(certificate))
    }

    /// Starts a server.
    pub fn with(behaviour: Behaviour) -> Self {
        Self::build(behaviour, None)
    }

    fn build(behaviour: Behaviour, certificate: Option<&Certificate>) -> Self {
        let state =
            Arc::new(State { behaviour, bucket: Mutex::default(), requests: AtomicU64::new(0) });
        let mut builder = S3ServiceBuilder::new(Server(Arc::clone(&state)));
        builder.set_auth(OneKey);
        let service = builder.build();
        let counted = Arc::clone(&state);
        let answer = move |request: http::Request<hyper::body::Incoming>| {
            counted.requests.fetch_add(1, Ordering::SeqCst);
            let service = service.clone();
            async move {
                let request = request.map(s3s::Body::from);
                let answer =
                    service.call(request).await.map_err(|it| Failure::other(format!("{it:?}")))?;
                Ok(answer.map(|body| BodyExt::map_err(body, Failure::other).boxed()))
            }
        };
        let serving = Serving::with(answer, certificate.map(Certificate::acceptor));
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

    /// Returns all objects that are there.
    pub fn objects(&self) -> BTreeMap<String, Stored> {
        self.state.bucket().objects.clone()
    }

    /// Puts an object there, past all checks.
    pub fn place(&self, key: &str, content: impl Into<Bytes>) {
        self.state.bucket().place(key, Stored::plain(content.into()));
    }

    /// Removes an object, past all checks.
    pub fn remove(&self, key: &str) {
        self.state.bucket().objects.remove(key);
    }

    /// Removes everything whose key begins so.
    pub fn clear(&self, prefix: &str) {
        self.state.bucket().objects.retain(|key, _| !key.starts_with(prefix));
    }

    /// Changes a bit of an object, as an old disk does.
    pub fn damage(&self, key: &str) {
        if let Some(object) = self.state.bucket().objects.get_mut(key) {
            let mut content = object.content.to_vec();
            let middle = content.len() / 2;
            if let Some(byte) = content.get_mut(middle) {
                *byte ^= 1;
            }
            object.content = content.into();
        }
    }

    /// Begins a multipart upload that was begun so many seconds ago, and that
    /// nobody goes on with.
    pub fn abandon(&self, key: &str, seconds: u64) {
        let begun = SystemTime::now() - Duration::from_secs(seconds);
        let draft = Stored::plain(Bytes::new());
        let upload = Upload { key: key.to_owned(), begun, draft, parts: BTreeMap::new() };
        self.state.bucket().begin(upload);
    }

    /// Returns the keys of multipart uploads that are neither completed nor
    /// aborted.
    pub fn uploads(&self) -> Vec<String> {
        self.state.bucket().uploads.values().map(|it| it.key.clone()).collect()
    }
}

#[derive(Debug)]
struct OneKey;

#[async_trait::async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY {
            return Ok(SECRET_KEY.into());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

struct Server(Arc<State>);

fn known(bucket: &str) -> S3Result<()> {
    if bucket == BUCKET {
        return Ok(());
    }
    Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))
}

/// Makes sure that a request is signed, which `s3s` leaves to the server.
fn signed<T>(request: S3Request<T>) -> S3Result<T> {
    if request.credentials.is_none() {
        return Err(s3_error!(AccessDenied, "Access Denied"));
    }
    Ok(request.input)
}

#[async_trait::async_trait]
impl S3 for Server {
    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        known(&signed(request)?.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.0.put(signed(request)?).await.map(S3Response::new)
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        self.0.get(&signed(request)?).map(S3Response::new)
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.0.head(&signed(request)?).map(S3Response::new)
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        self.0.copy(&signed(request)?).map(S3Response::new)
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.0.delete(&signed(request)?).map(S3Response::new)
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.0.delete_many(signed(request)?).map(S3Response::new)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.0.list(signed(request)?).map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.0.create_upload(signed(request)?).map(S3Response::new)
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        self.0.upload_part(signed(request)?).await.map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.0.complete_upload(signed(request)?).map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.0.abort_upload(&signed(request)?).map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.0.list_uploads(signed(request)?).map(S3Response::new)
    }
}
