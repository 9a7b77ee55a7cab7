//! The catalogue of a server's base backups. The storages themselves are it:
//! there is no other database, and any number of machines may work on one.
//!
//! ```text
//! let catalogue = Catalogue::read(host, server)?;
//! let backup = catalogue.find(&"latest".parse()?)?;
//! ```
//!
//! What Barman has made, at home or in a bucket, is read as it is.

mod copy;
mod events;
mod expire;
mod guard;
mod id;
mod info;
mod literal;
mod mark;
mod moment;
mod place;
mod remove;
mod retention;
mod scan;
mod select;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use hayloft_plugin_api::{Error, Host, Result, StorageHandle};

pub use self::retention::{Generations, Policy, Unit};
#[cfg(test)]
pub(crate) use self::tests::{backup, vectors};
pub(crate) use self::{
    copy::{Copy, Known, State},
    expire::{Expiry, StorageExpiry, WalExpiry, expire},
    guard::{Guard, Work},
    id::BackupId,
    info::{BackupInfo, BackupKind, Status, Tablespace},
    mark::{Keep, is_going, set_keep},
    moment::Moment,
    remove::{refused, remove},
    retention::{Candidate, Decision, Verdict},
    scan::{scan, unasked},
    select::{Selection, check_name},
};
use crate::config::Server;

/// All backups of a server.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// The server's name.
    pub(crate) server: String,
    /// The backups, oldest first.
    pub(crate) backups: Vec<Backup>,
    /// The storages that could not be asked, and why.
    pub(crate) unread: Vec<(String, Error)>,
}

/// A backup, in all storages that have something of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Backup {
    /// Its name.
    pub(crate) id: BackupId,
    /// One for each storage, in the order of the configuration; never none.
    pub(crate) copies: Vec<Copy>,
}

impl Backup {
    /// Returns the copy of which most can be had.
    pub(crate) fn best(&self) -> Option<&Copy> {
        self.copies.iter().min_by_key(|it| it.state())
    }

    /// Returns what can be done with it.
    pub(crate) fn state(&self) -> State {
        self.best().map_or(State::Remains, Copy::state)
    }

    /// Returns its description.
    pub(crate) fn info(&self) -> Option<&BackupInfo> {
        self.best().and_then(Copy::info).or_else(|| self.copies.iter().find_map(Copy::info))
    }

    /// Returns the mark that it is to be kept: what keeps most.
    pub(crate) fn keep(&self) -> Option<Keep> {
        self.copies.iter().filter_map(|it| it.keep).max()
    }
}

/// A storage that backups may be in.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: String,
    /// The storage.
    pub(crate) storage: Arc<StorageHandle>,
}

impl Place {
    /// Opens each storage that a server's backups may be in; one that cannot
    /// be opened is an error of its own.
    pub(crate) fn all(host: &Host, server: &Server) -> Vec<(String, Result<Self>)> {
        let open = |name: &String| {
            let storage = host.storage(name);
            storage.map(|it| Self { name: name.clone(), storage: Arc::new(it) })
        };
        server.backup_storages().iter().map(|name| (name.clone(), open(name))).collect()
    }
}

impl Catalogue {
    /// Reads what all storages of a server have. One that cannot be asked is
    /// in [`Catalogue::unread`].
    pub(crate) fn read(host: &Host, server: &Server) -> Self {
        let mut unread = Vec::new();
        let mut places = Vec::new();
        for (name, place) in Place::all(host, server) {
            match place {
                Ok(place) => places.push(place),
                Err(error) => unread.push((name, error)),
            }
        }
        Self::of(&places, &server.name, unread)
    }

    /// Reads what these storages have; `unread` are those that could not even
    /// be opened.
    pub(crate) fn of(places: &[Place], server: &str, mut unread: Vec<(String, Error)>) -> Self {
        let mut copies: BTreeMap<BackupId, Vec<Copy>> = BTreeMap::new();
        for place in places {
            match scan(&place.storage, &place.name, server) {
                Ok(found) => {
                    for copy in found {
                        copies.entry(copy.id).or_default().push(copy);
                    }
                }
                Err(error) => unread.push((place.name.clone(), error)),
            }
        }
        let backups = copies.into_iter().map(|(id, copies)| Backup { id, copies }).collect();
        Self { server: server.to_owned(), backups, unread }
    }

    /// Returns what one storage has, oldest first.
    pub(crate) fn copies_in(&self, storage: &str) -> impl DoubleEndedIterator<Item = &Copy> {
        let storage = storage.to_owned();
        self.backups.iter().flat_map(|it| &it.copies).filter(move |it| it.storage == storage)
    }

    /// Refuses to go on if a storage could not be asked.
    ///
    /// # Errors
    ///
    /// That of the storage.
    pub(crate) fn complete(self) -> Result<Self> {
        match self.unread.into_iter().next() {
            None => Ok(Self { unread: Vec::new(), ..self }),
            Some((storage, error)) => {
                let kind = error.kind();
                Err(error.context(format!("cannot look into storage {storage}")).with_kind(kind))
            }
        }
    }

    /// Returns the marks that backups are to be kept.
    pub(crate) fn keeps(&self) -> BTreeMap<BackupId, Keep> {
        self.backups.iter().filter_map(|it| Some((it.id, it.keep()?))).collect()
    }

    /// Returns the backups that refer to one, directly.
    pub(crate) fn children(&self, id: BackupId) -> Vec<BackupId> {
        let refers = |it: &&Backup| {
            it.copies.iter().any(|it| it.info().and_then(|it| it.parent_backup_id) == Some(id))
        };
        self.backups.iter().filter(refers).map(|it| it.id).collect()
    }
}
