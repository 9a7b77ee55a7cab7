//! The section `<postgres_servers>`.

mod backup;
mod backups;
mod connection_string;
mod drill;
mod wal;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time,
};

use hayloft_plugin_api::{
    Error, ErrorKind, Result,
    config::{ByteSize, Duration, SecretSource},
};
use serde::Deserialize;

pub(crate) use self::wal::NONE;
pub use self::{
    backup::{Backup, BackupDestination, BackupStorage, Method},
    backups::Age,
    connection_string::ConnectionString,
    drill::{Amcheck, Assertion, Drill, DrillSetting},
    wal::{Destination, Wal, WalStorage},
};
pub use crate::catalogue::{Generations, Policy, Unit};

/// The section `<postgres_servers>`: servers whose files and WAL are backed
/// up. (`<postgresql>` is the section of the dumps.)
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PostgresServers {
    /// The servers.
    pub server: Vec<Server>,
}

/// One `<server>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Server {
    /// What it is called on the command line and in storages: letters,
    /// digits, `.`, `_` and `-`.
    pub name: String,
    /// What it is, for people.
    pub description: Option<String>,
    /// `N`: it is known, but nothing is done with it unless it is named.
    #[serde(default = "yes")]
    pub active: bool,
    /// How to connect for SQL, as libpq reads it: `host=db user=hayloft`, or
    /// `postgresql://…`. Never shown, since it may hold a password.
    pub conninfo: Option<ConnectionString>,
    /// How to connect for streaming; as `conninfo` if absent.
    pub streaming_conninfo: Option<ConnectionString>,
    /// How to connect to the primary, where `conninfo` is a standby that
    /// backups are taken from.
    pub primary_conninfo: Option<ConnectionString>,
    /// The password, for all of them that have none of their own:
    /// `<login><password_file>…`, `<password_command>` or `<password_env>`.
    #[serde(default)]
    pub login: SecretSource,
    /// The physical replication slot that keeps WAL until it was streamed.
    pub slot_name: Option<String>,
    /// `Y`: the server's `archive_command` brings WAL.
    #[serde(default)]
    pub archiver: bool,
    /// `Y`: WAL is streamed from the server.
    #[serde(default)]
    pub streaming_archiver: bool,
    /// What is done if that slot is not there: `auto` makes it, `manual`
    /// (the default) refuses to stream.
    #[serde(default)]
    pub create_slot: CreateSlot,
    /// What the receiver of WAL is called by the server, and in its
    /// `synchronous_standby_names`; `hayloft_receive_wal` if absent.
    pub streaming_archiver_name: Option<String>,
    /// How far the receiver may be behind before that is worth a warning; 256
    /// MB if absent.
    pub streaming_lag_warning: Option<ByteSize>,
    /// How long the server may say nothing to the receiver before it is taken
    /// for gone; one minute if absent.
    pub streaming_timeout: Option<Duration>,
    /// How many files that somebody else brings `pg wal archive` archives at a
    /// time; 0, or absent, for all.
    #[serde(default)]
    pub archiver_batch_size: usize,
    /// The same for what was streamed.
    #[serde(default)]
    pub streaming_archiver_batch_size: usize,
    /// Where somebody else brings WAL to; `postgres/NAME/incoming` below the
    /// working directory if absent.
    pub incoming_wals_directory: Option<PathBuf>,
    /// Where WAL is streamed to; `postgres/NAME/streaming` below the working
    /// directory if absent.
    pub streaming_wals_directory: Option<PathBuf>,
    /// Where files are put that cannot be archived; `postgres/NAME/errors`
    /// below the working directory if absent.
    pub errors_directory: Option<PathBuf>,
    /// A storage, of `<storages>`, that backups and WAL are kept in; may be
    /// repeated.
    #[serde(default)]
    pub storage: Vec<String>,
    /// How WAL is kept.
    #[serde(default)]
    pub wal: Wal,
    /// How files are backed up.
    #[serde(default)]
    pub backup: Backup,
    /// How it is proved that the server can be restored.
    #[serde(default)]
    pub drill: Drill,
    /// How many base backups must be kept at least; 0 if absent.
    #[serde(default)]
    pub minimum_redundancy: u32,
    /// How long base backups are kept: `REDUNDANCY 3`, `RECOVERY WINDOW OF 4
    /// WEEKS`, `GFS 7 DAILY 4 WEEKLY 12 MONTHLY 3 YEARLY`; for ever if absent.
    pub retention_policy: Option<Policy>,
    /// How old the newest base backup may be before a check fails: `1 DAY`,
    /// `36h`; any age if absent.
    pub last_backup_maximum_age: Option<Age>,
    /// How old the newest WAL in the storages may be before a check fails: `1
    /// DAY`, `2h`; any age if absent.
    pub last_wal_maximum_age: Option<Age>,
    /// How small the newest base backup may be before a check fails; any size
    /// if absent.
    pub last_backup_minimum_size: Option<ByteSize>,
    /// How long one check of the server may take; 30 s if absent.
    pub check_timeout: Option<Duration>,
    /// How often the session of a backup is asked whether it still lives; 5 s
    /// if absent.
    pub keepalive_interval: Option<Duration>,
    /// How long it may take to answer then, before it is taken for dead and the
    /// backup for void; 2 min if absent. A server under load answers late.
    pub keepalive_timeout: Option<Duration>,
}

