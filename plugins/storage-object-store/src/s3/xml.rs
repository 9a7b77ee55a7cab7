//! What S3 says in XML.

use std::time::Duration;

use hayloft_plugin_api::Retention;
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    failure::Failure,
    remote::{LeftOver, LeftOvers, Listed, Marker, Page},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(default)]
    contents: Vec<Content>,
    #[serde(default)]
    is_truncated: bool,
    encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    key: String,
    size: u64,
    #[serde(default)]
    last_modified: String,
    #[serde(default, rename = "ETag")]
    etag: String,
    /// What Google's store goes by.
    generation: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Uploads {
    #[serde(default)]
    upload: Vec<Upload>,
    #[serde(default)]
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_upload_id_marker: Option<String>,
    encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Upload {
    key: String,
    #[serde(rename = "UploadId")]
    id: String,
    #[serde(default)]
    initiated: String,
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Failure> {
    let nonsense =
        |e: &dyn std::fmt::Display| Failure::Nonsense(format!("an unreadable list: {e}"));
    let text = std::str::from_utf8(body).map_err(|e| nonsense(&e))?;
    quick_xml::de::from_str(text).map_err(|e| nonsense(&e))
}

/// Reads a list of objects.
pub(crate) fn page(body: &[u8]) -> Result<Page, Failure> {
    let listing: Listing = read(body)?;
    let encoded = is_encoded(listing.encoding_type.as_deref());
    let objects = listing.contents.into_iter().filter_map(|it| {
        Some(Listed {
            path: decoded(it.key, encoded)?,
            size: it.size,
            modified_ns: nanoseconds(&it.last_modified),
            etag: it.generation.unwrap_or(it.etag),
        })
    });
    Ok(Page { objects: objects.collect(), more: listing.is_truncated })
}

/// Returns the query for a list of multipart uploads.
pub(crate) fn question_for_uploads<'a>(
    prefix: &'a str,
    after: Option<&'a Marker>,
) -> Vec<(&'static str, &'a str)> {
    let mut query = vec![("uploads", ""), ("encoding-type", "url"), ("max-uploads", "1000")];
    query.extend((!prefix.is_empty()).then_some(("prefix", prefix)));
    if let Some(Marker { path, upload }) = after {
        query.extend([("key-marker", path.as_str()), ("upload-id-marker", upload.as_str())]);
    }
    query
}

/// Reads a list of multipart uploads. `now` is the store's own clock, in
/// seconds since 1970.
pub(crate) fn left_overs(body: &[u8], now: i64) -> Result<LeftOvers, Failure> {
    let uploads: Uploads = read(body)?;
    let encoded = is_encoded(uploads.encoding_type.as_deref());
    let next = uploads.next_key_marker.filter(|_| uploads.is_truncated);
    let next = next.and_then(|it| {
        let upload = uploads.next_upload_id_marker.unwrap_or_default();
        Some(Marker { path: decoded(it, encoded)?, upload })
    });
    let all = uploads.upload.into_iter().filter_map(|it| {
        let begun_ns = nanoseconds(&it.initiated);
        let begun = begun_ns / 1_000_000_000;
        // Without a time, it could be one of now.
        let age = if begun == 0 { 0 } else { u64::try_from(now - begun).unwrap_or(0) };
        Some(LeftOver {
            path: decoded(it.key, encoded)?,
            upload: it.id,
            begun_ns,
            age: Duration::from_secs(age),
        })
    });
    Ok(LeftOvers { uploads: all.collect(), next })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Versioning {
    #[serde(default)]
    status: String,
}

/// Tells whether a bucket keeps older versions.
pub(crate) fn keeps_versions(body: &[u8]) -> Result<bool, Failure> {
    read::<Versioning>(body).map(|it| it.status == "Enabled")
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Locking {
    #[serde(default)]
    object_lock_enabled: String,
    rule: Option<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    default_retention: Option<DefaultRetention>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefaultRetention {
    #[serde(default)]
    mode: String,
    #[serde(default)]
    days: u64,
    #[serde(default)]
    years: u64,
}

/// Tells whether objects of a bucket can be locked, and for how long new ones
/// are.
pub(crate) fn locking(body: &[u8]) -> Result<(bool, Option<Retention>), Failure> {
    let locking: Locking = read(body)?;
    let retention = locking.rule.and_then(|it| it.default_retention).map(|it| Retention {
        // As S3 counts them.
        seconds: (it.days + 365 * it.years).saturating_mul(24 * 3600),
        mode: it.mode.to_ascii_lowercase(),
    });
    Ok((locking.object_lock_enabled == "Enabled", retention))
}

fn is_encoded(encoding: Option<&str>) -> bool {
    encoding.is_some_and(|it| it.eq_ignore_ascii_case("url"))
}

/// Undoes the encoding that we ask for because XML cannot hold all keys.
fn decoded(key: String, encoded: bool) -> Option<String> {
    if !encoded {
        return Some(key);
    }
    let key = key.replace('+', " ");
    let key = percent_encoding::percent_decode_str(&key).decode_utf8().ok()?;
    Some(key.into_owned())
}

fn nanoseconds(time: &str) -> i64 {
    let time = time.parse::<Timestamp>().ok();
    time.and_then(|it| it.as_nanosecond().try_into().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_with_and_without_encoding() {
        let body = |encoding: &str, key: &str| {
            format!(
                "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><Name>b</Name>{encoding}\
                 <IsTruncated>true</IsTruncated><Contents><Key>{key}</Key><LastModified>\
                 2026-11-21T01:00:00.500Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size>\
                 <StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>"
            )
        };
        let url = "<EncodingType>url</EncodingType>";
        let cases = [(url, "a+b%2Bc/%C3%BC%0A", "a b+c/ü\n"), ("", "a+b%2B &amp; c", "a+b%2B & c")];
        for (encoding, key, expected) in cases {
            let page = page(body(encoding, key).as_bytes()).unwrap();
            assert!(page.more);
            let object = &page.objects[0];
            assert_eq!((object.path.as_str(), object.size), (expected, 7));
            assert_eq!(object.modified_ns, 1_795_222_800_500_000_000);
            assert_eq!(object.etag, "\"e\"");
        }
        let empty = page(b"<ListBucketResult></ListBucketResult>").unwrap();
        assert!(empty.objects.is_empty() && !empty.more);
        for bad in ["", "<html>", "<ListBucketResult><Contents/></ListBucketResult>", "\u{0}"] {
            assert!(page(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_bucket_says_how_it_protects_what_is_in_it() {
        let cases = [
            ("<ObjectLockConfiguration/>", (false, None)),
            (
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                 </ObjectLockConfiguration>",
                (true, None),
            ),
            (
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
                 <DefaultRetention><Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention>\
                 </Rule></ObjectLockConfiguration>",
                (true, Some(Retention { seconds: 2_592_000, mode: "compliance".to_owned() })),
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(locking(body.as_bytes()).unwrap(), expected);
        }
        let versioning = |status: &str| {
            let body = format!("<VersioningConfiguration>{status}</VersioningConfiguration>");
            keeps_versions(body.as_bytes()).unwrap()
        };
        assert!(versioning("<Status>Enabled</Status>"));
        assert!(!versioning("<Status>Suspended</Status>") && !versioning(""));
    }

    #[test]
    fn uploads_have_an_age_by_the_clock_of_the_store() {
        let body = "<ListMultipartUploadsResult><EncodingType>url</EncodingType>\
                    <IsTruncated>true</IsTruncated><NextKeyMarker>l%20m</NextKeyMarker>\
                    <NextUploadIdMarker>v</NextUploadIdMarker><Upload><Key>k</Key><UploadId>u</UploadId>\
                    <Initiated>2026-11-21T01:00:00Z</Initiated></Upload><Upload><Key>l</Key>\
                    <UploadId>v</UploadId></Upload></ListMultipartUploadsResult>";
        let found = left_overs(body.as_bytes(), 1_795_222_800 + 60).unwrap();
        let ages: Vec<_> =
            found.uploads.iter().map(|it| (it.path.as_str(), it.age.as_secs())).collect();
        assert_eq!(ages, [("k", 60), ("l", 0)]);
        let next = Marker { path: "l m".to_owned(), upload: "v".to_owned() };
        assert_eq!(found.next, Some(next));
        let none = left_overs(b"<ListMultipartUploadsResult/>", 0).unwrap();
        assert!(none.uploads.is_empty() && none.next.is_none());
    }
}
