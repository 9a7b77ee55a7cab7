//! `hayloft pg snapshot`, `pgpre` and `pgpost` by the whole program, with real
//! servers, and with everything going wrong that can.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

#[path = "pg_snapshot/setting.rs"]
mod setting;

#[path = "pg_snapshot/archive.rs"]
mod archive;
#[path = "pg_snapshot/course.rs"]
mod course;
#[path = "pg_snapshot/detached.rs"]
mod detached;
#[path = "pg_snapshot/faults.rs"]
mod faults;
#[path = "pg_snapshot/run.rs"]
mod run;
#[path = "pg_snapshot/safe_backup.rs"]
mod safe_backup;
#[path = "pg_snapshot/standby.rs"]
mod standby;
