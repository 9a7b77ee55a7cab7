//! Everything that must be known of a backup before anything is written.

use std::collections::HashSet;

use hayloft_plugin_api::{Error, ErrorKind, Host, Result, StorageHandle};

use crate::{
    backup,
    catalogue::BackupId,
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
        id: BackupId,
    ) -> Result<Self> {
        let mut reader = backup::open_manifest(host, storage, server, id)?;
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
                    for frame in &file.frames {
                        if let Frame::Stored { place, .. } = frame {
                            used[place.part as usize] = true;
                        }
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
        Ok(Self { header: reader.header().clone(), parts, tablespaces, files, size, digest })
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
