//! What Azure says in XML, and what it is told.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use object_store::multipart::PartId;
use serde::Deserialize;

use crate::{failure::Failure, remote::Listed};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(default)]
    blobs: Blobs,
    #[serde(default)]
    next_marker: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Blobs {
    #[serde(default)]
    blob: Vec<Blob>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Blob {
    name: Name,
    #[serde(default)]
    properties: Properties,
}

/// Names that XML cannot hold come encoded, and say so.
#[derive(Debug, Deserialize)]
struct Name {
    #[serde(default, rename = "@Encoded")]
    encoded: bool,
    #[serde(default, rename = "$text")]
    text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    #[serde(default, rename = "Last-Modified")]
    last_modified: String,
    #[serde(default)]
    etag: String,
    #[serde(default, rename = "Content-Length")]
    content_length: u64,
    #[serde(default)]
    resource_type: String,
}

/// Reads a list: what is in it, and where the next part of it begins; empty if
/// there is none.
pub(super) fn list(body: &[u8]) -> Result<(Vec<Listed>, String), Failure> {
    let nonsense =
        |e: &dyn std::fmt::Display| Failure::Nonsense(format!("an unreadable list: {e}"));
    let text = std::str::from_utf8(body).map_err(|e| nonsense(&e))?;
    let text = text.trim_start_matches('\u{feff}');
    let listing: Listing = quick_xml::de::from_str(text).map_err(|e| nonsense(&e))?;
    let files =
        listing.blobs.blob.into_iter().filter(|it| it.properties.resource_type != "directory");
    let objects = files.filter_map(|Blob { name, properties }| {
        Some(Listed {
            path: plain(name)?,
            size: properties.content_length,
            modified_ns: nanoseconds(&properties.last_modified),
            etag: quoted(properties.etag),
        })
    });
    Ok((objects.collect(), listing.next_marker))
}

fn plain(name: Name) -> Option<String> {
    if !name.encoded {
        return Some(name.text);
    }
    let decoded = percent_encoding::percent_decode_str(&name.text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// As it is in headers.
fn quoted(etag: String) -> String {
    if etag.is_empty() || etag.starts_with('"') { etag } else { format!("\"{etag}\"") }
}

fn nanoseconds(time: &str) -> i64 {
    let time = jiff::fmt::rfc2822::parse(time).ok().map(|it| it.timestamp());
    time.and_then(|it| it.as_nanosecond().try_into().ok()).unwrap_or(0)
}

/// Names the blocks of a blob, in their order.
pub(super) fn block_list(parts: &[PartId]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>".to_owned();
    for part in parts {
        // Writing to a string cannot fail.
        let _ = write!(text, "<Latest>{}</Latest>", part.content_id);
    }
    text.push_str("</BlockList>");
    text
}

/// The name of a block. All of a blob must be of one length.
pub(super) fn block(upload: &str, index: usize) -> String {
    STANDARD.encode(format!("{upload}-{index:06}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whatever_is_in_them() {
        let body = "\u{feff}<?xml version=\"1.0\"?><EnumerationResults><Blobs><Blob><Name>a b&amp;c</Name>\
            <Properties><Last-Modified>Sat, 21 Nov 2026 01:00:00 GMT</Last-Modified><Etag>0x8D</Etag>\
            <Content-Length>7</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>\
            <Blob><Name Encoded=\"true\">x%0By</Name><Properties><Etag>\"e\"</Etag></Properties></Blob>\
            <Blob><Name>dir</Name><Properties><ResourceType>directory</ResourceType></Properties>\
            </Blob></Blobs><NextMarker>2!8</NextMarker></EnumerationResults>";
        let (objects, next) = list(body.as_bytes()).unwrap();
        assert_eq!(next, "2!8");
        let found: Vec<_> = objects
            .iter()
            .map(|it| (it.path.as_str(), it.size, it.modified_ns, it.etag.as_str()))
            .collect();
        let expected =
            [("a b&c", 7, 1_795_222_800_000_000_000, "\"0x8D\""), ("x\u{b}y", 0, 0, "\"e\"")];
        assert_eq!(found, expected);
        let none = "<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>";
        let (objects, next) = list(none.as_bytes()).unwrap();
        assert!(objects.is_empty() && next.is_empty());
        for bad in ["", "<html>", "\u{0}"] {
            assert!(list(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_of_blocks_are_of_one_length_and_different() {
        let names = [block("u", 0), block("u", 9), block("u", 49_999), block("v", 9)];
        assert!(names.iter().all(|it| it.len() == names[0].len()));
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
