//! Backups that are in a storage, as far as taking and restoring them needs.

use std::{collections::BTreeMap, io::Read};

use hayloft_plugin_api::{ByteRange, DecodeReader, Error, ErrorKind, Host, Result, StorageHandle};

use super::{foreign::is_piece, place};
use crate::{
    catalogue::{BackupId, BackupInfo, Status},
    manifest::Reader,
};

/// More than `backup.info` has, in bytes.
const MOST: u64 = 16 << 20;
/// How many bytes tell what a stream was encoded with.
const HEAD: usize = 64;
/// A manifest may be compressed and encrypted.
const MOST_LAYERS: usize = 2;

/// A directory of a backup in a storage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// Its name.
    pub(crate) id: BackupId,
    /// What `backup.info` says; nothing if there is none.
    pub(crate) info: Option<BackupInfo>,
    /// Whether there is a manifest: whether it is one of ours, and whole.
    pub(crate) whole: bool,
    /// Whether there are parts.
    pub(crate) parts: bool,
    /// Whether there are files as Barman keeps them.
    pub(crate) foreign: bool,
}

impl Found {
    /// Tells whether it can be restored, given the WAL.
    pub(crate) fn is_restorable(&self) -> bool {
        self.whole && self.info.as_ref().is_some_and(|it| it.status.is_copied())
    }

    /// Tells whether Barman has made it, and it can be restored, given the WAL.
    pub(crate) fn is_foreign(&self) -> bool {
        let barmans = |it: &BackupInfo| it.status.is_copied() && !super::is_ours(it);
        self.foreign && !self.whole && self.info.as_ref().is_some_and(barmans)
    }
}

/// Returns all backups in a storage, oldest first.
///
/// # Errors
///
/// If the storage cannot tell, or what it has of one cannot be understood.
pub(crate) fn all(storage: &StorageHandle, server: &str) -> Result<Vec<Found>> {
    let prefix = format!("{server}/base/");
    let mut found: BTreeMap<BackupId, Found> = BTreeMap::new();
    let mut infos = Vec::new();
    storage.for_each(&prefix, |object| {
        let Some((id, rest)) = object.key[prefix.len()..].split_once('/') else { return Ok(()) };
        let Ok(id) = id.parse::<BackupId>() else { return Ok(()) };
        let it = found.entry(id).or_insert(Found {
            id,
            info: None,
            whole: false,
            parts: false,
            foreign: false,
        });
        it.whole |= place::is_manifest(rest);
        it.parts |= rest.strip_prefix("data/").is_some_and(place::is_part);
        it.foreign |= is_piece(rest);
        if rest == "backup.info" {
            infos.push((id, object.key));
        }
        Ok(())
    })?;
    // What Barman itself says of its backups is newer there.
    let meta = format!("{server}/meta/");
    storage.for_each(&meta, |object| {
        let id = object.key[meta.len()..].strip_suffix("-backup.info");
        infos.extend(id.and_then(|it| Some((it.parse().ok()?, object.key.clone()))));
        Ok(())
    })?;
    for (id, key) in infos {
        let info = read_info(storage, &key)?;
        if let Some(it) = found.get_mut(&id) {
            it.info = info;
        }
    }
    Ok(found.into_values().collect())
}

/// Reads a `backup.info`; nothing if it has vanished.
///
/// # Errors
///
/// If it cannot be read or understood.
pub(crate) fn read_info(storage: &StorageHandle, key: &str) -> Result<Option<BackupInfo>> {
    let mut text = Vec::new();
    match storage.get(key, ByteRange { offset: 0, length: Some(MOST) }) {
        Ok(reader) => reader.take(MOST).read_to_end(&mut text)?,
        Err(error) if error.kind() == ErrorKind::NOT_FOUND => return Ok(None),
        Err(error) => return Err(error.context(format!("cannot read {key}"))),
    };
    let info = BackupInfo::parse(&String::from_utf8_lossy(&text));
    info.map(Some).map_err(|e| e.context(format!("cannot use {key}")))
}

/// Opens the manifest of a backup.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] if it has none, or no key opens it.
pub(crate) fn open_manifest(
    host: &Host,
    storage: &StorageHandle,
    server: &str,
    id: BackupId,
) -> Result<Reader> {
    let directory = place::directory(server, &id.to_string());
    let found = storage.list(&format!("{directory}manifest"), "", 8)?;
    let object = found.into_iter().find(|it| place::is_manifest(&it.key[directory.len()..]));
    let missing = || {
        Error::new(ErrorKind::NOT_FOUND, format!("backup {id} has no manifest"))
            .hint("it was interrupted, and cannot be restored")
    };
    let object = object.ok_or_else(missing)?;
    let about = |e: Error| {
        let kind = e.kind();
        e.context(format!("cannot read {}", object.key)).with_kind(kind)
    };
    let from = decoded(host, storage, &object.key).map_err(about)?;
    let reader = Reader::open(from).map_err(about)?;
    if reader.header().id != id.to_string() {
        let message = format!("{} is the manifest of backup {}", object.key, reader.header().id);
        return Err(Error::new(ErrorKind::CORRUPT, message));
    }
    Ok(reader)
}

/// Opens an object and undoes what its name says was done to it.
fn decoded(host: &Host, storage: &StorageHandle, key: &str) -> Result<Box<dyn Read + Send>> {
    let mut reader = storage.get(key, ByteRange::ALL)?;
    let mut name = key.rsplit('/').next().unwrap_or(key).to_owned();
    for _ in 0..MOST_LAYERS {
        let mut head = Vec::with_capacity(HEAD);
        reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        let transform = host.recognise(&name, &head)?;
        reader = Box::new(std::io::Cursor::new(head).chain(reader));
        let Some(transform) = transform else { break };
        if let Some(rest) = name.strip_suffix(transform.suffix()) {
            name.truncate(rest.len());
        }
        reader = Box::new(DecodeReader::new(transform.decoder()?, reader));
    }
    Ok(reader)
}

/// Returns the newest name that a backup has in any of these storages, older
/// than `before` if that is given.
///
/// # Errors
///
/// If one cannot tell.
pub(crate) fn newest(
    storages: &[&StorageHandle],
    server: &str,
    before: Option<BackupId>,
) -> Result<Option<BackupId>> {
    let mut newest = None;
    for storage in storages {
        let prefix = format!("{server}/base/");
        storage.for_each(&prefix, |object| {
            let id = object.key[prefix.len()..].split('/').next().unwrap_or_default();
            let id = id.parse::<BackupId>().ok();
            newest = newest.max(id.filter(|it| before.is_none_or(|before| *it < before)));
            Ok(())
        })?;
    }
    Ok(newest)
}

/// Tells whether a backup is under way, or was when it was killed.
pub(crate) fn is_open(status: Status) -> bool {
    matches!(status, Status::Empty | Status::Started)
}
