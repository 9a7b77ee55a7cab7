//! What hooks are told when a backup is deleted: the events, with the
//! variables of Barman's scripts.

use hayloft_plugin_api::{Error, Event, Host, Result};

use super::{BackupId, Copy, State, place};
use crate::archive::path_of;

/// The version that scripts are told.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Tells hooks of the deletion of one backup from one storage.
#[derive(Debug, Clone)]
pub(crate) struct About<'a> {
    pub(super) server: &'a str,
    pub(super) copy: &'a Copy,
    pub(super) previous: Option<BackupId>,
    pub(super) next: Option<BackupId>,
}

impl<'a> About<'a> {
    /// Finds out what scripts are told. `all` are the backups of that storage,
    /// oldest first.
    pub(crate) fn new<'b>(
        server: &'a str,
        copy: &'a Copy,
        all: impl DoubleEndedIterator<Item = &'b Copy> + Clone,
    ) -> Self {
        let whole = all.filter(|it| it.state().is_copied()).map(|it| it.id);
        let previous = whole.clone().rfind(|it| *it < copy.id);
        let next = whole.clone().find(|it| *it > copy.id);
        Self { server, copy, previous, next }
    }

    /// Asks whether it may happen.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::VETOED`](hayloft_plugin_api::ErrorKind::VETOED).
    pub(super) fn before(&self, host: &Host) -> Result<()> {
        host.emit(&self.event(host, "pre", None))
    }

    /// Tells how it ended.
    pub(super) fn after(&self, host: &Host, error: Option<&Error>) {
        // Hooks behind it cannot fail it; what they say was logged.
        if let Err(error) = host.emit(&self.event(host, "post", error)) {
            tracing::warn!("{error}");
        }
    }

    fn event(&self, host: &Host, phase: &str, error: Option<&Error>) -> Event {
        let settings = host.settings().unwrap_or_default();
        let (id, storage) = (self.copy.id, &self.copy.storage);
        let path = |key: &str| path_of(host, storage, key).display().to_string();
        let directory = place::backup(self.server, id);
        let status = match self.copy.state() {
            State::Is(best) => best.0.to_string(),
            _ => self.copy.info().map_or_else(String::new, |it| it.status.to_string()),
        };
        let shown = |it: Option<BackupId>| it.map(|it| it.to_string()).unwrap_or_default();
        let facts = [
            ("backup_id", id.to_string()),
            ("backup_dir", path(directory.trim_end_matches('/'))),
            ("backup_info_path", path(&place::info(self.server, id))),
            ("previous_id", shown(self.previous)),
            ("next_id", shown(self.next)),
            ("status", status),
            ("server", self.server.to_owned()),
            ("error", error.map(ToString::to_string).unwrap_or_default()),
        ];
        let mut it = Event::new(format!("{phase}_delete"));
        for (name, value) in facts {
            it = it.field(name, value.clone()).field(format!("barman.{name}"), value);
        }
        if phase == "post" {
            it = it.field("outcome", if error.is_some() { "failed" } else { "done" });
        }
        it.field("storages", storage.clone())
            .field("barman.version", VERSION)
            .field("barman.configuration", settings.configuration.display().to_string())
            .field("barman.hook", "delete_script")
            .field("barman.phase", phase)
    }
}
