//! Backups that Barman has made, at home or in a bucket: they are gone through
//! once, and a manifest is made of them. From then on they are restored and
//! verified like ours.
//!
//! Their files have no hashes of their own, so what is damaged is found only
//! where it shows: a stream that cannot be decompressed, an archive or a file
//! that is too short, and a page whose checksum is wrong though it was not
//! written during the backup.
//!
//! Facts: `barman-cloud-backup` writes `data.tar`, `data_0001.tar` and so on,
//! and `OID.tar` for each tablespace; Barman itself has the files below `data`
//! and `OID`, or archives of `pg_basebackup` below `data`.

mod making;
mod piece;

use std::{fs, io::Seek};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result, StorageHandle};

use self::making::Making;
pub(super) use self::piece::is_piece;
use super::{Found, place};
use crate::{
    catalogue::{BackupInfo, BackupKind},
    manifest::Reader,
};

/// A backup of Barman's that was gone through.
#[derive(Debug)]
pub(crate) struct Foreign {
    manifest: fs::File,
    /// Files with damaged pages, and what is wrong.
    pub(crate) damaged: Vec<(String, String)>,
}

/// What is told of each piece that is read: its key, and how many bytes.
pub(crate) type Step<'a> = &'a dyn Fn(&str, u64) -> Result<()>;

impl Foreign {
    /// Goes through a backup, and reads all of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UNSUPPORTED`] for one that is no copy of all files,
    /// [`ErrorKind::CORRUPT`] for what is damaged, and those of `step`.
    pub(crate) fn read(
        host: &Host,
        storage: &StorageHandle,
        (server, found): (&str, &Found),
        step: Step<'_>,
    ) -> Result<Self> {
        let missing = || Error::msg(format!("backup {} has no backup.info", found.id));
        let info = found.info.as_ref().ok_or_else(missing)?;
        usable(info)?;
        let directory = place::directory(server, &found.id.to_string());
        let mut making = Making::new((host, storage), (&directory, found.id), info, step)?;
        let mut objects = Vec::new();
        storage.for_each(&directory, |object| {
            objects.push(object);
            Ok(())
        })?;
        for object in objects {
            making.object(&object)?;
        }
        let (mut manifest, damaged) = making.finish(server)?;
        manifest.rewind()?;
        Ok(Self { manifest, damaged })
    }

    /// Opens its manifest.
    ///
    /// # Errors
    ///
    /// If it cannot be read again.
    pub(crate) fn manifest(&self) -> Result<Reader> {
        let mut file = self.manifest.try_clone()?;
        file.rewind()?;
        Reader::open(Box::new(file))
    }
}

/// Refuses what has not all files in it.
fn usable(info: &BackupInfo) -> Result<()> {
    let (what, hint) = match info.kind() {
        BackupKind::Full | BackupKind::Rsync => return Ok(()),
        BackupKind::Incremental => (
            "it is an incremental one of PostgreSQL's",
            "`barman recover` puts it together with its parents; restore the full one it is based on",
        ),
        BackupKind::Snapshot => {
            ("it is a snapshot of disks", "`barman recover` knows the disks that it is on")
        }
    };
    Err(Error::new(ErrorKind::UNSUPPORTED, what).hint(hint))
}
