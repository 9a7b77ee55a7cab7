//! Versions of servers, and what changed its name between them.
//!
//! A server tells its version as a number, `server_version_num`: `150020` is
//! 15.20, `90624` was 9.6.24.

use std::fmt;

/// The version of a server, as `server_version_num` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion(u32);

/// The oldest version that this crate serves.
pub const OLDEST: ServerVersion = ServerVersion(130_000);
/// The newest version that this crate was tried with. Later ones are taken
/// for this one, and may well work.
pub const NEWEST: ServerVersion = ServerVersion(180_000);

impl ServerVersion {
    /// Takes the number that the server gives.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Takes a major version, such as 15.
    pub const fn from_major(major: u32) -> Self {
        Self(major * 10_000)
    }

    /// Reads a version as people write it: `15`, `15.20`, `9.6.24`, or the
    /// number. What follows digits and dots (`17beta1`, `15.20 (Debian)`) is
    /// passed over.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let parts: Option<Vec<u32>> = text[..end].split('.').map(|it| it.parse().ok()).collect();
        let number = match *parts?.as_slice() {
            [number] if number >= 80_000 => number,
            [major, ref rest @ ..] if (10..1000).contains(&major) => {
                let minor = rest.first().copied().unwrap_or_default();
                if rest.len() > 1 || minor >= 10_000 {
                    return None;
                }
                major * 10_000 + minor
            }
            [major, minor, ref rest @ ..] if major < 10 && minor < 100 => {
                let patch = rest.first().copied().unwrap_or_default();
                if rest.len() > 1 || patch >= 100 {
                    return None;
                }
                major * 10_000 + minor * 100 + patch
            }
            _ => return None,
        };
        Some(Self(number))
    }

    /// Reads what a program of PostgreSQL says for `--version`, such as
    /// `postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`.
    pub fn of_program(said: &str) -> Option<Self> {
        let is_number = |it: &&str| it.starts_with(|c: char| c.is_ascii_digit());
        said.split_whitespace().find(is_number).and_then(Self::parse)
    }

    /// Returns the number, such as 150020.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Returns the major version as a number: 15; and 9 for 9.6.
    pub const fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// Returns the major version as text: `15`, `9.6`. It is what files of the
    /// server are compatible within.
    pub fn major_text(self) -> String {
        if self.major() >= 10 {
            self.major().to_string()
        } else {
            format!("{}.{}", self.major(), self.0 / 100 % 100)
        }
    }

    /// Tells whether this crate serves it.
    pub fn is_supported(self) -> bool {
        self >= OLDEST
    }

    /// Returns the names that changed over time, as this version has them.
    pub fn names(self) -> Names {
        let wal = if self.0 >= 100_000 { WAL_NAMES } else { XLOG_NAMES };
        let [pg_backup_start, pg_backup_stop] = if self.0 >= 150_000 {
            ["pg_backup_start", "pg_backup_stop"]
        } else {
            ["pg_start_backup", "pg_stop_backup"]
        };
        Names { pg_backup_start, pg_backup_stop, ..wal }
    }
}

/// As people write it: `15.20`, `9.6.24`.
impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.major() >= 10 {
            write!(f, "{}.{}", self.major(), self.0 % 10_000)
        } else {
            write!(f, "{}.{}.{}", self.major(), self.0 / 100 % 100, self.0 % 100)
        }
    }
}

/// Functions, columns and directories whose names depend on the version: 10
/// renamed `xlog` to `wal` and `location` to `lsn`, 15 the functions of a
/// backup. Each field is called as the thing is called today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct Names {
    pub pg_backup_start: &'static str,
    pub pg_backup_stop: &'static str,
    pub pg_switch_wal: &'static str,
    pub pg_walfile_name: &'static str,
    pub pg_walfile_name_offset: &'static str,
    pub pg_wal: &'static str,
    pub pg_current_wal_lsn: &'static str,
    pub pg_current_wal_insert_lsn: &'static str,
    pub pg_last_wal_replay_lsn: &'static str,
    pub pg_last_wal_receive_lsn: &'static str,
    pub sent_lsn: &'static str,
    pub write_lsn: &'static str,
    pub flush_lsn: &'static str,
    pub replay_lsn: &'static str,
}

/// The newest names: what is to be tried where the version is unknown.
pub const NEWEST_NAMES: Names = WAL_NAMES;

const WAL_NAMES: Names = Names {
    pg_backup_start: "pg_backup_start",
    pg_backup_stop: "pg_backup_stop",
    pg_switch_wal: "pg_switch_wal",
    pg_walfile_name: "pg_walfile_name",
    pg_walfile_name_offset: "pg_walfile_name_offset",
    pg_wal: "pg_wal",
    pg_current_wal_lsn: "pg_current_wal_lsn",
    pg_current_wal_insert_lsn: "pg_current_wal_insert_lsn",
    pg_last_wal_replay_lsn: "pg_last_wal_replay_lsn",
    pg_last_wal_receive_lsn: "pg_last_wal_receive_lsn",
    sent_lsn: "sent_lsn",
    write_lsn: "write_lsn",
    flush_lsn: "flush_lsn",
    replay_lsn: "replay_lsn",
};

