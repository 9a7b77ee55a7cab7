//! What hooks are told: the events, with the variables of Barman's scripts.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use hayloft_plugin_api::{Error, Event, Host, Result};
use hayloft_postgres::wal::FileName;

use super::Stored;

/// The version that scripts are told.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Tells hooks of one server's WAL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Events<'a> {
    pub(super) host: &'a Host,
    pub(super) server: &'a str,
}

/// What is known of a file of WAL at that moment.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) name: FileName,
    /// Its path; in a storage that is no directory its key.
    pub(super) file: PathBuf,
    /// The storages it is in, or was.
    pub(super) storages: Vec<String>,
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
    /// What it is compressed with; empty if it is not.
    pub(super) compression: String,
}

impl About {
    /// What is known of a file in a storage.
    pub(super) fn stored(host: &Host, copies: &[Stored]) -> Option<Self> {
        let first = copies.first()?;
        let nanoseconds = u64::try_from(first.object.modified_ns).unwrap_or(0);
        Some(Self {
            name: first.name,
            file: path_of(host, &first.storage, &first.object.key),
            storages: copies.iter().map(|it| it.storage.clone()).collect(),
            size: first.object.size,
            modified: UNIX_EPOCH.checked_add(std::time::Duration::from_nanos(nanoseconds)),
            compression: compression(&first.suffix),
        })
    }
}

impl Events<'_> {
    /// Asks whether it may happen.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::VETOED`](hayloft_plugin_api::ErrorKind::VETOED).
    pub(super) fn before(&self, event: &str, about: &About) -> Result<()> {
        self.host.emit(&self.event(event, "pre", about, None))
    }

    /// Tells how it ended.
    pub(super) fn after(&self, event: &str, about: &About, error: Option<&Error>) {
        // Hooks behind it cannot fail it; what they say was logged.
        if let Err(error) = self.host.emit(&self.event(event, "post", about, error)) {
            tracing::warn!("{error}");
        }
    }

    fn event(&self, event: &str, phase: &str, about: &About, error: Option<&Error>) -> Event {
        let since = about.modified.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
        let timestamp = since.unwrap_or_default().as_secs_f64();
        let settings = self.host.settings().unwrap_or_default();
        let outcome = if error.is_some() { "failed" } else { "done" };
        let facts = [
            ("segment", about.name.to_string()),
            ("file", about.file.display().to_string()),
            ("size", about.size.to_string()),
            ("timestamp", timestamp.to_string()),
            ("compression", about.compression.clone()),
            ("server", self.server.to_owned()),
            ("error", error.map(ToString::to_string).unwrap_or_default()),
        ];
        let mut it = Event::new(format!("{phase}_{event}"));
        for (name, value) in facts {
            it = it.field(name, value.clone()).field(format!("barman.{name}"), value);
        }
        if phase == "post" {
            it = it.field("outcome", outcome);
        }
        it.field("storages", about.storages.join(","))
            .field("barman.version", VERSION)
            .field("barman.configuration", settings.configuration.display().to_string())
            .field("barman.hook", format!("{event}_script"))
            .field("barman.phase", phase)
    }
}

/// The path of an object in a storage that is a directory of this machine, as
/// scripts of Barman's expect it; else its key.
pub(crate) fn path_of(host: &Host, storage: &str, key: &str) -> PathBuf {
    let document = host.document();
    let storages =
        document.child("storages").into_iter().flat_map(|it| it.children_named("storage"));
    let text = |it: Option<&hayloft_plugin_api::Node>| it.map(|it| it.text.trim().to_owned());
    let root = storages
        .filter(|it| text(it.child("name")).as_deref() == Some(storage))
        .filter(|it| text(it.child("type")).is_none_or(|it| it == "local"))
        .find_map(|it| text(it.child("root")));
    root.map_or_else(PathBuf::new, PathBuf::from).join(Path::new(key))
}

/// Barman's word for what a suffix stands for.
fn compression(suffix: &str) -> String {
    let first = suffix.split('.').nth(1).unwrap_or_default();
    match first {
        "gz" => "gzip",
        "bz2" => "bzip2",
        "zst" => "zstd",
        "age" | "gpg" => "",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_tells_the_compression() {
        let cases = [
            ("", ""),
            (".zst", "zstd"),
            (".gz.age", "gzip"),
            (".bz2.gpg", "bzip2"),
            (".age", ""),
            (".lz4", "lz4"),
        ];
        for (suffix, expected) in cases {
            assert_eq!(compression(suffix), expected, "{suffix}");
        }
    }
}
