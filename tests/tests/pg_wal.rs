//! `hayloft pg wal` by the whole program: with real servers that archive and
//! replay, and with everything going wrong that can.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "pg_wal/ground.rs"]
mod ground;

#[path = "pg_wal/archiving.rs"]
mod archiving;
#[path = "pg_wal/barman.rs"]
mod barman;
#[path = "pg_wal/clock.rs"]
mod clock;
#[path = "pg_wal/cloud.rs"]
mod cloud;
#[path = "pg_wal/delete.rs"]
mod delete;
#[path = "pg_wal/drain.rs"]
mod drain;
#[path = "pg_wal/exit_codes.rs"]
mod exit_codes;
#[path = "pg_wal/faults.rs"]
mod faults;
#[path = "pg_wal/gaps.rs"]
mod gaps;
#[path = "pg_wal/get.rs"]
mod get;
#[path = "pg_wal/gpg.rs"]
mod gpg;
#[path = "pg_wal/hooks.rs"]
mod hooks;
#[path = "pg_wal/killed.rs"]
mod killed;
#[path = "pg_wal/list.rs"]
mod list;
#[path = "pg_wal/push.rs"]
mod push;
#[path = "pg_wal/segments.rs"]
mod segments;
#[path = "pg_wal/standby.rs"]
mod standby;
#[path = "pg_wal/verify.rs"]
mod verify;
#[path = "pg_wal/walk.rs"]
mod walk;
