//! `hayloft pg list`, `show`, `keep`, `delete` and `expire`.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

#[path = "pg_catalogue/barman.rs"]
mod barman;
#[path = "pg_catalogue/cloud.rs"]
mod cloud;
#[path = "pg_catalogue/deletion.rs"]
mod deletion;
#[path = "pg_catalogue/every_change.rs"]
mod every_change;
#[path = "pg_catalogue/expiry.rs"]
mod expiry;
#[path = "pg_catalogue/faults.rs"]
mod faults;
#[path = "pg_catalogue/lists.rs"]
mod lists;
#[path = "pg_catalogue/locked.rs"]
mod locked;
#[path = "object_store/outages.rs"]
mod outages;
#[path = "pg_catalogue/setting.rs"]
mod setting;
