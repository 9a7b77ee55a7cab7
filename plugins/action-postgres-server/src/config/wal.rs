//! The element `<wal>` of a server: where its WAL is kept, and how.

use std::path::PathBuf;

use hayloft_plugin_api::{Error, ErrorKind, Result};
use serde::Deserialize;

use super::Server;

/// What compresses WAL unless something else is named.
const COMPRESSOR: &str = "zstd";
/// The name of what changes nothing.
pub(crate) const NONE: &str = "none";

/// `<wal>`: how a server's WAL is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Wal {
    /// A storage for WAL; may be repeated. If there is none, WAL goes to each
    /// `<storage>` of the server.
    pub storage: Vec<WalStorage>,
    /// The compressor, for storages that name none; `zstd` if absent, `none`
    /// for none.
    pub compress: Option<String>,
    /// The encryptor, for storages that name none; none if absent.
    pub encrypt: Option<String>,
    /// The directory for what is fetched or stored ahead; below the working
    /// directory if absent.
    pub spool: Option<PathBuf>,
    /// How many segments are worked on at the same time; 2 if absent.
    pub workers: Option<u32>,
    /// How many further segments that wait are stored before they are asked
    /// for; 32 if absent, 0 for none.
    pub push_ahead: Option<u32>,
    /// How many segments are fetched before they are asked for; 8 if absent,
    /// 0 for none.
    pub get_ahead: Option<u32>,
}

/// A `<storage>` in `<wal>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WalStorage {
    /// The storage's name in `<storages>`.
    pub name: String,
    /// The compressor; that of `<wal>` if absent.
    pub compress: Option<String>,
    /// The encryptor; that of `<wal>` if absent.
    pub encrypt: Option<String>,
    /// `N`: files are called as PostgreSQL calls them, without `.zst` and the
    /// like, as in a directory of Barman's.
    #[serde(default = "super::yes")]
    pub suffix: bool,
    /// `Y`: WAL is only looked for there, as it is kept elsewhere now.
    #[serde(default)]
    pub read_only: bool,
}

/// Where WAL is kept, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The storage's name.
    pub storage: String,
    /// The compressor's name, which may be `none`.
    pub compress: String,
    /// The encryptor's name, which may be `none`.
    pub encrypt: String,
    /// Whether names of objects say how they are encoded.
    pub suffix: bool,
    /// Whether nothing is to be stored there any more.
    pub read_only: bool,
}

impl Destination {
    /// A storage that no WAL is written to.
    pub(crate) fn only_read(storage: String) -> Self {
        let (compress, encrypt) = (NONE.to_owned(), NONE.to_owned());
        Self { storage, compress, encrypt, suffix: true, read_only: true }
    }
}

impl Server {
    /// Returns every storage that may hold WAL, in the order in which they
    /// are asked for it. What is not in `<wal>` but a `<storage>` of the
    /// server is only read if `<wal>` names storages.
    pub fn wal_destinations(&self) -> Vec<Destination> {
        let wal = &self.wal;
        let choose = |own: &Option<String>, all: &Option<String>, usual: &str| {
            own.as_ref().or(all.as_ref()).map_or_else(|| usual.to_owned(), Clone::clone)
        };
        let mut found: Vec<Destination> = wal
            .storage
            .iter()
            .map(|it| Destination {
                storage: it.name.clone(),
                compress: choose(&it.compress, &wal.compress, COMPRESSOR),
                encrypt: choose(&it.encrypt, &wal.encrypt, NONE),
                suffix: it.suffix,
                read_only: it.read_only,
            })
            .collect();
        let read_only = found.iter().any(|it| !it.read_only);
        for name in &self.storage {
            if !found.iter().any(|it| it.storage == *name) {
                found.push(Destination {
                    storage: name.clone(),
                    compress: choose(&None, &wal.compress, COMPRESSOR),
                    encrypt: choose(&None, &wal.encrypt, NONE),
                    suffix: true,
                    read_only,
                });
            }
        }
        // What is written is nearest at hand.
        found.sort_by_key(|it| it.read_only);
        found
    }