const XLOG_NAMES: Names = Names {
    pg_backup_start: "pg_start_backup",
    pg_backup_stop: "pg_stop_backup",
    pg_switch_wal: "pg_switch_xlog",
    pg_walfile_name: "pg_xlogfile_name",
    pg_walfile_name_offset: "pg_xlogfile_name_offset",
    pg_wal: "pg_xlog",
    pg_current_wal_lsn: "pg_current_xlog_location",
    pg_current_wal_insert_lsn: "pg_current_xlog_insert_location",
    pg_last_wal_replay_lsn: "pg_last_xlog_replay_location",
    pg_last_wal_receive_lsn: "pg_last_xlog_receive_location",
    sent_lsn: "sent_location",
    write_lsn: "write_location",
    flush_lsn: "flush_location",
    replay_lsn: "replay_location",
};

impl Names {
    /// Finds a name by what the thing is called today.
    pub fn get(&self, today: &str) -> Option<&'static str> {
        Some(match today {
            "pg_backup_start" => self.pg_backup_start,
            "pg_backup_stop" => self.pg_backup_stop,
            "pg_switch_wal" => self.pg_switch_wal,
            "pg_walfile_name" => self.pg_walfile_name,
            "pg_walfile_name_offset" => self.pg_walfile_name_offset,
            "pg_wal" => self.pg_wal,
            "pg_current_wal_lsn" => self.pg_current_wal_lsn,
            "pg_current_wal_insert_lsn" => self.pg_current_wal_insert_lsn,
            "pg_last_wal_replay_lsn" => self.pg_last_wal_replay_lsn,
            "pg_last_wal_receive_lsn" => self.pg_last_wal_receive_lsn,
            "sent_lsn" => self.sent_lsn,
            "write_lsn" => self.write_lsn,
            "flush_lsn" => self.flush_lsn,
            "replay_lsn" => self.replay_lsn,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_people_and_servers_write_them() {
        let cases = [
            ("15", Some(150_000)),
            ("15.20", Some(150_020)),
            ("15.20 (Debian 15.20-0+deb12u1)", Some(150_020)),
            ("17beta1", Some(170_000)),
            ("18devel", Some(180_000)),
            ("9.6.24", Some(90_624)),
            ("9.6", Some(90_600)),
            ("150020", Some(150_020)),
            ("", None),
            ("x", None),
            ("15.", None),
            ("15.1.2", None),
            ("99999999999", None),
        ];
        for (text, number) in cases {
            assert_eq!(ServerVersion::parse(text).map(ServerVersion::number), number, "{text}");
        }
    }

    fn vectors(group: &str) -> serde_json::Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/barman-vectors.json");
        let text = std::fs::read_to_string(path).unwrap();
        let mut all: serde_json::Value = serde_json::from_str(&text).unwrap();
        all[group].take()
    }

    #[test]
    fn numbers_are_shown_as_barman_shows_them() {
        for case in vectors("int_version").as_array().unwrap() {
            let number = u32::try_from(case["in"].as_u64().unwrap()).unwrap();
            let version = ServerVersion::from_number(number);
            // Since 10 four digits are the minor version; Barman takes two.
            if version.major() >= 10 && number % 10_000 >= 100 {
                let (major, minor) = (number / 10_000, number % 10_000);
                assert_eq!(version.to_string(), format!("{major}.{minor}"));
                continue;
            }
            assert_eq!(version.to_string(), case["out"].as_str().unwrap(), "{number}");
            assert_eq!(version.major_text(), case["major"].as_str().unwrap(), "{number}");
        }
    }

    /// Tells whether a text is a version as servers have them: two numbers
    /// from 10 on, three before; instead of the last a word such as `beta1`.
    /// Barman drops the last part of everything else too.
    fn is_full(text: &str) -> bool {
        let parts: Vec<&str> = text.split('.').collect();
        let number = |it: &&&str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        let word = |it: &str| it.starts_with(|c: char| c.is_ascii_digit()) && !number(&&it);
        let digits = parts[0].bytes().take_while(u8::is_ascii_digit).count();
        let major: u32 = parts[0][..digits].parse().unwrap_or_default();
        match parts.as_slice() {
            [only] => {
                major >= 10 && word(only) && only.bytes().all(|it| it.is_ascii_alphanumeric())
            }
            [_, minor] if major >= 10 => number(&minor),
            [_, minor] => (1..10).contains(&major) && word(minor),
            [_, minor, patch] => (1..10).contains(&major) && number(&minor) && number(&patch),
            _ => false,
        }
    }

    #[test]
    fn texts_are_simplified_as_barman_does() {
        for case in vectors("simplify_version").as_array().unwrap() {
            // Nothing is no version to us.
            let Some(text) = case["in"].as_str() else { continue };
            let ours = ServerVersion::parse(text).map(ServerVersion::major_text);
            if is_full(text) {
                assert_eq!(ours.as_deref(), case["out"].as_str(), "{text}");
            } else if let Some(ours) = ours {
                assert!(text.trim().starts_with(&ours), "{text}");
            }
        }
        for (text, full) in [
            ("15.20", true),
            ("9.6.24", true),
            ("17beta1", true),
            ("9.6rc1", true),
            ("15", false),
            ("9.6", false),
            ("15.20.1", false),
            ("16.1 (Debian 16.1-1)", false),
            ("", false),
            ("x.y", false),
        ] {
            assert_eq!(is_full(text), full, "{text}");
        }
    }

    #[test]
    fn names_are_those_of_the_version() {
        for (number, names) in vectors("name_map").as_object().unwrap() {
            let ours = match number.parse() {
                Ok(number) => ServerVersion::from_number(number).names(),
                Err(_) => NEWEST_NAMES,
            };
            for (today, name) in names.as_object().unwrap() {
                assert_eq!(ours.get(today), name.as_str(), "{today} in {number}");
            }
        }
    }
}
