//! Backups that wait for WAL which has come meanwhile.

use hayloft_plugin_api::{Host, Result};

use super::{
    found, is_ours, place, record,
    wait::{self, Span},
};
use crate::{
    catalogue::{self, BackupInfo, Catalogue, Copy, Guard, Place, Status, Work},
    config::Server,
};

/// Says of each backup that waits for WAL that it is `DONE`, if the WAL has
/// come. Whoever was interrupted, or did not want to wait, leaves that to the
/// next one. If somebody else works on the catalogue, nothing is done.
///
/// # Errors
///
/// If a storage fails, or the user wants an end.
pub(crate) fn complete(host: &Host, server: &Server) -> Result<()> {
    let places = Place::all(host, server).into_iter();
    let places: Vec<Place> = places.filter_map(|it| it.1.ok()).collect();
    // Most of the time there is none, and nobody is to be kept out.
    let known = Catalogue::of(&places, &server.name, Vec::new());
    if !known.backups.iter().flat_map(|it| &it.copies).any(waits) {
        return Ok(());
    }
    match Guard::take(host, (&server.name, Work::Catalogue), &places)? {
        Ok(guard) => {
            let outcome = complete_in(host, server, &places, &guard);
            guard.release();
            outcome
        }
        Err(who) => {
            tracing::info!("the catalogue of server {} is in use: {who}", server.name);
            Ok(())
        }
    }
}

/// The same for whoever has the right to write descriptions anew.
///
/// # Errors
///
/// If a storage cannot be written to, or the right is lost.
pub(crate) fn complete_in(
    host: &Host,
    server: &Server,
    places: &[Place],
    guard: &Guard,
) -> Result<()> {
    // A storage that cannot be asked has its turn another time.
    let catalogue = Catalogue::of(places, &server.name, Vec::new());
    for place in places {
        for copy in catalogue.copies_in(&place.name).filter(|it| waits(it)) {
            host.check_cancelled()?;
            complete_one(host, server, (place, copy), guard)?;
        }
    }
    Ok(())
}

/// Tells whether it is one of ours that lacks nothing but WAL.
fn waits(copy: &Copy) -> bool {
    copy.manifest && copy.state().is(Status::WaitingForWals) && copy.info().is_some_and(is_ours)
}

fn complete_one(
    host: &Host,
    server: &Server,
    (place, copy): (&Place, &Copy),
    guard: &Guard,
) -> Result<()> {
    let Some(span) = copy.info().and_then(span) else { return Ok(()) };
    if let Some(segment) = wait::missing(host, server, span)? {
        tracing::info!("backup {} still waits for {segment}", copy.id);
        return Ok(());
    }
    guard.check()?;
    // Others may have changed it since: what is there now is what counts.
    let id = copy.id.to_string();
    let key = format!("{}backup.info", place::directory(&server.name, &id));
    let now = found::read_info(&place.storage, &key)?;
    let going = catalogue::is_going(&place.storage, &server.name, copy.id)?;
    match now.filter(|it| it.status == Status::WaitingForWals && !going) {
        Some(info) => {
            tracing::info!("all WAL of backup {id} is archived: it is DONE in {}", place.name);
            let info = BackupInfo { status: Status::Done, ..info };
            record::write(&place.storage, &server.name, &id, &info)
        }
        None => Ok(()),
    }
}

/// The WAL that makes it consistent.
fn span(info: &BackupInfo) -> Option<Span> {
    Some(Span { first: info.begin_wal?, last: info.end_wal?, size: info.xlog_segment_size })
}