    /// Returns how many segments are worked on at the same time.
    pub fn wal_workers(&self) -> usize {
        self.wal.workers.map_or(2, |it| it as usize)
    }

    /// Returns how many segments are stored at the same time: two for each
    /// worker, so that one is worked on while the other waits for its storages.
    pub fn wal_jobs(&self) -> usize {
        let workers = self.wal_workers();
        if workers > 1 { 2 * workers } else { 1 }
    }

    pub(super) fn check_wal(&self) -> Result<()> {
        let wrong = |text: String| {
            Err(Error::new(ErrorKind::CONFIGURATION, format!("{text} of server {}", self.name)))
        };
        let names = self.wal.storage.iter().map(|it| &it.name);
        for (i, name) in names.clone().enumerate() {
            if names.clone().take(i).any(|it| it == name) {
                return wrong(format!("<wal> names the storage `{name}` twice, for the WAL"));
            }
        }
        for (i, name) in self.storage.iter().enumerate() {
            if self.storage[..i].contains(name) {
                return wrong(format!("the storage `{name}` is named twice, for the backups"));
            }
        }
        if self.wal.workers.is_some_and(|it| !(1..=64).contains(&it)) {
            return wrong("<workers> is outside 1 to 64, for the WAL".to_owned());
        }
        for (element, number) in
            [("push_ahead", self.wal.push_ahead), ("get_ahead", self.wal.get_ahead)]
        {
            if number.is_some_and(|it| it > 1024) {
                return wrong(format!("<{element}> is more than 1024, for the WAL"));
            }
        }
        if self.wal.spool.as_ref().is_some_and(|it| !it.is_absolute()) {
            return wrong("<spool> is no absolute path, for the WAL".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn server(storage: &serde_json::Value, wal: &serde_json::Value) -> Server {
        let text = json!({ "name": "main", "storage": storage, "wal": wal });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn wal_goes_where_it_is_told_and_else_where_backups_go() {
        let show = |it: Destination| {
            let flags = (it.suffix, it.read_only);
            format!("{} {} {} {flags:?}", it.storage, it.compress, it.encrypt)
        };
        let cases = [
            (json!([]), json!({}), vec![]),
            (json!(["a"]), json!({}), vec!["a zstd none (true, false)"]),
            (
                json!(["a", "b"]),
                json!({ "compress": "lz4", "encrypt": "team" }),
                vec!["a lz4 team (true, false)", "b lz4 team (true, false)"],
            ),
            (
                json!(["a", "b"]),
                json!({ "storage": [
                    { "name": "old", "read_only": true },
                    { "name": "b", "compress": "none", "suffix": false },
                ] }),
                vec![
                    "b none none (false, false)",
                    "old zstd none (true, true)",
                    "a zstd none (true, true)",
                ],
            ),
            (
                json!(["a"]),
                json!({ "storage": [{ "name": "old", "read_only": true }] }),
                vec!["a zstd none (true, false)", "old zstd none (true, true)"],
            ),
        ];
        for (storage, wal, expected) in cases {
            let found = server(&storage, &wal).wal_destinations();
            let found: Vec<_> = found.into_iter().map(show).collect();
            assert_eq!(found, expected, "{storage} {wal}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let twice = json!({ "storage": [{ "name": "a" }, { "name": "a" }] });
        let cases = [
            (json!(["a"]), json!({}), true),
            (json!(["a", "a"]), json!({}), false),
            (json!([]), twice, false),
            (json!([]), json!({ "workers": 0 }), false),
            (json!([]), json!({ "workers": 2, "push_ahead": 0 }), true),
            (json!([]), json!({ "push_ahead": 2000 }), false),
            (json!([]), json!({ "spool": "spool" }), false),
        ];
        for (storage, wal, good) in cases {
            let found = server(&storage, &wal).check_wal();
            assert_eq!(found.is_ok(), good, "{storage} {wal}");
        }
    }
}
