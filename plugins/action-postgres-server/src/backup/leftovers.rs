//! What a backup has left that was killed.

use hayloft_plugin_api::{Result, StorageHandle};

use super::{
    found::{self, Found},
    record,
};
use crate::catalogue::{BackupId, BackupInfo, Status};

/// Why a backup failed that nobody saw end.
const KILLED: &str = "it was interrupted: the process was killed, or the machine stopped";

/// What becomes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is as it should be, or not ours.
    Stays,
    /// It is whole, and waits for its WAL.
    Waits,
    /// It has failed.
    Fails,
    /// It has failed, and has something left.
    Sheds,
}

/// Puts a storage in order, while no backup of the server runs: one that has
/// its manifest is whole, and waits for its WAL; any other one that was under
/// way has failed, and what it has written is removed. `spared` is gone on with.
///
/// # Errors
///
/// If the storage fails.
pub(super) fn settle(
    storage: &StorageHandle,
    server: &str,
    spared: Option<BackupId>,
) -> Result<()> {
    for it in found::all(storage, server)? {
        let fate = if Some(it.id) == spared { Fate::Stays } else { fate(&it) };
        let id = it.id.to_string();
        let Some(info) = it.info else { continue };
        match fate {
            Fate::Stays => {}
            Fate::Waits => {
                tracing::info!("backup {id} was whole when it was interrupted");
                let info = BackupInfo { status: Status::WaitingForWals, ..info };
                record::write(storage, server, &id, &info)?;
            }
            Fate::Fails => {
                tracing::warn!("backup {id} was interrupted: it has failed");
                record::fail(storage, server, &id, (&info, KILLED))?;
            }
            Fate::Sheds => record::remove_remains(storage, server, &id)?,
        }
    }
    Ok(())
}

fn fate(found: &Found) -> Fate {
    // What Barman has under way is not ours.
    let Some(info) = found.info.as_ref().filter(|it| super::is_ours(it)) else {
        return Fate::Stays;
    };
    match info.status {
        it if found::is_open(it) && found.whole && info.end_xlog.is_some() => Fate::Waits,
        it if found::is_open(it) => Fate::Fails,
        Status::Failed if found.whole || found.parts => Fate::Sheds,
        _ => Fate::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_interrupted_is_put_in_order_whenever_that_was() {
        let cases = [
            // mode, status, end known, manifest, parts
            ("hayloft-local", Status::Empty, false, false, false, Fate::Fails),
            ("hayloft-local", Status::Started, false, false, true, Fate::Fails),
            ("hayloft-local", Status::Started, true, false, true, Fate::Fails),
            ("hayloft-stream", Status::Started, true, true, true, Fate::Waits),
            // An incremental one in which nothing is new has no parts.
            ("hayloft-local", Status::Started, true, true, false, Fate::Waits),
            ("hayloft-local", Status::WaitingForWals, true, true, true, Fate::Stays),
            ("hayloft-local", Status::Done, true, true, true, Fate::Stays),
            ("hayloft-local", Status::Failed, true, false, false, Fate::Stays),
            ("hayloft-local", Status::Failed, false, false, true, Fate::Sheds),
            ("hayloft-local", Status::Failed, true, true, false, Fate::Sheds),
            ("rsync-concurrent", Status::Started, false, false, true, Fate::Stays),
            ("rsync-concurrent", Status::Failed, false, false, true, Fate::Stays),
        ];
        for (mode, status, ended, whole, parts, expected) in cases {
            let info = BackupInfo {
                mode: Some(mode.to_owned()),
                status,
                end_xlog: ended.then(|| "0/5000028".parse().unwrap()),
                ..BackupInfo::default()
            };
            let id = "20260101T000000".parse().unwrap();
            let found = Found { id, info: Some(info), whole, parts, foreign: false };
            assert_eq!(fate(&found), expected, "{mode} {status} {ended} {whole} {parts}");
        }
    }
}
