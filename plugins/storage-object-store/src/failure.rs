//! What goes wrong between us and a store, by what can be done about it.

use std::{error::Error as StdError, time::Duration};

use http::{HeaderMap, StatusCode, header};
use object_store::client::{HttpError, HttpErrorKind};

/// An answer that says no.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub(crate) struct Refusal {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// The store's own code, such as `NoSuchBucket`; empty if it told none.
    pub(crate) code: String,
    /// What it says to people, on one line.
    pub(crate) message: String,
    /// The region that it wants to be asked for.
    pub(crate) region: Option<String>,
    /// By how many seconds our clock is ahead of the store's.
    pub(crate) ahead: Option<i64>,
    /// How long it wants us to wait.
    pub(crate) wait: Option<Duration>,
}

/// Why a request did not do what it was for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no object of that name.
    #[error("there is no such object")]
    Absent,
    /// The condition of the request does not hold: an object is there, or was
    /// changed.
    #[error("the condition does not hold")]
    Condition,
    /// The range begins at or after the end of the object.
    #[error("the range begins after the end of the object")]
    Beyond,
    /// The store says no; asking again does not help.
    #[error("the store answers {0}")]
    Refused(Refusal),
    /// The store cannot answer now.
    #[error("the store answers {0}")]
    Busy(Refusal),
    /// The conversation broke: the request may have been carried out.
    #[error("{0}")]
    Broken(String),
    /// No connection came to be: the request was not carried out.
    #[error("{0}")]
    Unreachable(String),
    /// What came is not what was sent, in either direction.
    #[error("{0}")]
    Damaged(String),
    /// What was begun cannot go on; all of it may be tried again.
    #[error("{0}")]
    Lost(String),
    /// One step of several was tried often enough: those before it are not to
    /// be tried again because of it.
    #[error("{0}")]
    GivenUp(Box<Failure>),
    /// Nobody tells us the keys that we need.
    #[error("{text}")]
    NoCredentials {
        /// What is wrong.
        text: String,
        /// What to do about it, if it is not to give keys in another way.
        remedy: Option<&'static str>,
    },
    /// The store has no such thing.
    #[error("{0}")]
    Unsupported(String),
    /// It makes no sense, and will not when asked again.
    #[error("{0}")]
    Nonsense(String),
}

impl Failure {
    /// Nobody tells us any keys.
    pub(crate) fn no_keys(text: String) -> Self {
        Self::NoCredentials { text, remedy: None }
    }

    /// Tells whether asking again may help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Broken(_) | Self::Unreachable(_) | Self::Damaged(_))
    }

    /// Tells whether the request may have been carried out all the same.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Broken(_) | Self::Damaged(_))
    }

    /// Tells whether the store does not know the multipart upload (any more).
    pub(crate) fn is_upload_gone(&self) -> bool {
        matches!(self, Self::Refused(it) if matches!(it.code.as_str(), "NoSuchUpload" | "InvalidBlockList"))
    }

    /// Tells whether keys that were good may have expired.
    pub(crate) fn is_about_old_keys(&self) -> bool {
        const OLD: [&str; 6] = [
            "ExpiredToken",
            "InvalidToken",
            "TokenRefreshRequired",
            "InvalidAccessKeyId",
            "AuthenticationFailed",
            "AuthorizationFailure",
        ];
        matches!(self, Self::Refused(it) if OLD.contains(&it.code.as_str()))
    }

    /// Returns the store's code; empty if there is none.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Refused(it) | Self::Busy(it) => &it.code,
            Self::GivenUp(it) => it.code(),
            _ => "",
        }
    }
}

/// What stores say of a request that was damaged or cut on its way.
const DAMAGED: [&str; 9] = [
    "BadDigest",
    "XAmzContentSHA256Mismatch",
    "XAmzContentChecksumMismatch",
    "InvalidDigest",
    "IncompleteBody",
    "RequestTimeout",
    "Md5Mismatch",
    "Crc64Mismatch",
    "InvalidMd5",
];

/// What stores say while others write to the same object.
const CONFLICTS: [&str; 3] =
    ["ConditionalRequestConflict", "OperationAborted", "ConflictingOperation"];

impl From<Refusal> for Failure {
    fn from(it: Refusal) -> Self {
        let code = it.code.as_str();
        match it.status {
            400 | 403 if DAMAGED.contains(&code) => Self::Damaged(it.to_string()),
            // As azurite says it.
            400 if it.message.contains("contentMD5 doesn't match") => Self::Damaged(it.to_string()),
            404 if is_about_more(code) => Self::Refused(it),
            404 => Self::Absent,
            409 if CONFLICTS.contains(&code) => Self::Busy(it),
            409 if code == "BlobAlreadyExists" => Self::Condition,
            // Somebody else holds it.
            412 if code.starts_with("LeaseId") => Self::Refused(it),
            304 | 412 => Self::Condition,
            416 => Self::Beyond,
            501 | 505 | 507 => Self::Refused(it),
            408 | 425 | 429 | 500.. => Self::Busy(it),
            200..300 if matches!(code, "InternalError" | "SlowDown" | "ServiceUnavailable") => {
                Self::Busy(it)
            }
            _ => Self::Refused(it),
        }
    }
}

/// Tells whether what is not there is more than an object.
fn is_about_more(code: &str) -> bool {
    matches!(
        code,
        "NoSuchBucket"
            | "NoSuchUpload"
            | "ContainerNotFound"
            | "ResourceNotFound"
            | "NoSuchVersion"
    )
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        if let Some(known) = from_chain(&error) {
            return known;
        }
        match &error {
            object_store::Error::NotFound { .. } => Self::Absent,
            object_store::Error::Precondition { .. }
            | object_store::Error::AlreadyExists { .. }
            | object_store::Error::NotModified { .. } => Self::Condition,
            _ => Self::Nonsense(deepest(&error)),
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        from_chain(&error).unwrap_or_else(|| Self::Nonsense(deepest(&error)))
    }
}

