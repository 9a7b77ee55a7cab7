//! Which storages get a backup, and how it is encoded for each.

use std::{path::Path, sync::Arc};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result, StorageHandle};

use super::{
    Base,
    encoding::{Compressor, Encryptor},
    found,
    lane::{Beginning, Lane},
    parent::Cursor,
    part::Member,
    worker::Workshop,
};
use crate::{
    catalogue::BackupId,
    config::{BackupDestination, Method, Server},
};

/// Everything that a backup is written with.
#[derive(Debug)]
pub(super) struct Lanes {
    /// The lanes.
    pub(super) all: Vec<Lane>,
    /// What the parent of each has.
    pub(super) cursors: Vec<Option<Cursor>>,
    /// What makes frames for them.
    pub(super) workshop: Workshop,
    /// The backup that all of them compare with.
    pub(super) parent: Option<BackupId>,
}

/// Opens the storages of a server that backups are written to.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if there is none.
pub(super) fn members(host: &Host, server: &Server) -> Result<Vec<Member>> {
    let destinations = server.backup_destinations();
    if destinations.is_empty() {
        let message = format!("server {} has no <storage>", server.name);
        return Err(Error::new(ErrorKind::CONFIGURATION, message)
            .hint("name a storage of <storages> that its backups are to be kept in"));
    }
    destinations.iter().map(|it| Member::open(host, &it.storage)).collect()
}

/// Opens the lanes of a backup: one for each way of encoding.
///
/// # Errors
///
/// If a compressor or an encryptor cannot be used, or the backup that is to be
/// compared with is not there.
pub(super) fn open(
    host: &Host,
    server: &Server,
    (id, base, method): (BackupId, Base, Method),
    spool: &Path,
) -> Result<Lanes> {
    let mut lanes = Lanes {
        all: Vec::new(),
        cursors: Vec::new(),
        workshop: Workshop { compressors: Vec::new(), lanes: Vec::new() },
        parent: None,
    };
    let mut names: Vec<String> = Vec::new();
    let parent = readable(host, server, find_parent(host, server, base)?, base)?;
    for group in grouped(server.backup_destinations()) {
        let Some(first) = group.first() else { continue };
        let known = names.iter().position(|it| *it == first.compress);
        let form = known.unwrap_or(names.len());
        if known.is_none() {
            let compressor = Arc::new(Compressor::named(host, &first.compress)?);
            lanes.workshop.compressors.push(compressor);
            names.push(first.compress.clone());
        }
        let members: Vec<Member> =
            group.iter().map(|it| Member::open(host, &it.storage)).collect::<Result<_>>()?;
        let cursor = match parent {
            Some(parent) => {
                Some(cursor(host, server, (parent, method == Method::Local), &members)?)
            }
            None => None,
        };
        let beginning = Beginning {
            members,
            form,
            compressor: Arc::clone(&lanes.workshop.compressors[form]),
            encryptor: Encryptor::named(host, &first.encrypt)?,
            server: server.name.clone(),
            id: id.to_string(),
            part_size: server.backup_part_size(),
            parents: cursor.as_ref().map_or_else(Vec::new, Cursor::parts),
            spool: tempfile::tempfile_in(spool)
                .map_err(|e| Error::from(e).context(format!("cannot use {}", spool.display())))?,
        };
        lanes.all.push(Lane::new(beginning));
        lanes.cursors.push(cursor);
        lanes.workshop.lanes.push(form);
    }
    lanes.parent = parent;
    Ok(lanes)
}

fn grouped(destinations: Vec<BackupDestination>) -> Vec<Vec<BackupDestination>> {
    let mut groups: Vec<Vec<BackupDestination>> = Vec::new();
    for it in destinations {
        let same = |group: &Vec<BackupDestination>| {
            group.first().is_some_and(|first| {
                (&first.compress, &first.encrypt) == (&it.compress, &it.encrypt)
            })
        };
        match groups.iter_mut().find(|group| same(group)) {
            Some(group) => group.push(it),
            None => groups.push(vec![it]),
        }
    }
    groups
}

/// Finds the backup that all storages have and that is to be compared with.
fn find_parent(host: &Host, server: &Server, base: Base) -> Result<Option<BackupId>> {
    if base == Base::Nothing {
        return Ok(None);
    }
    let mut common: Option<Vec<BackupId>> = None;
    for destination in server.backup_destinations() {
        let storage = host.storage(&destination.storage)?;
        let whole: Vec<BackupId> = found::all(&storage, &server.name)?
            .into_iter()
            .filter(found::Found::is_restorable)
            .map(|it| it.id)
            .collect();
        common = Some(match common {
            None => whole,
            Some(others) => others.into_iter().filter(|it| whole.contains(it)).collect(),
        });
    }
    let common = common.unwrap_or_default();
    match base {
        Base::Backup(id) if !common.contains(&id) => {
            let message =
                format!("there is no backup {id} of server {} in all its storages", server.name);
            Err(Error::new(ErrorKind::NOT_FOUND, message)
                .hint("leave the id out to compare with the latest one"))
        }
        Base::Backup(id) => Ok(Some(id)),
        _ if common.is_empty() => {
            tracing::info!("there is no backup to compare with: this one is a full one");
            Ok(None)
        }
        _ => Ok(common.into_iter().max()),
    }
}

/// Without a key to read what the latest backup has, this one is a full one.
fn readable(
    host: &Host,
    server: &Server,
    parent: Option<BackupId>,
    base: Base,
) -> Result<Option<BackupId>> {
    let Some(id) = parent else { return Ok(None) };
    for destination in server.backup_destinations() {
        let storage = host.storage(&destination.storage)?;
        match found::open_manifest(host, &storage, &server.name, id) {
            Ok(_) => {}
            Err(error) if base == Base::Latest => {
                tracing::warn!(
                    "backup {id} cannot be compared with, so this one is a full one: {error}"
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Some(id))
}

fn cursor(
    host: &Host,
    server: &Server,
    (id, sorted): (BackupId, bool),
    members: &[Member],
) -> Result<Cursor> {
    let storages: Vec<&StorageHandle> = members.iter().map(|it| &it.storage).collect();
    let first = storages.first().ok_or_else(|| Error::msg("a lane has no storage"))?;
    let reader = found::open_manifest(host, first, &server.name, id)?;
    Cursor::new(reader, (&server.name, sorted), &storages)
}
