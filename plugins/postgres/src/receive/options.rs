//! What is received, where to, and who watches.

use std::{path::PathBuf, time::Duration};

use super::figures::{Figures, News};
use crate::{
    conninfo::Target,
    wal::{FileName, Lsn},
};

/// The physical slot that a receiver uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotUse {
    /// Its name.
    pub name: String,
    /// Whether it is made if it is not there. It keeps WAL from then on.
    pub create: bool,
}

/// What is received, and where to.
#[derive(Debug, Clone)]
pub struct ReceiveOptions {
    /// The server, as [`Conninfo::for_streaming`] leads to it.
    ///
    /// [`Conninfo::for_streaming`]: crate::conninfo::Conninfo::for_streaming
    pub target: Target,
    /// The same server by SQL: asked for the slot's position by servers before
    /// 15, where the directory tells none.
    pub sql: Option<Target>,
    /// Where the files are put; made if it is not there.
    pub directory: PathBuf,
    /// The slot. Without one the server may remove WAL before it was received.
    pub slot: Option<SlotUse>,
    /// Whether everything that came is synced and reported at once, so that
    /// transactions may wait for it. Otherwise that is so if the server's
    /// `synchronous_standby_names` names the target's `application_name` at
    /// the time of connecting.
    pub synchronous: bool,
    /// The longest time that WAL stays unsynced where nobody waits for it; 1 s.
    pub sync_interval: Duration,
    /// How often the server is told how far we are, at least; 10 s.
    pub status_interval: Duration,
    /// How long the server may say nothing; one minute.
    pub patience: Duration,
    /// So many bytes behind the server are worth a warning; 256 MiB.
    pub lag_warning: u64,
    /// Ends when everything before this position is safe.
    pub until: Option<Lsn>,
    /// Whether a lost connection ends it, instead of beginning a new one.
    pub once: bool,
    /// The number of the cluster, if it is known: another one is refused.
    pub system_identifier: Option<u64>,
}

impl ReceiveOptions {
    /// Everything from a server into a directory, without a slot.
    pub fn new(target: Target, directory: impl Into<PathBuf>) -> Self {
        Self {
            target,
            sql: None,
            directory: directory.into(),
            slot: None,
            synchronous: false,
            sync_interval: Duration::from_secs(1),
            status_interval: Duration::from_secs(10),
            patience: Duration::from_mins(1),
            lag_warning: 256 << 20,
            until: None,
            once: false,
            system_identifier: None,
        }
    }
}

/// Who runs a receiver: is asked whether it is to go on, and is told what
/// happens. All calls but [`cancelled`](Self::cancelled) come from the
/// receiver's own thread and hold it up.
pub trait Supervisor: Sync {
    /// Tells whether it is to end; asked several times a second.
    fn cancelled(&self) -> bool;

    /// Is told how it is, at least twice a second unless the system hangs.
    fn observe(&self, figures: &Figures);

    /// Is told what a person may want to know.
    fn say(&self, news: &News);

    /// Is told of a file that is whole: it is synced, has its own name, and is
    /// not the newest of the directory.
    fn complete(&self, name: FileName);
}
