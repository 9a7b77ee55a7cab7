//! A connection of physical replication, used from a plain thread.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use tokio::runtime::{Builder, Handle, Runtime};

use super::{
    cancel::{Canceller, Peer},
    command,
    error::{About, ReplicationError},
    protocol::{Malformed, Row},
    startup::{Begun, Physical},
    wire::{Patience, Wire},
};
use crate::{
    connection::{Attempt, ConnectError, ConnectProblem, ServerMessage, open_with},
    conninfo::{HostTarget, Target},
    version::ServerVersion,
    wal::{Lsn, TimelineId},
};

/// How long a command may take unless somebody says otherwise.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection of physical replication.
///
/// It belongs to one thread at a time, whose work it does: there is no other
/// thread that bytes would have to be handed over from. Not to be used from
/// inside an asynchronous runtime. Dropping it closes it.
///
/// Needs a role with `REPLICATION` (or a superuser), a line for `replication`
/// in `pg_hba.conf`, and a free one of `max_wal_senders`.
pub struct ReplicationConnection {
    pub(super) wire: Wire,
    pub(super) runtime: Runtime,
    peer: Arc<Peer>,
    bound: bool,
    auth_method: &'static str,
    version: ServerVersion,
    patience: Option<Duration>,
    /// A base backup or a stream was begun and not ended.
    pub(super) occupied: bool,
}

/// The answer to `IDENTIFY_SYSTEM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The number that all copies of a cluster share.
    pub system_identifier: u64,
    /// The timeline of today.
    pub timeline: TimelineId,
    /// How far WAL is on the server's disk.
    pub flushed: Lsn,
}

/// A history file, as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineHistory {
    /// Its name, such as `00000002.history`.
    pub name: String,
    /// Its content, byte by byte.
    pub content: Vec<u8>,
}

impl ReplicationConnection {
    /// Opens a connection: hosts, encryption, authentication and time limits
    /// are those of the target, as with
    /// [`Connection`](crate::connection::Connection). What the target says of
    /// `replication` does not matter.
    ///
    /// # Errors
    ///
    /// [`ReplicationError::Connect`], or [`ReplicationError::TooManySenders`].
    pub fn open(target: &Target) -> Result<Self, ReplicationError> {
        Self::open_within(target, None)
    }

