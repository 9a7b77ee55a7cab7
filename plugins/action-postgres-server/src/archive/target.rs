//! One storage in which WAL of a server is.

use std::sync::OnceLock;

use hayloft_plugin_api::{Error, Host, Result, StorageHandle};

use super::identity::{self, Identity};
use crate::config::Destination;

/// A storage, opened when it is first needed.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) destination: Destination,
    opened: OnceLock<StorageHandle>,
    /// The cluster that the archive there was found to be of.
    claimed: OnceLock<Identity>,
}

impl Target {
    pub(super) fn new(destination: Destination) -> Self {
        Self { destination, opened: OnceLock::new(), claimed: OnceLock::new() }
    }

    /// Returns its name.
    pub(super) fn name(&self) -> &str {
        &self.destination.storage
    }

    /// Returns the storage.
    pub(super) fn storage(&self, host: &Host) -> Result<&StorageHandle> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = host.storage(self.name())?;
        Ok(self.opened.get_or_init(|| opened))
    }

    /// Makes sure that the archive there is of this cluster; asks the storage
    /// once.
    pub(super) fn claim(&self, host: &Host, server: &str, ours: &Identity) -> Result<()> {
        if self.claimed.get() == Some(ours) {
            return Ok(());
        }
        identity::claim(self.storage(host)?, server, ours)?;
        self.claimed.get_or_init(|| ours.clone());
        Ok(())
    }

    /// Says of an error which storage it is about.
    pub(super) fn failed(&self, verb: &str, error: Error) -> Error {
        let kind = error.kind();
        error.context(format!("cannot {verb} storage {}", self.name())).with_kind(kind)
    }
}
