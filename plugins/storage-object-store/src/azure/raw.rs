//! Requests that `object_store` does not make, or not with all that we need.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use object_store::{
    azure::{AzureAuthorizer, AzureCredentialProvider},
    client::{HttpClient, HttpRequestBody},
    path::Path,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{connector::Header, failure::Failure};

/// What is not encoded, so that the signature fits.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Asks a container, signed.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) client: HttpClient,
    /// The container's URL, without a slash at the end.
    pub(super) container: String,
    pub(super) account: String,
    pub(super) credentials: AzureCredentialProvider,
}

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Question<'a> {
    pub(super) method: Method,
    /// A blob, or the container itself.
    pub(super) path: Option<&'a Path>,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: Vec<Header>,
    pub(super) body: Option<HttpRequestBody>,
}

/// An answer that says yes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Raw {
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Answer, Failure> {
        let nonsense = |e: &dyn std::fmt::Display| Failure::Nonsense(e.to_string());
        let body = question.body.unwrap_or_else(HttpRequestBody::empty);
        let length = body.content_length();
        let mut request = Request::builder()
            .method(question.method)
            .uri(self.url(question.path, question.query))
            .header(header::CONTENT_LENGTH, length)
            .body(body)
            .map_err(|e| nonsense(&e))?;
        request.headers_mut().extend(question.headers);
        let credential = self.credentials.get_credential().await?;
        AzureAuthorizer::new(&credential, &self.account).try_authorize(&mut request)?;
        let answer = self.client.execute(request).await?;
        let (parts, body) = answer.into_parts();
        Ok(Answer { headers: parts.headers, body: body.bytes().await? })
    }

    fn url(&self, path: Option<&Path>, query: &[(&str, &str)]) -> String {
        let mut url = self.container.clone();
        for part in path.into_iter().flat_map(|it| it.as_ref().split('/')) {
            url.push('/');
            url.extend(utf8_percent_encode(part, &PLAIN));
        }
        for (at, (name, value)) in query.iter().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, &PLAIN));
        }
        url
    }
}
