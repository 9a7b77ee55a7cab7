//! What hooks are told of a base backup, with the variables of Barman's
//! scripts.

use hayloft_plugin_api::{Error, Event, Host, Result};

use crate::catalogue::{BackupId, Status};

/// The version that scripts are told.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is known of a backup.
#[derive(Debug, Clone)]
pub(super) struct About {
    /// The server.
    pub(super) server: String,
    /// Its name.
    pub(super) id: BackupId,
    /// The one before it.
    pub(super) previous: Option<BackupId>,
    /// How far it is.
    pub(super) status: Status,
    /// The storages that it goes to.
    pub(super) storages: Vec<String>,
}

/// Asks whether a backup may be taken.
///
/// # Errors
///
/// [`ErrorKind::VETOED`](hayloft_plugin_api::ErrorKind::VETOED).
pub(super) fn before(host: &Host, about: &About) -> Result<()> {
    host.emit(&event(host, "pre", about, None))
}

/// Tells how it ended.
pub(super) fn after(host: &Host, about: &About, error: Option<&Error>) {
    // Hooks behind it cannot fail it; what they say was logged.
    if let Err(error) = host.emit(&event(host, "post", about, error)) {
        tracing::warn!("{error}");
    }
}

fn event(host: &Host, phase: &str, about: &About, error: Option<&Error>) -> Event {
    let settings = host.settings().unwrap_or_default();
    let id = about.id.to_string();
    let facts = [
        ("backup_id", id.clone()),
        ("backup_dir", format!("{}/base/{id}", about.server)),
        ("previous_id", about.previous.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("next_id", String::new()),
        ("status", about.status.to_string()),
        ("server", about.server.clone()),
        ("error", error.map(ToString::to_string).unwrap_or_default()),
    ];
    let mut it = Event::new(format!("{phase}_backup"));
    for (name, value) in facts {
        it = it.field(name, value.clone()).field(format!("barman.{name}"), value);
    }
    if phase == "post" {
        it = it.field("outcome", if error.is_some() { "failed" } else { "done" });
    }
    it.field("storages", about.storages.join(","))
        .field("barman.version", VERSION)
        .field("barman.configuration", settings.configuration.display().to_string())
        .field("barman.hook", "backup_script")
        .field("barman.phase", phase)
}
