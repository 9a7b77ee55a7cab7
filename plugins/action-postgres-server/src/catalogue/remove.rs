//! Removing backups from a storage.

use std::collections::BTreeSet;

use hayloft_plugin_api::{Error, ErrorKind, Host, Protection, Result, StorageHandle};
use jiff::Timestamp;

use super::{
    BackupId, Copy, Guard, Place,
    events::About,
    mark,
    place::{self, Piece},
    scan,
};
use crate::archive::patiently;

/// How many objects are removed at a time.
const BATCH: usize = 1000;

/// The objects of a backup, in the order in which they go: first what says
/// that it is whole, then what says that it is there, then its files, and last
/// the mark that it is being deleted.
fn objects(storage: &StorageHandle, server: &str, id: BackupId) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let prefix = place::backup(server, id);
    storage.for_each(&prefix, |object| {
        let piece = Piece::of(object.key.strip_prefix(&prefix).unwrap_or_default());
        found.push((rank(piece), object.key));
        Ok(())
    })?;
    storage.for_each(&format!("{}{id}-", place::meta(server)), |object| {
        found.push((1, object.key));
        Ok(())
    })?;
    found.sort();
    Ok(found.into_iter().map(|it| it.1).collect())
}

fn rank(piece: Piece) -> u8 {
    match piece {
        Piece::Manifest => 0,
        Piece::Info => 1,
        Piece::Part | Piece::Tar | Piece::File | Piece::Other => 2,
        Piece::Keep => 3,
        Piece::Doomed => 4,
    }
}

/// Tells what keeps a backup from being deleted, where the storage itself
/// protects objects.
///
/// # Errors
///
/// If the storage cannot tell.
pub(crate) fn refused(
    storage: &StorageHandle,
    server: &str,
    id: BackupId,
) -> Result<Option<String>> {
    let known = storage.capabilities()?;
    // Only a store that keeps versions can protect one.
    if !known.versions && known.retention.is_none() {
        return Ok(None);
    }
    for key in objects(storage, server, id)? {
        if let Some(protection) = patiently(|| storage.protection(&key))? {
            return Ok(Some(format!("{key} is {}", protected(&protection))));
        }
    }
    Ok(None)
}

fn protected(protection: &Protection) -> String {
    let until = protection.until_ns.and_then(|it| Timestamp::from_nanosecond(it.into()).ok());
    match (until, protection.hold) {
        (_, true) => "held by the storage until somebody lifts the hold".to_owned(),
        (Some(until), _) => format!("protected by the storage until {}", until.strftime("%FT%TZ")),
        (None, _) => "protected by the storage".to_owned(),
    }
}

/// Removes all objects of a backup. Called again after whatever interrupted
/// it, it does the rest.
///
/// # Errors
///
/// If something stays; what was removed is gone.
fn remove_objects(place: &Place, server: &str, id: BackupId, guard: &Guard) -> Result<()> {
    let storage = &place.storage;
    let failed = |error: Error| {
        let kind = error.kind();
        let about = format!("cannot delete all of backup {id} from storage {}", place.name);
        error.context(about).with_kind(kind)
    };
    let objects = objects(storage, server, id).map_err(failed)?;
    let prefix = place::backup(server, id);
    let rank_of = |key: &String| key.strip_prefix(&prefix).map_or(1, |it| rank(Piece::of(it)));
    for same in objects.chunk_by(|a, b| rank_of(a) == rank_of(b)) {
        for batch in same.chunks(BATCH) {
            guard.check()?;
            let keys: Vec<&str> = batch.iter().map(String::as_str).collect();
            let left = patiently(|| storage.delete_many(&keys)).map_err(failed)?;
            if let Some(first) = left.into_iter().next() {
                let key = keys.get(first.index).copied().unwrap_or_default();
                let kind = first.error.kind();
                let error = first.error.context(format!("{key} is still there"));
                return Err(failed(error.with_kind(kind)));
            }
        }
    }
    Ok(())
}

/// What came of the removal of backups from one storage.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    /// What is gone.
    pub(crate) gone: Vec<BackupId>,
    /// What stays against the plan, and why.
    pub(crate) stays: Vec<(BackupId, Error)>,
}

