//! The replication protocol: base backups and streams of WAL, without the
//! programs of PostgreSQL.
//!
//! [`ReplicationConnection`] opens a connection of physical replication and
//! runs its commands. It is used from a plain thread, which also does the
//! work: no bytes are handed from thread to thread, and none are copied on
//! their way from the socket's buffer to the caller.
//!
//! ```no_run
//! use hayloft_postgres::{
//!     conninfo::{Conninfo, Environment},
//!     replication::{BackupEvent, BaseBackupOptions, ReplicationConnection},
//! };
//!
//! let conninfo: Conninfo = "host=db user=hayloft sslmode=verify-full".parse()?;
//! let target = conninfo.for_streaming().resolve(&Environment::of_process())?;
//! let mut connection = ReplicationConnection::open(&target)?;
//! let mut archive = None;
//! for event in connection.base_backup(&BaseBackupOptions::default())? {
//!     match event? {
//!         BackupEvent::Archive { name, .. } => archive = Some(std::fs::File::create_new(name)?),
//!         BackupEvent::Data(data) => {
//!             if let Some(file) = &mut archive {
//!                 std::io::Write::write_all(file, &data)?;
//!             }
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Commands
//!
//! | command | method | since |
//! |---|---|---|
//! | `IDENTIFY_SYSTEM` | [`identify`](ReplicationConnection::identify) | |
//! | `SHOW` | [`show`](ReplicationConnection::show) | |
//! | `TIMELINE_HISTORY` | [`timeline_history`](ReplicationConnection::timeline_history) | |
//! | `CREATE_REPLICATION_SLOT … PHYSICAL` | [`create_slot`](ReplicationConnection::create_slot) | |
//! | `DROP_REPLICATION_SLOT` | [`drop_slot`](ReplicationConnection::drop_slot) | |
//! | `READ_REPLICATION_SLOT` | [`read_slot`](ReplicationConnection::read_slot) | 15 |
//! | `BASE_BACKUP` | [`base_backup`](ReplicationConnection::base_backup) | |
//! | … with compression | [`BaseBackupOptions::compression`] | 15 |
//! | `UPLOAD_MANIFEST`, … `INCREMENTAL` | [`upload_manifest`](ReplicationConnection::upload_manifest) | 17 |
//! | `START_REPLICATION … PHYSICAL` | [`stream_wal`](ReplicationConnection::stream_wal) | |
//!
//! Base backups of 13 and 14 come as the same events as those of later
//! servers, and the archives end as tar archives do, which those servers leave
//! to the client.
//!
//! # Privileges
//!
//! Every command needs a role with `REPLICATION`, or a superuser; a line for
//! the "database" `replication` in `pg_hba.conf`; a free one of the server's
//! `max_wal_senders`; and `wal_level` `replica` or higher. See [`crate::roles`].
//!
//! # Errors
//!
//! [`ReplicationError`] has one variant for each thing that can be done about
//! it; what the server says is told apart by its SQLSTATE and by names of
//! settings, never by its words, which may be in any language. After most
//! refusals the connection can still be used; [`broken`] tells. No message
//! contains a secret.
//!
//! [`broken`]: ReplicationConnection::broken
//!
//! # Why not an existing crate
//!
//! `tokio-postgres` 0.7 knows neither the `replication` parameter nor
//! `CopyBoth`. `pgwire-replication` 0.5 speaks logical replication only.
//! `pg_walstream` 0.10 does speak physical replication, but hands out copied
//! data as unparsed bytes, knows base backups from 15 on only, and opens its
//! connections itself: with other rules for connection strings, password
//! files, certificates and hosts than everything else here. So startup
//! messages, SCRAM and the messages of the client are those of
//! `postgres-protocol`, connections are those of [`crate::connection`], and
//! what a server sends is read by [`protocol`].
//!
//! # Sources
//!
//! PostgreSQL's documentation: "Frontend/Backend Protocol" ("Message Flow",
//! "SASL Authentication", "Streaming Replication Protocol", "Message
//! Formats"), for 13 to 18, and what servers of these versions send.

mod base_backup;
mod cancel;
mod command;
mod error;
pub mod protocol;
mod session;
mod slot;
mod startup;
mod stop;
mod wal_stream;
mod wire;

pub use self::{
    base_backup::{
        BackupEvent, BaseBackup, BaseBackupOptions, Compression, CompressionMethod,
        ManifestChecksums, Tablespace,
    },
    cancel::Canceller,
    error::ReplicationError,
    protocol::{Malformed, Progress},
    session::{ReplicationConnection, SystemIdentity, TimelineHistory},
    slot::{PhysicalSlot, SlotOptions, SlotState},
    wal_stream::{WalEvent, WalStream, WalStreamOptions},
};
