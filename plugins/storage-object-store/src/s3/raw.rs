//! Requests that `object_store` does not make.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use object_store::{
    aws::{AwsAuthorizer, AwsCredentialProvider},
    client::{HttpClient, HttpRequestBody},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failure::Failure;

/// What is not encoded in a query, so that the signature fits.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Asks a bucket, signed.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) client: HttpClient,
    /// The bucket's URL, without a slash at the end.
    pub(super) bucket: String,
    pub(super) credentials: AwsCredentialProvider,
    pub(super) region: String,
    pub(super) requester_pays: bool,
}

/// An answer that says yes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Raw {
    /// Gets what the bucket says to a query.
    pub(super) async fn get(&self, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, &ENCODED)))
            .collect();
        let url = format!("{}?{}", self.bucket, query.join("&"));
        let nonsense = |e: &dyn std::fmt::Display| Failure::Nonsense(e.to_string());
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(url)
            .body(HttpRequestBody::empty())
            .map_err(|e| nonsense(&e))?;
        let credential = self.credentials.get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .with_request_payer(self.requester_pays)
            .try_authorize(&mut request, None)?;
        let answer = self.client.execute(request).await?;
        let (parts, body) = answer.into_parts();
        Ok(Answer { headers: parts.headers, body: body.bytes().await? })
    }
}
