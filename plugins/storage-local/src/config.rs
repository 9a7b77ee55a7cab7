//! The plugin's own elements in `<storage>`.

use std::path::PathBuf;

use hayloft_plugin_api::{Error, ErrorKind, Result};
use serde::{Deserialize, Deserializer, de};

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// The directory that the objects are kept in; an absolute path.
    pub root: PathBuf,
    /// The permission bits of files, such as `640`; 600 if not given.
    /// Directories get the same bits, and may be entered by whom may read.
    #[serde(default)]
    pub mode: Permissions,
    /// Whether the root is created if it is not there. Not by default: a disk
    /// that is not mounted must not look like an empty storage.
    #[serde(default)]
    pub create: bool,
}

/// Permission bits, written in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions(pub u32);

impl Default for Permissions {
    fn default() -> Self {
        Self(0o600)
    }
}

impl Permissions {
    /// Returns the bits for files.
    pub(crate) fn of_files(self) -> rustix::fs::Mode {
        rustix::fs::Mode::from_raw_mode(self.0)
    }

    /// Returns the bits for directories.
    pub(crate) fn of_directories(self) -> rustix::fs::Mode {
        rustix::fs::Mode::from_raw_mode(self.0 | (self.0 & 0o444) >> 2)
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let octal = text.bytes().all(|b| b.is_ascii_digit()) && (3..=4).contains(&text.len());
        u32::from_str_radix(&text, 8)
            .ok()
            .filter(|bits| octal && *bits <= 0o777 && bits & 0o600 == 0o600)
            .map(Self)
            .ok_or_else(|| {
                de::Error::custom(format!(
                    "`{text}` is not a mode such as 600, 640 or 644 that lets the owner read and \
                     write"
                ))
            })
    }
}

impl Config {
    /// Refuses values that cannot be used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] saying which.
    pub(crate) fn check(&self) -> Result<()> {
        if self.root.is_absolute() {
            return Ok(());
        }
        let root = self.root.display();
        let message = format!("root {root:?} of the storage is not an absolute path");
        Err(Error::new(ErrorKind::CONFIGURATION, message))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error as ValueError, StrDeserializer};

    use super::*;

    #[test]
    fn modes_are_octal_and_let_the_owner_in() {
        let cases = [
            ("600", Some((0o600, 0o700))),
            ("0640", Some((0o640, 0o750))),
            ("644", Some((0o644, 0o755))),
            ("620", Some((0o620, 0o720))),
            ("400", None),
            ("7777", None),
            ("888", None),
            ("", None),
            ("-600", None),
            ("rw-------", None),
        ];
        for (text, expected) in cases {
            let parsed = Permissions::deserialize(StrDeserializer::<ValueError>::new(text)).ok();
            let found =
                parsed.map(|it| (it.of_files().as_raw_mode(), it.of_directories().as_raw_mode()));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn the_root_is_an_absolute_path() {
        for (root, good) in [("/srv/backup", true), ("backup", false), ("", false)] {
            let config = Config { root: root.into(), mode: Permissions::default(), create: true };
            assert_eq!(config.check().is_ok(), good, "{root:?}");
        }
    }
}