    /// Opens a connection, within a time for all hosts together.
    ///
    /// # Errors
    ///
    /// As [`ReplicationConnection::open`].
    pub fn open_within(target: &Target, limit: Option<Duration>) -> Result<Self, ReplicationError> {
        let failed = |problem| ReplicationError::Connect(ConnectError::new(vec![], problem, None));
        // One of its own: whoever waits for the socket is who uses the bytes.
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| failed(ConnectProblem::Runtime(e)))?;
        let begun = runtime.block_on(async {
            let physical = Physical(target);
            let open = open_with(target, &physical);
            match limit {
                None => open.await,
                Some(limit) => tokio::time::timeout(limit, open).await.unwrap_or_else(|_| {
                    let problem = ConnectProblem::TimedOut(limit);
                    let places: Vec<String> =
                        target.hosts.iter().map(ToString::to_string).collect();
                    let attempt =
                        Attempt { place: places.join(" or "), problem: problem.to_string() };
                    Err(ConnectError::new(vec![attempt], problem, None))
                }),
            }
        });
        let begun = begun.map_err(|error| match error.refusal() {
            Some(it) if it.code == "53300" && it.message.contains("max_wal_senders") => {
                ReplicationError::TooManySenders(Box::new(it.clone()))
            }
            _ => ReplicationError::Connect(error),
        })?;
        Self::new(begun, target, runtime)
    }

    fn new(begun: Begun, target: &Target, runtime: Runtime) -> Result<Self, ReplicationError> {
        let Begun { wire, host, place, encrypted, bound, auth_method, process, key } = begun;
        let version = wire.parameters.get("server_version").map_or("", String::as_str);
        let Some(version) = ServerVersion::parse(version) else {
            return Err(Malformed::value("the version of the server", version.as_bytes()).into());
        };
        let peer = Peer { target: target.clone(), host, place, encrypted, process, key };
        Ok(Self {
            wire,
            runtime,
            peer: Arc::new(peer),
            bound,
            auth_method,
            version,
            patience: Some(PATIENCE),
            occupied: false,
        })
    }

    /// Bounds how long each command may take to be answered; `None` is for
    /// ever. It is one minute at first. Base backups and streams have limits
    /// of their own.
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// Returns the host that answered.
    pub fn host(&self) -> &HostTarget {
        &self.peer.host
    }

    /// Tells whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.peer.encrypted
    }

    /// Tells whether the password is bound to the encryption: the server was
    /// not only encrypted to, it is the one that the password is for
    /// (SCRAM-SHA-256-PLUS).
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Returns how the server authenticated us: `none` (trust, peer, a
    /// certificate), `password`, `md5` or `scram-sha-256`.
    pub fn auth_method(&self) -> &'static str {
        self.auth_method
    }

    /// Returns the version of the server.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// Returns the number of the server's process that serves us, as in
    /// `pg_stat_replication`.
    pub fn server_process(&self) -> u32 {
        self.peer.process
    }

    /// Returns what the server told of itself without being asked:
    /// `server_version`, `server_encoding`, `TimeZone`, `in_hot_standby` (from
    /// 14 on) and others.
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.wire.parameters
    }

    /// Takes what the server said on the side since the last call; the newest
    /// 200 are kept.
    pub fn take_notices(&mut self) -> Vec<ServerMessage> {
        self.wire.notices.drain(..).collect()
    }

    /// Returns what stops this connection from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller { stop: self.wire.stop.clone(), peer: Arc::clone(&self.peer) }
    }

    /// Returns why the connection cannot be used any more, if so.
    pub fn broken(&self) -> Option<&str> {
        match &self.wire.broken {
            Some(why) => Some(why),
            None if self.occupied => Some("a base backup or a stream was left before its end"),
            None => None,
        }
    }

    /// Returns the value of a setting, as text (`SHOW`).
    ///
    /// # Errors
    ///
    /// [`ReplicationError`].
    pub fn show(&mut self, setting: &str) -> Result<String, ReplicationError> {
        let rows = self.rows(&command::show(setting)?, About::Command)?;
        Ok(rows.first().map(|it| it.need(0, "a setting")).transpose()?.unwrap_or_default())
    }

    /// Asks who the server is and how far it is (`IDENTIFY_SYSTEM`).
    ///
    /// # Errors
    ///
    /// [`ReplicationError`].
    pub fn identify(&mut self) -> Result<SystemIdentity, ReplicationError> {
        let row = self.row("IDENTIFY_SYSTEM", About::Command)?;
        Ok(SystemIdentity {
            system_identifier: row.need(0, "the number of the cluster")?,
            timeline: row.need(1, "a timeline")?,
            flushed: row.need(2, "a position")?,
        })
    }

    /// Fetches the history file of a timeline (`TIMELINE_HISTORY`). Timeline 1
    /// has none.
    ///
    /// # Errors
    ///
    /// [`ReplicationError::Server`] with SQLSTATE 58P01 if there is none.
    pub fn timeline_history(
        &mut self,
        timeline: TimelineId,
    ) -> Result<TimelineHistory, ReplicationError> {
        let row = self.row(&format!("TIMELINE_HISTORY {timeline}"), About::Command)?;
        let name: String = row.need(0, "the name of a history file")?;
        // It is going to be the name of a file.
        if crate::wal::FileName::parse(&name) != Some(crate::wal::FileName::History(timeline)) {
            return Err(Malformed::value("the name of a history file", name.as_bytes()).into());
        }
        let content = row.bytes(1).map(|it| it.to_vec()).unwrap_or_default();
        Ok(TimelineHistory { name, content })
    }

    /// The first row of an answer.
    pub(super) fn row(&mut self, command: &str, about: About<'_>) -> Result<Row, ReplicationError> {
        let first = self.rows(command, about)?.into_iter().next();
        first.ok_or_else(|| Malformed::Cut { what: "an answer without rows" }.into())
    }

    pub(super) fn rows(
        &mut self,
        command: &str,
        about: About<'_>,
    ) -> Result<Vec<Row>, ReplicationError> {
        self.usable()?;
        let patience = self.for_answers();
        self.runtime.block_on(self.wire.rows(command, about, patience))
    }

    pub(super) fn usable(&self) -> Result<(), ReplicationError> {
        match self.broken() {
            Some(why) => Err(ReplicationError::Lost(why.to_owned())),
            None => Ok(()),
        }
    }

    pub(super) fn for_answers(&self) -> Patience {
        Patience { limit: self.patience, during: "it was to answer" }
    }

    pub(super) fn needs(
        &self,
        major: u32,
        what: &'static str,
        needs: &'static str,
    ) -> Result<(), ReplicationError> {
        if self.version.major() >= major {
            return Ok(());
        }
        Err(ReplicationError::Version { what, needs, found: self.version })
    }
}

impl Drop for ReplicationConnection {
    fn drop(&mut self) {
        if self.broken().is_none() && Handle::try_current().is_err() {
            let _inside = self.runtime.enter();
            self.wire.terminate();
        }
    }
}

impl fmt::Debug for ReplicationConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicationConnection")
            .field("host", &self.peer.host.to_string())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
