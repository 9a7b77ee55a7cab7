//! `hayloft pg check`, `pg status` and `pg server grant-sql` by the whole
//! program, with real servers.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

#[path = "pg_check/setting.rs"]
mod setting;

#[path = "pg_check/archive.rs"]
mod archive;
#[path = "pg_check/grants.rs"]
mod grants;
#[path = "pg_check/hanging.rs"]
mod hanging;
#[path = "pg_check/lines.rs"]
mod lines;
#[path = "pg_check/standby.rs"]
mod standby;
#[path = "pg_check/status.rs"]
mod status;
#[path = "pg_check/usage.rs"]
mod usage;