fn from_chain(error: &(dyn StdError + 'static)) -> Option<Failure> {
    let mut at = Some(error);
    let mut http = None;
    while let Some(it) = at {
        if let Some(refusal) = it.downcast_ref::<Refusal>() {
            return Some(refusal.clone().into());
        }
        // Of keys, on its way through `object_store`.
        match it.downcast_ref::<Failure>() {
            Some(Failure::NoCredentials { text, remedy }) => {
                return Some(Failure::NoCredentials { text: text.clone(), remedy: *remedy });
            }
            Some(Failure::Unreachable(text)) => return Some(Failure::Unreachable(text.clone())),
            _ => {}
        }
        http = http.or_else(|| it.downcast_ref::<HttpError>());
        at = it.source();
    }
    http.map(of_http)
}

fn of_http(error: &HttpError) -> Failure {
    let text = deepest(error);
    match error.kind() {
        HttpErrorKind::Timeout => Failure::Broken(format!("timed out: {text}")),
        // A certificate does not get better.
        _ if text.contains("certificate") => Failure::Nonsense(text),
        HttpErrorKind::Connect => Failure::Unreachable(format!("cannot connect: {text}")),
        _ => Failure::Broken(format!("the connection broke: {text}")),
    }
}

/// Returns what is at the bottom of a chain of causes.
pub(crate) fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut at = error;
    while let Some(next) = at.source() {
        at = next;
    }
    hayloft_plugin_api::text::one_line(at.to_string())
}

impl Refusal {
    /// Reads an answer that says no. `now` is our clock, in seconds since 1970.
    pub(crate) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8], now: i64) -> Self {
        let body = String::from_utf8_lossy(body);
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
        let code = element(&body, "Code").or_else(|| header("x-ms-error-code").map(str::to_owned));
        let message = element(&body, "Message").unwrap_or_else(|| {
            let first = body.lines().map(str::trim).find(|it| !it.is_empty()).unwrap_or_default();
            // A page of HTML tells nobody anything.
            if first.starts_with('<') { String::new() } else { first.chars().take(200).collect() }
        });
        let region = header("x-amz-bucket-region").map(str::to_owned);
        Self {
            status: status.as_u16(),
            code: code.unwrap_or_default(),
            message: hayloft_plugin_api::text::one_line(message),
            region: region.or_else(|| element(&body, "Region")),
            ahead: date(headers).map(|there| now - there),
            wait: header("retry-after").and_then(|it| it.parse().ok()).map(Duration::from_secs),
        }
    }
}

/// Returns when an answer was given, in seconds since 1970.
pub(crate) fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|it| it.timestamp().as_second())
}

/// Returns the text of the first element of that name, entities resolved.
fn element(xml: &str, name: &str) -> Option<String> {
    let begin = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let length = xml.get(begin..)?.find(&format!("</{name}>"))?;
    let text = xml.get(begin..begin + length)?;
    quick_xml::escape::unescape(text).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_failure_by_what_can_be_done_about_it() {
        let cases = [
            (404, "NoSuchKey", "Absent"),
            (404, "", "Absent"),
            (404, "NoSuchBucket", "Refused"),
            (404, "NoSuchUpload", "Refused"),
            (412, "PreconditionFailed", "Condition"),
            (409, "ConditionalRequestConflict", "Busy"),
            (409, "BlobAlreadyExists", "Condition"),
            (409, "BucketNotEmpty", "Refused"),
            (416, "InvalidRange", "Beyond"),
            (400, "BadDigest", "Damaged"),
            (400, "InvalidArgument", "Refused"),
            (403, "AccessDenied", "Refused"),
            (429, "", "Busy"),
            (500, "InternalError", "Busy"),
            (503, "SlowDown", "Busy"),
            (200, "InternalError", "Busy"),
            (200, "AccessDenied", "Refused"),
            (501, "NotImplemented", "Refused"),
            (507, "", "Refused"),
        ];
        for (status, code, expected) in cases {
            let refusal = Refusal { status, code: code.to_owned(), ..Refusal::default() };
            let failure = format!("{:?}", Failure::from(refusal));
            assert!(failure.starts_with(expected), "{status} {code}: {failure}");
        }
    }

    #[test]
    fn an_answer_is_read_whatever_is_in_it() {
        let mut headers = HeaderMap::new();
        let read = |headers: &HeaderMap, body: &str| {
            Refusal::read(StatusCode::FORBIDDEN, headers, body.as_bytes(), 1_795_226_400)
        };
        let body = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>\
                    <Message>No &amp; never\n</Message><Region>eu-west-1</Region></Error>";
        let refusal = read(&headers, body);
        assert_eq!((refusal.code.as_str(), refusal.status), ("AccessDenied", 403));
        assert_eq!(refusal.message, "No & never\\n");
        assert_eq!(refusal.region.as_deref(), Some("eu-west-1"));
        headers.insert("x-ms-error-code", "AuthorizationFailure".parse().unwrap());
        headers.insert("retry-after", "7".parse().unwrap());
        headers.insert("date", "Sat, 21 Nov 2026 01:00:00 GMT".parse().unwrap());
        let refusal = read(&headers, "<html><body>no</body></html>");
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("AuthorizationFailure", ""));
        assert_eq!(refusal.wait, Some(Duration::from_secs(7)));
        assert_eq!(refusal.ahead, Some(1_795_226_400 - 1_795_222_800));
        assert_eq!(read(&HeaderMap::new(), "plain words").message, "plain words");
        assert_eq!(read(&HeaderMap::new(), "<Code>").code, "");
    }
}