/// Removes backups from a storage. `doomed` are in the order in which they are
/// to go: what refers to others before them; `all` are all of that storage,
/// oldest first. Hooks are asked before each, and told after it.
///
/// Each is marked when its hooks have agreed, so that whatever interrupts us,
/// the next one goes on. When all are marked, the storage is looked into once
/// more: what somebody has come to refer to meanwhile, stays.
///
/// # Errors
///
/// If the work is to end, or somebody else may be at it; what is marked then,
/// the next one removes.
pub(crate) fn remove(
    host: &Host,
    place: &Place,
    server: &str,
    (doomed, all): (&[&Copy], &[&Copy]),
    guard: &Guard,
) -> Result<Removed> {
    let mut removed = Removed::default();
    let mut marked = Vec::new();
    for copy in doomed.iter().copied() {
        host.check_cancelled()?;
        guard.check()?;
        let going: BTreeSet<BackupId> = marked.iter().map(|it: &About<'_>| it.copy.id).collect();
        let about = About::new(server, copy, all.iter().copied());
        match prepare(host, place, &about, all, &going) {
            Ok(()) => marked.push(about),
            Err(error) => removed.stays.push((copy.id, error)),
        }
    }
    if marked.is_empty() {
        return Ok(removed);
    }
    let now = scan(&place.storage, &place.name, server)?;
    let is_marked = |id| marked.iter().any(|it: &About<'_>| it.copy.id == id);
    if let Some(error) = super::unasked(&now, &is_marked) {
        return Err(error.context("whether something refers to what is to go is not known"));
    }
    let referred = referred(&now, &marked);
    for about in marked {
        host.check_cancelled()?;
        let id = about.copy.id;
        let outcome = if referred.contains(&id) {
            let message = format!("a backup that was begun meanwhile refers to {id}");
            mark::absolve(&place.storage, server, id).and(Err(Error::msg(message)))
        } else {
            remove_objects(place, server, id, guard)
        };
        about.after(host, outcome.as_ref().err());
        match outcome {
            Ok(()) => removed.gone.push(id),
            Err(error) => removed.stays.push((id, error)),
        }
    }
    Ok(removed)
}

/// Asks the hooks, and marks the backup; nothing has changed if that fails.
fn prepare(
    host: &Host,
    place: &Place,
    about: &About<'_>,
    all: &[&Copy],
    going: &BTreeSet<BackupId>,
) -> Result<()> {
    let (copy, server) = (about.copy, about.server);
    if copy.doomed {
        return Ok(());
    }
    let refers = |it: &&&Copy| it.info().and_then(|it| it.parent_backup_id) == Some(copy.id);
    if let Some(child) = all.iter().filter(refers).find(|it| !going.contains(&it.id)) {
        return Err(Error::msg(format!("backup {} refers to it, and stays", child.id)));
    }
    if let Some(why) = refused(&place.storage, server, copy.id)? {
        return Err(Error::new(ErrorKind::PERMISSION, why)
            .hint("it can be deleted when the storage does not protect it any more"));
    }
    about.before(host)?;
    // Where every new object is protected, a mark could never be taken back.
    if place.storage.capabilities()?.retention.is_none() {
        mark::doom(&place.storage, server, copy.id)?;
    }
    Ok(())
}

/// Returns which of the marked backups one needs that is there now, and does
/// not go.
fn referred(now: &[Copy], marked: &[About<'_>]) -> BTreeSet<BackupId> {
    let going: BTreeSet<BackupId> = marked.iter().map(|it| it.copy.id).collect();
    let parent = |id: BackupId| {
        let copy = now.iter().find(|it| it.id == id)?;
        copy.info().and_then(|it| it.parent_backup_id)
    };
    let mut referred = BTreeSet::new();
    for copy in now.iter().filter(|it| !it.doomed && !going.contains(&it.id)) {
        let mut next = copy.info().and_then(|it| it.parent_backup_id);
        while let Some(id) = next.filter(|it| referred.insert(*it)) {
            next = parent(id);
        }
    }
    referred.retain(|it| going.contains(it));
    referred
}
