//! What WebDAV servers say of directories.

use serde::{Deserialize, de::IgnoredAny};

use crate::failure::Failure;

/// What is asked of files and directories.
pub(super) const QUESTION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <D:propfind xmlns:D=\"DAV:\"><D:prop><D:resourcetype/><D:getcontentlength/>\
    <D:getlastmodified/><D:getetag/></D:prop></D:propfind>";

#[derive(Debug, Deserialize)]
struct Multistatus {
    #[serde(default)]
    response: Vec<Response>,
}

#[derive(Debug, Deserialize)]
struct Response {
    href: String,
    #[serde(default)]
    propstat: Vec<Propstat>,
}

#[derive(Debug, Deserialize)]
struct Propstat {
    #[serde(default)]
    prop: Prop,
    #[serde(default)]
    status: String,
}

#[derive(Debug, Default, Deserialize)]
struct Prop {
    resourcetype: Option<ResourceType>,
    getcontentlength: Option<String>,
    getlastmodified: Option<String>,
    getetag: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct ResourceType {
    collection: Option<IgnoredAny>,
}

/// A file or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The last segment of its path.
    pub(super) name: String,
    pub(super) directory: bool,
    pub(super) size: u64,
    /// Nanoseconds since 1970; 0 if unknown.
    pub(super) modified_ns: i64,
    /// Empty if the server has none.
    pub(super) etag: String,
}

/// Reads an answer: what was asked about, and what is directly in it.
pub(super) fn read(body: &[u8]) -> Result<(Option<Entry>, Vec<Entry>), Failure> {
    let nonsense =
        |e: &dyn std::fmt::Display| Failure::Nonsense(format!("an unreadable list: {e}"));
    let text = std::str::from_utf8(body).map_err(|e| nonsense(&e))?;
    let all: Multistatus = quick_xml::de::from_str(text).map_err(|e| nonsense(&e))?;
    let all: Vec<_> = all.response.iter().filter_map(entry).collect();
    // Some servers know themselves by another path than we do. What was asked
    // about has the fewest segments.
    let fewest = all.iter().map(|it| it.0).min().unwrap_or(0);
    let (own, inner): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.0 == fewest);
    let inner = inner.into_iter().filter(|it| it.0 == fewest + 1).map(|it| it.1);
    Ok((own.into_iter().next().map(|it| it.1), inner.collect()))
}

/// Returns an entry and how many segments its path has.
fn entry(response: &Response) -> Option<(usize, Entry)> {
    let href = response.href.trim();
    let path = match href.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => href,
    };
    let segments: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
    let name = segments.last().copied().unwrap_or_default();
    let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?.into_owned();
    let good = |it: &&Propstat| it.status.is_empty() || it.status.contains(" 200");
    let mut entry = Entry { name, directory: false, size: 0, modified_ns: 0, etag: String::new() };
    for Propstat { prop, .. } in response.propstat.iter().filter(good) {
        entry.directory |= prop.resourcetype.as_ref().is_some_and(|it| it.collection.is_some());
        if let Some(size) = prop.getcontentlength.as_ref().and_then(|it| it.trim().parse().ok()) {
            entry.size = size;
        }
        if let Some(time) = &prop.getlastmodified {
            entry.modified_ns = nanoseconds(time.trim());
        }
        if let Some(etag) = &prop.getetag {
            entry.etag = quoted(etag.trim());
        }
    }
    Some((segments.len(), entry))
}

/// As it is in headers.
pub(super) fn quoted(etag: &str) -> String {
    if etag.is_empty() || etag.ends_with('"') { etag.to_owned() } else { format!("\"{etag}\"") }
}

fn nanoseconds(time: &str) -> i64 {
    let time = jiff::fmt::rfc2822::parse(time).ok().map(|it| it.timestamp());
    time.and_then(|it| it.as_nanosecond().try_into().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_any_server_are_read() {
        let body = |prefix: &str, host: &str| {
            let tag = |name: &str, inner: &str| format!("<{prefix}{name}>{inner}</{prefix}{name}>");
            let response = |path: &str, inner: &str| {
                let prop = tag("prop", inner);
                let status = tag("status", "HTTP/1.1 200 OK");
                let href = tag("href", &format!("{host}{path}"));
                tag("response", &(href + &tag("propstat", &(prop + &status))))
            };
            let directory = tag("resourcetype", &tag("collection", ""));
            let file = tag("resourcetype", "")
                + &tag("getcontentlength", "7")
                + &tag("getetag", "e")
                + &tag("getlastmodified", "Sat, 21 Nov 2026 01:00:00 GMT");
            let all = response("/base/d%20d/", &directory)
                + &response("/base/d%20d/a%26b", &file)
                + &response("/base/d%20d/sub/", &directory);
            format!("<?xml version=\"1.0\"?>{}", tag("multistatus", &all))
        };
        for (prefix, host) in [("", ""), ("D:", ""), ("d:", "https://example.com:1")] {
            let (own, inner) = read(body(prefix, host).as_bytes()).unwrap();
            let own = own.unwrap();
            assert_eq!((own.name.as_str(), own.directory), ("d d", true));
            assert_eq!(inner.len(), 2);
            assert_eq!((inner[0].name.as_str(), inner[0].size), ("a&b", 7));
            assert_eq!(inner[0].etag, "\"e\"");
            assert_eq!(inner[0].modified_ns, 1_795_222_800_000_000_000);
            assert!(!inner[0].directory && inner[1].directory);
        }
        for bad in ["", "<html>", "\u{0}"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
