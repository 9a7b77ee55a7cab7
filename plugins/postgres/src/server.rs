//! What a server says of itself, and the few things that a backup asks of it.
//!
//! [`ServerStatus::read`] asks everything at once: all questions are sent before
//! the first answer is waited for, so a whole status costs one round trip.
//! Each is answered on its own; a right that is missing, or a thing
//! that this version or this role does not have, makes one [`Reading`] unknown
//! and harms no other.
//!
//! | reading | needs | PostgreSQL |
//! |---|---|---|
//! | version, role, privileges, positions, slots, archiver, tablespaces | to connect | 13 to 18 |
//! | settings that only some may see (`data_directory`, file names) | `pg_read_all_settings` | 13 to 18 |
//! | what replication clients have received | `pg_read_all_stats` | 13 to 18 |
//! | system identifier, timeline | `EXECUTE` on `pg_control_*()`, which everybody has unless it was taken away | 13 to 18 |
//! | size of everything | `pg_read_all_stats` | 13 to 18 |
//! | segments that wait to be archived, files in `pg_wal` | `pg_monitor` | 13 to 18 |

mod actions;
mod bytes;
mod clients;
mod databases;
mod reading;
mod settings;
mod standby_names;
mod status;
mod streaming;
mod switching;
mod wal_state;

pub use self::{
    actions::{BackupStart, BackupStopped, RestorePoint},
    clients::{ClientDetails, ClientKind, ReplicationClient},
    databases::{DatabaseName, databases},
    reading::{Reading, Why},
    settings::{Settings, setting},
    standby_names::standby_names,
    status::{Identity, Privileges, ServerStatus, Slot, Tablespace},
    streaming::{StreamingStatus, create_slot, drop_slot},
    switching::{Switched, Switching, while_switching},
    wal_state::{ArchiverStats, WalState},
};
