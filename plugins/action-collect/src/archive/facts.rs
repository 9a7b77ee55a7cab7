//! What our archives say about themselves.
//!
//! It stands in a pax global header under the standard key `comment`, which
//! every tar passes over in silence.

use serde::{Deserialize, Serialize};

use super::{pax, writer};

/// What [`Facts::previous`] says when the increment was made against Cedar
/// Backup's own state: what is missing is in the older archives without facts.
pub const CEDAR: &str = "cedar";

const MARK: &[u8] = b"hayloft-collect ";

/// What an archive covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// Everything.
    Full,
    /// What has changed since the previous archive.
    Incr,
}

/// What an archive of ours says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Distinguishes it from every other archive.
    pub id: String,
    /// What it covers.
    pub mode: Coverage,
    /// The full archive that an increment builds on; its own id if it is one.
    pub full: String,
    /// The archive that an increment was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The configured file or directory, with `%` and what is not plain text
    /// as `%XX`.
    pub root: String,
    /// When it was made, RFC 3339.
    pub date: String,
}

impl Facts {
    /// Returns the blocks of the global header.
    pub fn header(&self) -> Vec<u8> {
        let mut value = MARK.to_vec();
        // Serialising strings cannot fail.
        value.extend(serde_json::to_vec(self).unwrap_or_default());
        let mut records = Vec::new();
        pax::push(&mut records, b"comment", &value);
        let mut out = Vec::new();
        writer::extension(&mut out, tar::EntryType::XGlobalHeader, b"pax_global_header", &records);
        out
    }

    /// Reads the records of a global header.
    pub(super) fn parse(records: &[u8]) -> Option<Self> {
        pax::records(records)
            .flatten()
            .filter(|(key, _)| *key == b"comment")
            .find_map(|(_, value)| serde_json::from_slice(value.strip_prefix(MARK)?).ok())
    }

    /// Makes the text of [`Facts::root`].
    pub fn escape(path: &[u8]) -> String {
        use std::fmt::Write;
        let mut out = String::new();
        for &byte in path {
            if byte == b'%' || !(b' '..=b'~').contains(&byte) {
                let _ = write!(out, "%{byte:02X}");
            } else {
                out.push(char::from(byte));
            }
        }
        out
    }

    /// Returns the configured file or directory.
    pub fn root(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = self.root.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            let hex = (byte == b'%')
                .then(|| std::str::from_utf8(tail.get(..2)?).ok())
                .flatten()
                .and_then(|it| u8::from_str_radix(it, 16).ok());
            out.push(hex.unwrap_or(byte));
            rest = if hex.is_some() { &tail[2..] } else { tail };
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn a_root_survives(path in vec(any::<u8>(), 0..60)) {
            let facts = Facts {
                id: "1".into(),
                mode: Coverage::Full,
                full: "1".into(),
                previous: None,
                root: Facts::escape(&path),
                date: String::new(),
            };
            prop_assert_eq!(facts.root(), path);
        }

        #[test]
        fn any_text_is_a_root(text in ".*") {
            let facts = Facts {
                id: String::new(),
                mode: Coverage::Full,
                full: String::new(),
                previous: None,
                root: text,
                date: String::new(),
            };
            let _ = facts.root();
        }
    }
}
