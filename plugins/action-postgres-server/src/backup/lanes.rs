//! Which storages get a backup, and how it is encoded for each.

use std::{fs, path::Path, sync::Arc};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result, StorageHandle};

use super::{
    Base,
    buffers::Buffers,
    encoding::{Compressor, Encryptor},
    found,
    lane::{Beginning, Lane},
    parent::Cursor,
    part::Member,
    resume::{self, Dead, Held, Journal},
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

impl Lanes {
    fn none() -> Self {
        let workshop = Workshop {
            compressors: Vec::new(),
            lanes: Vec::new(),
            held: Vec::new(),
            buffers: Buffers::default(),
        };
        Self { all: Vec::new(), cursors: Vec::new(), workshop, parent: None }
    }
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

/// What lanes are opened for.
pub(super) struct Wanted<'a> {
    /// The backup.
    pub(super) id: BackupId,
    /// What it is to be compared with.
    pub(super) base: Base,
    /// How files are read.
    pub(super) method: Method,
    /// The storages of the server, and which of them have failed.
    pub(super) members: &'a [Member],
    /// The directory of this server on this machine, if there is one.
    pub(super) own: Option<&'a Path>,
    /// What is gone on with.
    pub(super) dead: Option<Dead>,
}

impl Wanted<'_> {
    /// Opens a storage for a lane; one that has failed gets nothing.
    fn member(&self, host: &Host, name: &str) -> Result<Member> {
        let known = self.members.iter().find(|it| it.name == name);
        let failed = known.and_then(|it| it.failed.clone());
        Member::open(host, name).map(|it| Member { failed, ..it })
    }

    /// The storages that have not failed.
    fn good(&self) -> impl Iterator<Item = &StorageHandle> {
        self.members.iter().filter(|it| it.failed.is_none()).map(|it| &it.storage)
    }
}

/// Opens the lanes of a backup: one for each way of encoding.
///
/// # Errors
///
/// If a compressor or an encryptor cannot be used, or the backup that is to be
/// compared with is not there.
pub(super) fn open(host: &Host, server: &Server, mut wanted: Wanted<'_>) -> Result<Lanes> {
    let mut lanes = Lanes::none();
    let mut names: Vec<String> = Vec::new();
    let parent = readable(host, server, find_parent(server, &wanted)?, &wanted)?;
    let sorted = wanted.method == Method::Local;
    let mut dead = wanted.dead.take();
    for (number, group) in grouped(server.backup_destinations()).into_iter().enumerate() {
        let Some(first) = group.first() else { continue };
        let form = form(host, &mut lanes.workshop, &mut names, &first.compress)?;
        let members: Vec<Member> =
            group.iter().map(|it| wanted.member(host, &it.storage)).collect::<Result<_>>()?;
        let cursor = match parent {
            Some(parent) => cursor(host, server, (parent, sorted), &members)?,
            None => None,
        };
        let (held, journal) = resumed(number, &group, &wanted, (dead.as_mut(), &members, server))?;
        let held = Arc::new(held);
        let beginning = Beginning {
            members,
            number: lanes.all.len(),
            compressor: Arc::clone(&lanes.workshop.compressors[form]),
            encryptor: Encryptor::named(host, &first.encrypt)?,
            server: server.name.clone(),
            id: wanted.id.to_string(),
            part_size: server.backup_part_size(),
            parents: cursor.as_ref().map_or_else(Vec::new, Cursor::parts),
            held: Arc::clone(&held),
            journal,
            spool: spool(wanted.own)?,
        };
        lanes.all.push(Lane::new(beginning));
        lanes.cursors.push(cursor);
        lanes.workshop.lanes.push(form);
        lanes.workshop.held.push(held);
    }
    lanes.parent = parent;
    Ok(lanes)
}

/// Returns the number of a compressor among those of the workshop.
fn form(
    host: &Host,
    workshop: &mut Workshop,
    names: &mut Vec<String>,
    name: &str,
) -> Result<usize> {
    if let Some(known) = names.iter().position(|it| it == name) {
        return Ok(known);
    }
    workshop.compressors.push(Arc::new(Compressor::named(host, name)?));
    names.push(name.to_owned());
    Ok(names.len() - 1)
}

/// A file without a name, for entries of the manifest.
fn spool(own: Option<&Path>) -> Result<fs::File> {
    let directory = own.map_or_else(std::env::temp_dir, Path::to_owned);
    tempfile::tempfile_in(&directory)
        .map_err(|e| Error::from(e).context(format!("cannot use {}", directory.display())))
}

/// What a lane goes on with, and where it notes what it stores. What else the
/// dead backup has in its storages goes.
fn resumed(
    number: usize,
    group: &[BackupDestination],
    wanted: &Wanted<'_>,
    (dead, members, server): (Option<&mut Dead>, &[Member], &Server),
) -> Result<(Held, Option<Journal>)> {
    let lane = resume::Lane::new(wanted.id, group);
    let mut held = Held::default();
    if let Some(dead) = dead {
        held = dead.take(&lane);
        for member in members.iter().filter(|it| it.failed.is_none()) {
            resume::clear(member, &server.name, &lane.id, &held)?;
        }
    }
    let journal = wanted.own.map(|it| Journal::begin(it, number, &lane, &held)).transpose()?;
    Ok((held, journal))
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
fn find_parent(server: &Server, wanted: &Wanted<'_>) -> Result<Option<BackupId>> {
    if wanted.base == Base::Nothing {
        return Ok(None);
    }
    let mut common: Option<Vec<BackupId>> = None;
    for storage in wanted.good() {
        let whole: Vec<BackupId> = found::all(storage, &server.name)?
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
    match wanted.base {
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
    wanted: &Wanted<'_>,
) -> Result<Option<BackupId>> {
    let Some(id) = parent else { return Ok(None) };
    for storage in wanted.good() {
        match found::open_manifest(host, storage, &server.name, id) {
            Ok(_) => {}
            Err(error) if wanted.base == Base::Latest => {
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

/// Opens the manifest of the parent; a lane that has failed needs none.
fn cursor(
    host: &Host,
    server: &Server,
    (id, sorted): (BackupId, bool),
    members: &[Member],
) -> Result<Option<Cursor>> {
    let good = members.iter().filter(|it| it.failed.is_none());
    let storages: Vec<&StorageHandle> = good.map(|it| &it.storage).collect();
    let Some(first) = storages.first() else { return Ok(None) };
    let reader = found::open_manifest(host, first, &server.name, id)?;
    Cursor::new(reader, (&server.name, sorted), &storages).map(Some)
}
