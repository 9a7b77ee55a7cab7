//! Which cluster an archive is of: `identity.json`.

use std::io::Read;

use hayloft_plugin_api::{ByteRange, Error, ErrorKind, PutOptions, Result, StorageHandle};
use hayloft_postgres::{
    version::ServerVersion,
    wal::{SegmentHeader, SegmentSize},
};
use serde::{Deserialize, Serialize};

use super::place;

/// More than such a file has.
const MOST: u64 = 64 << 10;

/// What is kept of a cluster. The first two fields are Barman's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The number that `initdb` made, in decimal.
    systemid: String,
    /// The major version.
    version: String,
    /// Bytes in a segment; unknown if Barman wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment_size: Option<u64>,
    /// Bytes in a page of the log; unknown if Barman wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    block_size: Option<u32>,
}

impl Identity {
    /// Returns the identity of the cluster that wrote a segment.
    pub(super) fn of(header: &SegmentHeader) -> Self {
        Self {
            systemid: header.system_identifier.to_string(),
            version: header.major.to_string(),
            segment_size: Some(header.segment_size.bytes()),
            block_size: Some(header.block_size),
        }
    }

    /// Tells what is different, if another cluster wrote a segment.
    fn differs(&self, other: &Self) -> Option<String> {
        let cases = [
            ("the system identifier", Some(self.systemid.clone()), Some(other.systemid.clone())),
            ("the major version", Some(self.version.clone()), Some(other.version.clone())),
            (
                "the size of segments",
                self.segment_size.map(|it| it.to_string()),
                other.segment_size.map(|it| it.to_string()),
            ),
            (
                "the size of pages",
                self.block_size.map(|it| it.to_string()),
                other.block_size.map(|it| it.to_string()),
            ),
        ];
        cases.into_iter().find_map(|(what, ours, theirs)| match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                Some(format!("{what} of the archive is {ours}, that of the server {theirs}"))
            }
            _ => None,
        })
    }
}

/// Makes sure that an archive is of the cluster that wrote a segment. An
/// archive that is of none yet is of this one from now on.
///
/// # Errors
///
/// [`ErrorKind::ALREADY_EXISTS`] if it is of another one.
pub(super) fn claim(storage: &StorageHandle, server: &str, ours: &Identity) -> Result<()> {
    let key = place::identity(server);
    let known = match read(storage, &key)? {
        Some(known) => known,
        None => match write(storage, &key, ours) {
            Ok(()) => return Ok(()),
            // Somebody else was quicker.
            Err(error) if error.kind() == ErrorKind::ALREADY_EXISTS => {
                read(storage, &key)?.ok_or(error)?
            }
            Err(error) => return Err(error),
        },
    };
    match known.differs(ours) {
        None => Ok(()),
        Some(difference) => {
            let message = format!("the archive of server {server} is of another cluster");
            Err(Error::new(ErrorKind::ALREADY_EXISTS, difference).context(message).hint(
                "a cluster made anew by initdb or pg_upgrade needs a <server> with another <name>",
            ))
        }
    }
}

/// Returns how large the segments of an archive are, if that is noted.
///
/// # Errors
///
/// If the storage cannot tell, or the note cannot be read.
pub(super) fn segment_size(storage: &StorageHandle, server: &str) -> Result<Option<SegmentSize>> {
    let noted = read(storage, &place::identity(server))?;
    Ok(noted.and_then(|it| it.segment_size).and_then(|it| SegmentSize::new(it).ok()))
}

/// Tells of which cluster the archive in a storage is, if that is noted: its
/// system identifier and the major version, in decimal.
///
/// # Errors
///
/// If the storage cannot tell, or the note cannot be read.
pub(crate) fn cluster_of(
    storage: &StorageHandle,
    server: &str,
) -> Result<Option<(String, String)>> {
    let noted = read(storage, &place::identity(server))?;
    Ok(noted.map(|it| (it.systemid, it.version)))
}

/// Makes sure, before its files are backed up, that an archive is of a cluster.
///
/// # Errors
///
/// As [`claim`].
pub(crate) fn claim_for(
    storage: &StorageHandle,
    server: &str,
    (system_identifier, version, segment): (u64, ServerVersion, SegmentSize),
) -> Result<()> {
    let ours = Identity {
        systemid: system_identifier.to_string(),
        version: version.major().to_string(),
        segment_size: Some(segment.bytes()),
        block_size: None,
    };
    claim(storage, server, &ours)
}

fn read(storage: &StorageHandle, key: &str) -> Result<Option<Identity>> {
    let mut text = Vec::new();
    match storage.get(key, ByteRange { offset: 0, length: Some(MOST) }) {
        Ok(reader) => reader.take(MOST).read_to_end(&mut text)?,
        // What is not there, as opposed to the whole storage. It may have come
        // since, which writing it tells.
        Err(error) if error.kind() == ErrorKind::NOT_FOUND => {
            storage.stat(key)?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let identity = serde_json::from_slice(&text).map_err(|e| {
        Error::new(ErrorKind::CORRUPT, e.to_string())
            .context(format!("{key} does not tell which cluster the archive is of"))
    })?;
    Ok(Some(identity))
}

fn write(storage: &StorageHandle, key: &str, identity: &Identity) -> Result<()> {
    let text = serde_json::to_vec(identity)?;
    let mut put =
        storage.put(key, PutOptions { create_only: true, size_hint: Some(text.len() as u64) })?;
    put.write(&text)?;
    put.commit().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(text: &str) -> Identity {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_barman_wrote_is_compared_as_far_as_it_goes() {
        let ours = identity(
            r#"{"systemid": "7", "version": "15", "segment_size": 1048576, "block_size": 8192}"#,
        );
        let cases = [
            (r#"{"systemid": "7", "version": "15"}"#, None),
            (r#"{"systemid": "7", "version": "15", "more": 1}"#, None),
            (r#"{"systemid": "8", "version": "15"}"#, Some("system identifier")),
            (r#"{"systemid": "7", "version": "16"}"#, Some("version")),
            (r#"{"systemid": "7", "version": "15", "segment_size": 1}"#, Some("segments")),
            (r#"{"systemid": "7", "version": "15", "block_size": 1}"#, Some("pages")),
        ];
        for (text, expected) in cases {
            let found = identity(text).differs(&ours);
            match expected {
                None => assert_eq!(found, None, "{text}"),
                Some(part) => assert!(found.unwrap().contains(part), "{text}"),
            }
        }
    }
}
