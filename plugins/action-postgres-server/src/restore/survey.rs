//! Everything that must be known of a backup before anything is written.

use std::{cell::Cell, collections::HashSet};

use hayloft_plugin_api::{Error, ErrorKind, Host, Progress, Result, StorageHandle};

use crate::{
    backup::{self, Foreign, Found},
    manifest::{Database, Entry, Frame, Header, Part, Tablespace},
};

/// Files without which a restored cluster would be silently damaged.
const INDISPENSABLE: [&str; 3] = ["PG_VERSION", "backup_label", "global/pg_control"];

/// A backup in a storage, whose manifest was found to be whole.
#[derive(Debug)]
pub(super) struct Survey {
    /// What it is of.
    pub(super) header: Header,
    /// The objects that it refers to.
    pub(super) parts: Vec<Part>,
    /// Its tablespaces.
    pub(super) tablespaces: Vec<Tablespace>,
    /// How many files it has.
    pub(super) files: u64,
    /// Their bytes.
    pub(super) size: u64,
    /// The hash of the manifest: the same in storages with the same objects.
    pub(super) digest: String,
    /// What its manifest is made of, if Barman has made it.
    pub(super) foreign: Option<Foreign>,
}

impl Survey {
    /// Reads the manifest of a backup, and makes sure that its parts are there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`] if it is damaged, [`ErrorKind::NOT_FOUND`] if a
    /// part is not there.
    pub(super) fn of(
        host: &Host,
        storage: &StorageHandle,
        server: &str,
        found: &Found,
    ) -> Result<Self> {
        let id = found.id;
        let foreign = found.is_foreign().then(|| foreign(host, storage, (server, found)));
        let foreign = foreign.transpose()?;
        let mut reader = match &foreign {
            Some(foreign) => foreign.manifest()?,
            None => backup::open_manifest(host, storage, server, id)?,
        };
        let mut tablespaces = Vec::new();
        let (mut files, mut size) = (0, 0);
        let mut missing: HashSet<&str> = INDISPENSABLE.into_iter().collect();
        let mut used = vec![false; reader.parts().len()];
        while let Some(entry) = reader.next()? {
            match entry {
                Entry::Directory(_) => {}
                Entry::Tablespace(it) => tablespaces.push(it),
                Entry::File(file) => {
                    files += 1;
                    size += file.size;
                    missing.remove(file.path.path().to_str().unwrap_or_default());
                    for place in file.frames.iter().flat_map(Frame::places) {
                        used[place.part as usize] = true;
                    }
                }
            }
        }
        if let Some(missing) = missing.into_iter().next() {
            let message = format!("backup {id} has no {missing}");
            return Err(Error::new(ErrorKind::CORRUPT, message));
        }
        let parts = reader.parts().to_vec();
        backup::check_parts(storage, server, &parts)?;
        let digest = reader.digest();
        let header = reader.header().clone();
        Ok(Self { header, parts, tablespaces, files, size, digest, foreign })
    }

    /// Finds a database by its name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] with those that there are.
    pub(super) fn database(&self, name: &str) -> Result<u32> {
        let all = &self.header.databases;
        all.iter().find(|it| it.name == name).map(|it| it.oid).ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|it: &Database| it.name.as_str()).collect();
            Error::new(ErrorKind::NOT_FOUND, format!("the backup has no database `{name}`"))
                .hint(format!("it has: {}", known.join(", ")))
        })
    }
}

/// Goes through a backup of Barman's.
fn foreign(host: &Host, storage: &StorageHandle, found: (&str, &Found)) -> Result<Foreign> {
    let read = Cell::new(0);
    let foreign = Foreign::read(host, storage, found, &|key, bytes| {
        read.set(read.get() + bytes);
        host.progress(Progress { what: key, done: read.get(), total: 0 });
        host.check_cancelled()
    })?;
    for (file, why) in &foreign.damaged {
        tracing::warn!("backup {}: {file}: {why}", found.1.id);
    }
    Ok(foreign)
}