fn yes() -> bool {
    true
}

/// What is done if a slot is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CreateSlot {
    /// Nothing is streamed.
    #[default]
    Manual,
    /// It is made.
    Auto,
}

impl PostgresServers {
    /// Refuses what decodes but cannot be meant.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`].
    pub fn check(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for server in &self.server {
            server.check()?;
            if !seen.insert(&server.name) {
                return Err(wrong(format!("there are two servers called `{}`", server.name))
                    .hint("give each <server> a <name> of its own"));
            }
        }
        Ok(())
    }
}

impl Server {
    /// Returns how long one check may take.
    pub fn check_timeout(&self) -> time::Duration {
        self.check_timeout.map_or(time::Duration::from_secs(30), Duration::get)
    }

    fn check(&self) -> Result<()> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(plain) {
            return Err(wrong(format!("`{name}` is no name for a server"))
                .hint("letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`"));
        }
        if let Some(slot) = &self.slot_name {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if slot.is_empty() || slot.len() > 63 || !slot.chars().all(good) {
                return Err(wrong(format!("`{slot}` of server {name} is no name for a slot"))
                    .hint("PostgreSQL takes up to 63 of a-z, 0-9 and `_`"));
            }
        }
        self.check_directories()?;
        if self.streaming_timeout.is_some_and(|it| it.get() < time::Duration::from_secs(1)) {
            return Err(wrong(format!("<streaming_timeout> of server {name} is too short"))
                .hint("a second at least; leave it out for a minute"));
        }
        if self.keepalive_timeout.is_some_and(|it| it.get() < time::Duration::from_secs(1)) {
            return Err(wrong(format!("<keepalive_timeout> of server {name} is too short"))
                .hint("a second at least; leave it out for 2 min"));
        }
        if self.check_timeout.is_some_and(|it| it.get().is_zero()) {
            return Err(wrong(format!("<check_timeout> of server {name} is nothing"))
                .hint("leave it out for 30 s"));
        }
        self.drill.check(self)?;
        self.check_wal()?;
        self.check_backup()
    }
}

impl Server {
    fn check_directories(&self) -> Result<()> {
        let all = [
            ("incoming_wals_directory", &self.incoming_wals_directory),
            ("streaming_wals_directory", &self.streaming_wals_directory),
            ("errors_directory", &self.errors_directory),
        ];
        let mut seen: Vec<&Path> = Vec::new();
        for (element, path) in all {
            let Some(path) = path else { continue };
            let about = format!("<{element}> of server {}", self.name);
            if !path.is_absolute() {
                return Err(wrong(format!("{about} is no absolute path")));
            }
            if seen.contains(&path.as_path()) {
                return Err(wrong(format!("{about} is used for something else too"))
                    .hint("each of these directories is for one thing"));
            }
            seen.push(path);
        }
        Ok(())
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::CONFIGURATION, message)
}

#[cfg(test)]
mod documented_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, slot: Option<&str>) -> Server {
        let text = serde_json::json!({ "name": name, "slot_name": slot });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn directories_are_absolute_and_each_for_one_thing() {
        let cases = [
            (None, None, true),
            (Some("/a/in"), Some("/a/streaming"), true),
            (Some("in"), None, false),
            (Some("/a"), Some("/a"), false),
        ];
        for (incoming, streaming, good) in cases {
            let server = Server {
                incoming_wals_directory: incoming.map(PathBuf::from),
                streaming_wals_directory: streaming.map(PathBuf::from),
                ..server("main", None)
            };
            let servers = PostgresServers { server: vec![server] };
            assert_eq!(servers.check().is_ok(), good, "{incoming:?} {streaming:?}");
        }
    }

    #[test]
    fn names_are_checked() {
        let cases = [
            ("main", None, true),
            ("db-1.x_y", Some("hayloft_1"), true),
            ("", None, false),
            ("../x", None, false),
            ("a/b", None, false),
            ("main", Some("Slot"), false),
            ("main", Some("a-b"), false),
        ];
        for (name, slot, good) in cases {
            let servers = PostgresServers { server: vec![server(name, slot)] };
            assert_eq!(servers.check().is_ok(), good, "{name} {slot:?}");
        }
        let twice = PostgresServers { server: vec![server("a", None), server("a", None)] };
        assert!(twice.check().is_err());
    }
}
