//! What every item of a run needs.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use hayloft_dump::{Destination, Scratch};
use hayloft_plugin_api::{Error, Host, Request, Result};

use crate::{
    extract::Mailbox,
    items::{Due, Item},
    memory::{Circumstances, Memory},
};

/// What the private directory of a run is named for.
const NAME: &str = "mbox";

/// What every item of a run needs.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The host.
    pub host: &'a Host,
    /// Where state is kept.
    pub working_dir: PathBuf,
    /// The day, as in the names of files.
    pub day: String,
    /// Whether everything is backed up.
    pub full: bool,
    patience: Duration,
    destinations: BTreeMap<String, Destination<'a>>,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Context<'a> {
    /// Opens and checks everything that a run needs.
    ///
    /// # Errors
    ///
    /// For the first thing that is missing or wrong.
    pub(crate) fn open(
        host: &'a Host,
        request: &Request,
        items: &[Item],
        patience: Duration,
    ) -> Result<Self> {
        let working_dir = host.settings()?.working_dir;
        let mut destinations = BTreeMap::new();
        for item in items {
            if !destinations.contains_key(&item.compress) {
                let destination = Destination::open(host, &item.compress)?;
                destinations.insert(item.compress.clone(), destination);
            }
        }
        if !request.dry_run {
            Scratch::sweep(&working_dir, NAME);
        }
        let now = &request.now;
        Ok(Self {
            host,
            working_dir,
            day: format!("{:04}{:02}{:02}", now.year, now.month, now.day),
            full: request.full || request.start_of_week,
            patience,
            destinations,
            warnings: RefCell::default(),
        })
    }

    /// Returns where an item is backed up to.
    ///
    /// # Errors
    ///
    /// If it was not there when the run began.
    pub(crate) fn destination(&self, item: &Item) -> Result<&Destination<'a>> {
        let found = self.destinations.get(&item.compress);
        found.ok_or_else(|| Error::msg(format!("compressor `{}` is not open", item.compress)))
    }

    /// Returns what is known of an item's earlier backups.
    ///
    /// # Errors
    ///
    /// If the destination was not there when the run began.
    pub(crate) fn memory(&self, item: &Item, due: Due) -> Result<Memory> {
        let destination = self.destination(item)?;
        let exists = |base: &str| !destination.existing(base).is_empty();
        let now = Circumstances { due, working_dir: &self.working_dir, day: &self.day };
        Ok(Memory::load(item, now, exists, |text| self.warn(text)))
    }

    /// Returns a mailbox to read.
    pub(crate) fn mailbox(&self, path: &Path) -> Mailbox {
        Mailbox { path: path.to_owned(), patience: self.patience }
    }

    /// Makes a private directory.
    ///
    /// # Errors
    ///
    /// If the working directory is not writable.
    pub(crate) fn scratch(&self) -> Result<Scratch> {
        Scratch::make(&self.working_dir, NAME)
    }

    /// Notes what a person should look at.
    pub(crate) fn warn(&self, text: String) {
        tracing::warn!("{text}");
        self.warnings.borrow_mut().push(text);
    }

    /// Returns what was noted.
    pub(crate) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }
}
