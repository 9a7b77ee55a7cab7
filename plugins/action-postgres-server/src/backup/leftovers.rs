//! What a backup has left that was killed.

use hayloft_plugin_api::{Result, StorageHandle};

use super::{found, record};
use crate::catalogue::{BackupInfo, Status};

/// Why a backup failed that nobody saw end.
const KILLED: &str = "it was interrupted: the process was killed, or the machine stopped";

/// Puts a storage in order, while no backup of the server runs: one that has
/// its manifest is whole, and waits for its WAL; any other one that was under
/// way has failed, and what it has written is removed.
///
/// # Errors
///
/// If the storage fails.
pub(super) fn settle(storage: &StorageHandle, server: &str) -> Result<()> {
    for it in found::all(storage, server)? {
        let id = it.id.to_string();
        // What Barman has under way is not ours.
        let Some(info) = it.info.filter(|it| super::is_ours(it) && found::is_open(it.status))
        else {
            continue;
        };
        if it.whole && info.end_xlog.is_some() {
            tracing::info!("backup {id} was whole when it was interrupted");
            let info = BackupInfo { status: Status::WaitingForWals, ..info };
            record::write(storage, server, &id, &info)?;
        } else {
            tracing::warn!("backup {id} was interrupted: it has failed");
            record::fail(storage, server, &id, (&info, KILLED))?;
        }
    }
    Ok(())
}
