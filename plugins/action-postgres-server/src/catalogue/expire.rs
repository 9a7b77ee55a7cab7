//! Removing what the retention policy does not keep: backups, and WAL.

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use jiff::Timestamp;

use super::{
    BackupId, Catalogue, Copy, Guard, Place, Work,
    remove::{self, Removed},
    retention::{self, Plan, Rules, Step},
};
use crate::{
    archive::{Archive, Deleted, Kept},
    backup,
    config::Server,
};

/// What came of it.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// Each storage that could be asked.
    pub(crate) storages: Vec<StorageExpiry>,
    /// Those that could not, and why.
    pub(crate) unread: Vec<(String, Error)>,
    /// What became of the WAL.
    pub(crate) wal: WalExpiry,
}

/// What came of it in one storage.
#[derive(Debug)]
pub(crate) struct StorageExpiry {
    /// The storage's name.
    pub(crate) storage: String,
    /// What was decided; what could not be done stays in it.
    pub(crate) plan: Plan,
    /// Which backups stay against the plan, and why.
    pub(crate) failures: Vec<(BackupId, Error)>,
}

/// What became of the WAL.
#[derive(Debug)]
pub(crate) enum WalExpiry {
    /// Nothing may go, for that reason.
    Held(String),
    /// What no backup needs went, or would go.
    Deleted(Deleted, Kept),
    /// It failed.
    Failed(Error),
}

impl Expiry {
    /// Tells whether all was done that was to be done.
    pub(crate) fn is_complete(&self) -> bool {
        self.unread.is_empty()
            && self.storages.iter().all(|it| it.failures.is_empty())
            && !matches!(self.wal, WalExpiry::Failed(_))
    }

    /// Returns how many backups went, or would go; each counted in each storage.
    pub(crate) fn deleted(&self) -> usize {
        self.storages.iter().map(|it| it.plan.doomed().count()).sum()
    }
}

/// Removes what the policy of a server does not keep. `Err` within says who is
/// at it already.
///
/// # Errors
///
/// If it cannot even begin, or the work is to end.
pub(crate) fn expire(
    host: &Host,
    server: &Server,
    now: Timestamp,
    dry_run: bool,
) -> Result<std::result::Result<Expiry, String>> {
    if server.storage.is_empty() {
        let message = format!("server {} has no <storage>", server.name);
        return Err(Error::new(ErrorKind::CONFIGURATION, message)
            .hint("name a storage of <storages> that its backups are in"));
    }
    let (places, unread) = reachable(host, server);
    let mut guard = None;
    if !dry_run {
        match Guard::take(host, (&server.name, Work::Catalogue), &places)? {
            Ok(taken) => guard = Some(taken),
            Err(who) => return Ok(Err(who)),
        }
    }
    if let Some(guard) = &guard {
        backup::complete_in(host, server, &places, guard)?;
    }
    let mut catalogue = Catalogue::of(&places, &server.name, unread);
    // A storage that does not tell of one backup is one that does not tell.
    for place in &places {
        let error = super::unasked(catalogue.copies_in(&place.name), &|_| false);
        catalogue.unread.extend(error.map(|it| (place.name.clone(), it)));
    }
    let storages = expire_backups(host, server, (&catalogue, &places), (now, guard.as_ref()))?;
    let wal = if catalogue.unread.is_empty() {
        let plans: Vec<&Plan> = storages.iter().map(|it| &it.plan).collect();
        expire_wal(host, server, &plans, guard.as_ref())
    } else {
        let names: Vec<&str> = catalogue.unread.iter().map(|it| it.0.as_str()).collect();
        let names = names.join(", ");
        WalExpiry::Held(format!("what the backups in storage {names} need is not known"))
    };
    if let Some(guard) = guard {
        guard.release();
    }
    Ok(Ok(Expiry { storages, unread: catalogue.unread, wal }))
}

/// Decides for each storage that could be asked, and does it, given the right
/// to do so.
fn expire_backups(
    host: &Host,
    server: &Server,
    (catalogue, places): (&Catalogue, &[Place]),
    (now, guard): (Timestamp, Option<&Guard>),
) -> Result<Vec<StorageExpiry>> {
    let mut storages = Vec::new();
    for place in places {
        if catalogue.unread.iter().any(|it| it.0 == place.name) {
            continue;
        }
        let plan = plan(catalogue, &place.name, server, now);
        let mut it = StorageExpiry { storage: place.name.clone(), plan, failures: Vec::new() };
        if let Some(guard) = guard {
            carry_out(host, place, &server.name, &mut it, guard)?;
        }
        storages.push(it);
    }
    Ok(storages)
}

/// Returns the storages that answer, and those that do not.
fn reachable(host: &Host, server: &Server) -> (Vec<Place>, Vec<(String, Error)>) {
    let (mut places, mut unread) = (Vec::new(), Vec::new());
    for (name, place) in Place::all(host, server) {
        let base = super::place::base(&server.name);
        let asked = place.and_then(|it| it.storage.list(&base, "", 1).map(|_| it));
        match asked {
            Ok(place) => places.push(place),
            Err(error) => unread.push((name, error)),
        }
    }
    (places, unread)
}

/// Decides what becomes of the backups in one storage.
fn plan(catalogue: &Catalogue, storage: &str, server: &Server, now: Timestamp) -> Plan {
    let copies = catalogue.copies_in(storage).cloned().collect();
    let rules = Rules { policy: server.retention_policy, minimum: server.minimum_redundancy, now };
    Plan::of(copies, &catalogue.keeps(), rules)
}

/// Does it; what cannot be done stays.
fn carry_out(
    host: &Host,
    place: &Place,
    server: &str,
    expiry: &mut StorageExpiry,
    guard: &Guard,
) -> Result<()> {
    for it in &mut expiry.plan.decisions {
        if it.step == Step::Spared {
            guard.check()?;
            super::mark::absolve(&place.storage, server, it.copy.id)?;
        }
    }
    let doomed: Vec<&Copy> = expiry.plan.doomed().map(|it| &it.copy).collect();
    if doomed.is_empty() {
        return Ok(());
    }
    let all: Vec<&Copy> = expiry.plan.decisions.iter().map(|it| &it.copy).collect();
    let Removed { stays, .. } = remove::remove(host, place, server, (&doomed, &all), guard)?;
    for (id, error) in stays {
        if let Some(it) = expiry.plan.decisions.iter_mut().find(|it| it.copy.id == id) {
            it.step = Step::Stays;
            it.why = crate::intake::chain(&error);
        }
        expiry.failures.push((id, error));
    }
    Ok(())
}

/// Removes the WAL that no backup needs; without the right to do so it only
/// tells what would go.
fn expire_wal(host: &Host, server: &Server, plans: &[&Plan], guard: Option<&Guard>) -> WalExpiry {
    let work = || {
        let archive = Archive::open(host, server)?;
        let size = match archive.segment_size() {
            Ok(size) => size,
            Err(error) if error.kind() == ErrorKind::NOT_FOUND => {
                return Ok(WalExpiry::Held("there is no WAL".to_owned()));
            }
            Err(error) => return Err(error),
        };
        let kept = match retention::needs(plans, &archive.branches()?) {
            Ok(kept) => kept,
            Err(why) => return Ok(WalExpiry::Held(why)),
        };
        let deleted = match guard {
            Some(guard) => {
                guard.check()?;
                archive.delete_before(&kept, size)?
            }
            None => archive.doomed(&kept, size)?,
        };
        Ok(WalExpiry::Deleted(deleted, kept))
    };
    work().unwrap_or_else(WalExpiry::Failed)
}
