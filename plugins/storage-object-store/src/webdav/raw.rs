//! The requests of WebDAV.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use object_store::{
    client::{HttpClient, HttpRequestBody},
    path::Path,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::xml::{self, Entry};
use crate::failure::{Failure, Refusal};

/// What is not encoded in a path.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Asks a server.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) client: HttpClient,
    /// The URL of the directory, without a slash at the end.
    pub(super) base: String,
}

impl Raw {
    /// Returns the URL of a file, or of a directory if it ends with a slash.
    pub(super) fn url(&self, path: &str) -> String {
        let mut url = self.base.clone();
        if path.is_empty() {
            url.push('/');
        }
        for part in path.split_inclusive('/') {
            url.push('/');
            url.extend(utf8_percent_encode(part.trim_end_matches('/'), &PLAIN));
        }
        if path.ends_with('/') {
            url.push('/');
        }
        url
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: HttpRequestBody,
    ) -> Result<Bytes, Failure> {
        let nonsense = |e: &dyn std::fmt::Display| Failure::Nonsense(e.to_string());
        let method = Method::from_bytes(method.as_bytes()).map_err(|e| nonsense(&e))?;
        let length = body.content_length();
        let mut request = Request::builder()
            .method(method)
            .uri(self.url(path))
            .header(header::CONTENT_LENGTH, length)
            .body(body)
            .map_err(|e| nonsense(&e))?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|e| nonsense(&e))?;
            request.headers_mut().insert(name, value);
        }
        let answer = self.client.execute(request).await?;
        Ok(answer.into_body().bytes().await?)
    }

    /// Says what a path is, and with `depth` 1 what is directly in it.
    pub(super) async fn find(
        &self,
        path: &str,
        depth: &str,
    ) -> Result<(Option<Entry>, Vec<Entry>), Failure> {
        let headers = [
            (HeaderName::from_static("depth"), depth),
            (header::CONTENT_TYPE, "application/xml; charset=utf-8"),
        ];
        let body = HttpRequestBody::from(xml::QUESTION.to_owned());
        xml::read(&self.ask("PROPFIND", path, &headers, body).await?)
    }

    /// Writes a file, making its directories where they are missing.
    pub(super) async fn put(&self, path: &Path, body: HttpRequestBody) -> Result<(), Failure> {
        let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
        let put = || self.ask("PUT", path.as_ref(), &kind, body.clone());
        match put().await {
            Err(failure) if lacks_directory(&failure) => {
                self.make_directories(path.as_ref()).await?;
                put().await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Gives a file another name, making directories where they are missing.
    /// [`Failure::Condition`] if there is something of that name and it is not
    /// to be replaced.
    pub(super) async fn rename(&self, from: &Path, to: &Path, over: bool) -> Result<(), Failure> {
        let destination = self.url(to.as_ref());
        let headers = [
            (HeaderName::from_static("destination"), destination.as_str()),
            (HeaderName::from_static("overwrite"), if over { "T" } else { "F" }),
        ];
        let rename = || self.ask("MOVE", from.as_ref(), &headers, HttpRequestBody::empty());
        match rename().await {
            Err(failure) if lacks_directory(&failure) => {
                self.make_directories(to.as_ref()).await?;
                rename().await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Removes a file. Of a directory it would remove all that is in it: see
    /// to it that it is none.
    pub(super) async fn delete(&self, path: &Path) -> Result<(), Failure> {
        self.ask("DELETE", path.as_ref(), &[], HttpRequestBody::empty()).await.map(drop)
    }

    /// Makes the directories above a file.
    pub(super) async fn make_directories(&self, path: &str) -> Result<(), Failure> {
        for (at, _) in path.match_indices('/') {
            let directory = &path[..=at];
            match self.ask("MKCOL", directory, &[], HttpRequestBody::empty()).await {
                // It is there.
                Err(Failure::Refused(it)) if matches!(it.status, 301 | 405) => {}
                Err(Failure::Absent) => return Err(no_place()),
                Err(Failure::Refused(it)) if it.status == 409 => return Err(no_place()),
                other => drop(other?),
            }
        }
        Ok(())
    }
}

/// Tells whether the directory of a file may be missing.
fn lacks_directory(failure: &Failure) -> bool {
    match failure {
        Failure::Absent => true,
        Failure::Refused(it) => it.status == 409,
        _ => false,
    }
}

/// Says that the configured directory is not there.
pub(super) fn no_place() -> Failure {
    let message = "there is no such directory".to_owned();
    let code = "NoSuchBucket".to_owned();
    Failure::Refused(Refusal { status: 404, code, message, ..Refusal::default() })
}
