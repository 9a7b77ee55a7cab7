//! What a stored day consists of.

use std::collections::BTreeMap;

use hayloft_plugin_api::{Error, ErrorKind, Result};
pub use hayloft_staging::upload::Encoded;
use serde::{Deserialize, Serialize};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// The last object of a day: where it is, the day is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format.
    pub version: u32,
    /// The day, `YYYY/MM/DD`.
    pub day: String,
    /// When the day was stored, in RFC 3339.
    pub created: String,
    /// The files of the day, sorted by key.
    pub files: Vec<Entry>,
}

/// A file of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The peer that it was staged from; empty for a file beside the peers'
    /// directories.
    pub peer: String,
    /// Its name below the peer's directory, see [`names`](crate::names).
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// The object that it is stored in.
    pub key: String,
    /// How the object differs from the file; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoded: Option<Encoded>,
}

impl Entry {
    /// Returns the size of the object.
    pub fn stored_size(&self) -> u64 {
        self.encoded.as_ref().map_or(self.size, |it| it.size)
    }

    /// Returns the compressor and encryptor.
    pub fn encodings(&self) -> &[String] {
        self.encoded.as_ref().map_or(&[], |it| &it.with)
    }
}

impl Manifest {
    /// Creates the manifest of a day.
    pub fn new(day: &str, created: &str, mut files: Vec<Entry>) -> Self {
        files.sort_by(|a, b| a.key.cmp(&b.key));
        Self { version: VERSION, day: day.to_owned(), created: created.to_owned(), files }
    }

    /// Returns the key of a day's manifest.
    pub fn key(day: &str) -> String {
        format!("{day}/manifest.json")
    }

    /// Returns its text.
    ///
    /// # Errors
    ///
    /// Never in practice.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads its text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`] if it is none, [`ErrorKind::UNSUPPORTED`] if it
    /// is one of another version.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        let manifest: Self = serde_json::from_slice(text)
            .map_err(|e| Error::from(e).with_kind(ErrorKind::CORRUPT))?;
        if manifest.version == VERSION {
            return Ok(manifest);
        }
        let message = format!("it has version {}, and {VERSION} is known", manifest.version);
        Err(Error::new(ErrorKind::UNSUPPORTED, message))
    }

    /// Returns its files by their keys.
    pub fn by_key(self) -> BTreeMap<String, Entry> {
        self.files.into_iter().map(|it| (it.key.clone(), it)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let encoded = (prop::collection::vec("[a-z]{1,5}", 1..3), any::<u64>(), "[0-9a-f]{64}")
            .prop_map(|(with, size, sha256)| Encoded { with, size, sha256 });
        let text = || "[ -~é]{0,20}";
        (text(), text(), any::<u64>(), "[0-9a-f]{64}", text(), prop::option::of(encoded)).prop_map(
            |(peer, name, size, sha256, key, encoded)| Entry {
                peer,
                name,
                size,
                sha256,
                key,
                encoded,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read(files in prop::collection::vec(entry(), 0..5)) {
            let manifest = Manifest::new("2026/11/17", "2026-11-17T02:00:00Z", files);
            let back = Manifest::from_json(&manifest.to_json().unwrap()).unwrap();
            prop_assert_eq!(back, manifest);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            drop(Manifest::from_json(&bytes));
        }
    }

    #[test]
    fn the_text_is_as_documented() {
        let entry = Entry {
            peer: "box".to_owned(),
            name: "a.tar".to_owned(),
            size: 5,
            sha256: "ab".to_owned(),
            key: "2026/11/17/box/a.tar".to_owned(),
            encoded: None,
        };
        let manifest = Manifest::new("2026/11/17", "2026-11-17T02:00:00Z", vec![entry]);
        let text = String::from_utf8(manifest.to_json().unwrap()).unwrap();
        let compact: String = text.split_whitespace().collect();
        assert_eq!(
            compact,
            concat!(
                r#"{"version":1,"day":"2026/11/17","created":"2026-11-17T02:00:00Z","files":["#,
                r#"{"peer":"box","name":"a.tar","size":5,"sha256":"ab","#,
                r#""key":"2026/11/17/box/a.tar"}]}"#
            )
        );
    }

    #[test]
    fn another_version_is_not_guessed_at() {
        let text = br#"{"version":2,"day":"","created":"","files":[]}"#;
        let error = Manifest::from_json(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UNSUPPORTED);
    }
}
