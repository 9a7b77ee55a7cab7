//! The element `<backup>` of a server: how its files are backed up.

use std::thread;

use hayloft_plugin_api::{
    Error, ErrorKind, Result,
    config::{ByteSize, Duration},
};
use serde::Deserialize;

use super::{Age, NONE, Server};

/// What compresses frames unless something else is named.
const COMPRESSOR: &str = "zstd";
/// About how many bytes a part has.
const PART: u64 = 256 << 20;
/// What it may have.
const PARTS: std::ops::RangeInclusive<u64> = 1 << 20..=4 << 30;
/// How many threads work on frames at most, unless told otherwise.
const MOST_WORKERS: usize = 8;
/// How long the WAL of a backup is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_hours(1);

/// `<backup>`: how a server's files are backed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Backup {
    /// `local` (the default) reads the data directory of this machine, with
    /// all processors; `stream` gets everything from the server, from
    /// anywhere.
    pub method: Method,
    /// A storage for base backups; may be repeated. If there is none, they go
    /// to each `<storage>` of the server.
    pub storage: Vec<BackupStorage>,
    /// The compressor, for storages that name none; `zstd` if absent, `none`
    /// for none.
    pub compress: Option<String>,
    /// The encryptor, for storages that name none; none if absent.
    pub encrypt: Option<String>,
    /// How many threads read and compress; as many as there are processors,
    /// but at most 8, if absent.
    pub workers: Option<u32>,
    /// About how large the objects are; 256 MB if absent.
    pub part_size: Option<ByteSize>,
    /// How many bytes a second are read at most; no limit if absent.
    pub max_rate: Option<ByteSize>,
    /// `Y`: the server makes a checkpoint at once when a backup begins.
    /// Otherwise the backup waits, perhaps minutes, for one that disturbs
    /// nobody.
    pub fast_checkpoint: bool,
    /// How long a backup waits for its WAL to be archived; 1 h if absent.
    pub wal_timeout: Option<Duration>,
    /// For the action `postgresbackup`: how long after the beginning of the last
    /// backup the next one is due, such as `1 DAY`; at each run if absent.
    pub interval: Option<Age>,
    /// For the action `postgresbackup`: how long after the last full backup the
    /// next full one is due, such as `1 WEEK`; others between are incremental.
    /// If absent, all are full.
    pub full_interval: Option<Age>,
}

/// How files are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// From the data directory.
    #[default]
    Local,
    /// From the server, by the replication protocol.
    Stream,
}

/// A `<storage>` in `<backup>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BackupStorage {
    /// The storage's name in `<storages>`.
    pub name: String,
    /// The compressor; that of `<backup>` if absent.
    pub compress: Option<String>,
    /// The encryptor; that of `<backup>` if absent.
    pub encrypt: Option<String>,
}

/// Where base backups are kept, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupDestination {
    /// The storage's name.
    pub storage: String,
    /// The compressor's name, which may be `none`.
    pub compress: String,
    /// The encryptor's name, which may be `none`.
    pub encrypt: String,
}

impl Server {
    /// Returns every storage that base backups are written to.
    pub fn backup_destinations(&self) -> Vec<BackupDestination> {
        let backup = &self.backup;
        let choose = |own: &Option<String>, all: &Option<String>, usual: &str| {
            own.as_ref().or(all.as_ref()).map_or_else(|| usual.to_owned(), Clone::clone)
        };
        let destination =
            |name: &str, compress: &Option<String>, encrypt: &Option<String>| BackupDestination {
                storage: name.to_owned(),
                compress: choose(compress, &backup.compress, COMPRESSOR),
                encrypt: choose(encrypt, &backup.encrypt, NONE),
            };
        if backup.storage.is_empty() {
            return self.storage.iter().map(|it| destination(it, &None, &None)).collect();
        }
        backup.storage.iter().map(|it| destination(&it.name, &it.compress, &it.encrypt)).collect()
    }

    /// Returns every storage that may hold base backups: those that are
    /// written to, then the others of the server.
    pub fn backup_storages(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.backup_destinations().into_iter().map(|it| it.storage).collect();
        let others = self.storage.iter().filter(|it| !names.contains(it)).cloned();
        let others: Vec<String> = others.collect();
        names.extend(others);
        names
    }

    /// Returns how many threads read and compress.
    pub fn backup_workers(&self) -> usize {
        let processors = thread::available_parallelism().map_or(2, std::num::NonZero::get);
        self.backup.workers.map_or(processors.min(MOST_WORKERS), |it| it as usize)
    }

    /// Returns about how many bytes a part has.
    pub fn backup_part_size(&self) -> u64 {
        self.backup.part_size.map_or(PART, ByteSize::bytes)
    }

    /// Returns how long a backup waits for its WAL.
    pub fn backup_patience(&self) -> std::time::Duration {
        self.backup.wal_timeout.map_or(PATIENCE, Duration::get)
    }

    pub(super) fn check_backup(&self) -> Result<()> {
        let wrong = |text: String| {
            let message = format!("{text}, for the base backups of server {}", self.name);
            Err(Error::new(ErrorKind::CONFIGURATION, message))
        };
        let names: Vec<&String> = self.backup.storage.iter().map(|it| &it.name).collect();
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                return wrong(format!("<backup> names the storage `{name}` twice"));
            }
        }
        if self.backup.workers.is_some_and(|it| !(1..=64).contains(&it)) {
            return wrong("<workers> is outside 1 to 64".to_owned());
        }
        if !PARTS.contains(&self.backup_part_size()) {
            return wrong("<part_size> is outside 1 MB to 4 GB".to_owned());
        }
        if self.backup.max_rate.is_some_and(|it| it.bytes() < 64 << 10) {
            return wrong("<max_rate> is less than 64 kB a second".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn server(backup: &serde_json::Value) -> Server {
        let text = json!({ "name": "main", "storage": ["a", "b"], "backup": backup });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn backups_go_where_they_are_told_and_else_to_all_storages() {
        let cases = [
            (json!({}), vec!["a zstd none", "b zstd none"], vec!["a", "b"]),
            (
                json!({ "encrypt": "team", "storage": [{ "name": "c" }, { "name": "b", "compress": "none", "encrypt": "none" }] }),
                vec!["c zstd team", "b none none"],
                vec!["c", "b", "a"],
            ),
        ];
        for (backup, expected, all) in cases {
            let server = server(&backup);
            let show =
                |it: BackupDestination| format!("{} {} {}", it.storage, it.compress, it.encrypt);
            let found: Vec<_> = server.backup_destinations().into_iter().map(show).collect();
            assert_eq!(found, expected, "{backup}");
            assert_eq!(server.backup_storages(), all, "{backup}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let cases = [
            (json!({}), true),
            (json!({ "storage": [{ "name": "a" }, { "name": "a" }] }), false),
            (json!({ "workers": 0 }), false),
            (json!({ "workers": 64 }), true),
        ];
        for (backup, good) in cases {
            assert_eq!(server(&backup).check_backup().is_ok(), good, "{backup}");
        }
    }
}
