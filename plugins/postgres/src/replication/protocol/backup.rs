//! What is in the copied data of a base backup, from 15 on.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use bytes::{Buf, Bytes};

use super::frame::{Malformed, ended, take_text, take_u64};

/// One message of a base backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupMessage {
    /// An archive begins.
    Archive {
        /// The name of its file: safe to be made in a directory.
        name: String,
        /// The directory of the tablespace; `None` is the data directory.
        tablespace: Option<PathBuf>,
    },
    /// The manifest begins.
    Manifest,
    /// Content of what has begun.
    Data(Bytes),
    /// How many bytes of the cluster have been read.
    Progress(u64),
}

impl BackupMessage {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is none. An archive whose name is no plain name is
    /// refused: it would be made elsewhere than the caller wants.
    pub fn parse(mut body: Bytes) -> Result<Self, Malformed> {
        const WHAT: &str = "part of a base backup";
        let kind = body.try_get_u8().map_err(|_| Malformed::Cut { what: WHAT })?;
        Ok(match kind {
            b'd' => Self::Data(body),
            b'm' => {
                ended(&body, WHAT)?;
                Self::Manifest
            }
            b'p' => {
                let done = take_u64(&mut body, WHAT)?;
                ended(&body, WHAT)?;
                Self::Progress(done)
            }
            b'n' => {
                let name = take_text(&mut body, WHAT)?;
                let path = take_text(&mut body, WHAT)?;
                ended(&body, WHAT)?;
                let tablespace = path_of(&path);
                Self::Archive { name: plain_name(&name)?, tablespace }
            }
            tag => return Err(Malformed::Unexpected { tag, what: "part of a base backup" }),
        })
    }
}

pub(in super::super) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    if bytes.is_empty() { None } else { Some(PathBuf::from(OsStr::from_bytes(bytes))) }
}

fn plain_name(bytes: &[u8]) -> Result<String, Malformed> {
    let bad = || Malformed::value("the name of an archive", bytes);
    let name = std::str::from_utf8(bytes).map_err(|_| bad())?;
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(bad());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(body: &[u8]) -> Result<BackupMessage, Malformed> {
        BackupMessage::parse(Bytes::copy_from_slice(body))
    }

    #[test]
    fn the_parts_of_a_backup_are_told_apart() {
        let base = BackupMessage::Archive { name: "base.tar.zst".to_owned(), tablespace: None };
        assert_eq!(parse(b"nbase.tar.zst\0\0").unwrap(), base);
        let space = BackupMessage::Archive {
            name: "16384.tar".to_owned(),
            tablespace: Some(PathBuf::from("/srv/ts")),
        };
        assert_eq!(parse(b"n16384.tar\0/srv/ts\0").unwrap(), space);
        assert_eq!(parse(b"p\0\0\0\0\0\0\x01\0").unwrap(), BackupMessage::Progress(256));
        assert_eq!(parse(b"d").unwrap(), BackupMessage::Data(Bytes::new()));
        assert_eq!(parse(b"m").unwrap(), BackupMessage::Manifest);
    }

    #[test]
    fn archives_never_leave_their_directory() {
        for name in ["", ".", "..", "../x", "a/b", "/etc/x", ".ssh", "a\\b", "a b"] {
            assert!(parse(format!("n{name}\0\0").as_bytes()).is_err(), "{name:?}");
        }
        for body in [&b""[..], b"x", b"n", b"nbase.tar", b"nbase.tar\0", b"p\0", b"mx"] {
            assert!(parse(body).is_err(), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_part_or_an_error(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&body);
        }
    }
}
