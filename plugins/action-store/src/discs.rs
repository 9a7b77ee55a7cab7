//! Storages that take whole days and no single files: discs.

use std::path::Path;

use hayloft_plugin_api::{
    Error, ErrorKind, Host, Node, Outcome, Request, Result, StorageHandle, Tree,
};
use hayloft_staging::day::{self, Day, STAGED, STORED};
use tracing::info;

/// The `<device_type>` of a section that has none.
pub const DEFAULT_DEVICE: &str = "cdwriter";

/// Opens the drive that the store section describes: a storage of the name
/// that `<device_type>` has, whose settings are the section itself.
///
/// # Errors
///
/// If there is no such storage, or it cannot use the section.
pub fn open(host: &Host, device_type: &str, section: &Node) -> Result<StorageHandle> {
    refuse_encodings(section)?;
    host.storage_of(device_type, section).map_err(|error| {
        if error.kind() != ErrorKind::NOT_FOUND {
            return error;
        }
        error.context(format!("writing to a {device_type} needs a plugin that can")).hint(
            "install the plugin for discs, or name a storage of <storages> with <storage>NAME</storage>",
        )
    })
}

/// Makes sure that nothing is to happen to single files on the way.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if there is a compressor or an encryptor: the
/// disc would have plain files.
pub fn refuse_encodings(section: &Node) -> Result<()> {
    for element in ["compressor", "encryptor"] {
        let name = section.child(element).map(|it| it.first_text.trim().to_owned());
        if name.is_some_and(|it| !it.is_empty() && it != "none") {
            let message =
                format!("a disc takes days as they are staged: <{element}> cannot be used");
            return Err(Error::new(ErrorKind::CONFIGURATION, message).hint(
                "compress when collecting, and encrypt the staged days with the action encrypt",
            ));
        }
    }
    Ok(())
}

/// Returns days as trees, each with its name.
pub fn trees(days: &[Day]) -> Vec<Tree> {
    days.iter().map(|it| Tree { name: it.name.clone(), path: it.path.clone() }).collect()
}

/// Writes one day, as Cedar Backup chooses it, and marks it as stored.
///
/// `source` has the days; whether a day that is not today's is to be reported
/// comes with it.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] if there is no such day, and whatever keeps it off
/// the disc.
pub fn store(
    writer: &StorageHandle,
    host: &Host,
    request: &Request,
    (source, warn_midnite): (&Path, bool),
) -> Result<Outcome> {
    let choice = day::choose(source, &request.now, request.full, STORED)?;
    let day = choice.day;
    info!("the day is {}", day.name);
    let mut outcome = writer.put_trees(host, request, &trees(std::slice::from_ref(&day)))?;
    if request.dry_run {
        return Ok(outcome);
    }
    host.touch(&day.path.join(STORED))?;
    if choice.crossed_midnight && warn_midnite {
        outcome = outcome.warning(format!("{} is not today's day", day.name));
    }
    let forgotten = forgotten(source, &day)?;
    Ok(match &forgotten[..] {
        [] => outcome,
        days => outcome.left_out(format!(
            "staged days before that one are on no disc and will not be stored: {}; \
             write them with `hayloft span`, or mark each with a file {STORED}",
            days.join(", ")
        )),
    })
}

/// Days that no later run takes up: Cedar Backup looks no further back than
/// yesterday.
fn forgotten(source: &Path, stored: &Day) -> Result<Vec<String>> {
    let days = day::dated(source)?.into_iter();
    let pending = days.filter(|it| it.name < stored.name && it.has(STAGED) && !it.has(STORED));
    Ok(pending.map(|it| it.name).collect())
}
