//! `hayloft pg wal archive`, and the action `walarchive`, with real WAL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "pg_wal_archive/faults.rs"]
mod faults;
#[path = "pg_wal_archive/files.rs"]
mod files;
#[path = "pg_wal_archive/hooks.rs"]
mod hooks;
#[path = "pg_wal_archive/servers.rs"]
mod servers;
#[path = "pg_wal_archive/setting.rs"]
mod setting;
