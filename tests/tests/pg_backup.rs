//! `hayloft pg backup` and `hayloft pg restore` by the whole program: real
//! servers are backed up under load, and what is restored is started.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

#[path = "pg_backup/ground.rs"]
mod ground;
#[path = "object_store/outages.rs"]
mod outages;
#[path = "pg_backup/restored.rs"]
mod restored;

#[path = "pg_backup/action.rs"]
mod action;
#[path = "pg_backup/alone.rs"]
mod alone;
#[path = "pg_backup/cloud.rs"]
mod cloud;
#[path = "pg_backup/content.rs"]
mod content;
#[path = "pg_backup/damage.rs"]
mod damage;
#[path = "pg_backup/encryption.rs"]
mod encryption;
#[path = "pg_backup/every_change.rs"]
mod every_change;
#[path = "pg_backup/faults.rs"]
mod faults;
#[path = "pg_backup/hooks.rs"]
mod hooks;
#[path = "pg_backup/import.rs"]
mod import;
#[path = "pg_backup/incremental.rs"]
mod incremental;
#[path = "pg_backup/load.rs"]
mod load;
#[path = "pg_backup/machines.rs"]
mod machines;
#[path = "pg_backup/object_store.rs"]
mod object_store;
#[path = "pg_backup/pace.rs"]
mod pace;
#[path = "pg_backup/refusals.rs"]
mod refusals;
#[path = "pg_backup/resumed.rs"]
mod resumed;
#[path = "pg_backup/standby.rs"]
mod standby;
#[path = "pg_backup/stopped.rs"]
mod stopped;
#[path = "pg_backup/stream.rs"]
mod stream;
#[path = "pg_backup/subscription.rs"]
mod subscription;
#[path = "pg_backup/targets.rs"]
mod targets;
#[path = "pg_backup/timelines.rs"]
mod timelines;
#[path = "pg_backup/verify.rs"]
mod verify;
#[path = "pg_backup/versions.rs"]
mod versions;
