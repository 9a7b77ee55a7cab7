//! `hayloft pg wal receive` with real servers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "pg_wal_receive/clock.rs"]
mod clock;
#[path = "pg_wal_receive/crashes.rs"]
mod crashes;
#[path = "pg_wal_receive/disk.rs"]
mod disk;
#[path = "pg_wal_receive/manager.rs"]
mod manager;
#[path = "pg_wal_receive/network.rs"]
mod network;
#[path = "pg_wal_receive/secrets.rs"]
mod secrets;
#[path = "pg_wal_receive/setting.rs"]
mod setting;
#[path = "pg_wal_receive/slots.rs"]
mod slots;
#[path = "pg_wal_receive/streaming.rs"]
mod streaming;
#[path = "pg_wal_receive/synchronous.rs"]
mod synchronous;
#[path = "pg_wal_receive/timelines.rs"]
mod timelines;
