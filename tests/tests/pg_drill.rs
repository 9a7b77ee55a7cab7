//! `hayloft pg drill`, with real servers that have everything about them that
//! makes naive drills dangerous, or blind.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

#[path = "pg_drill/blind.rs"]
mod blind;
#[path = "pg_drill/dangers.rs"]
mod dangers;
#[path = "pg_wal/ground.rs"]
#[expect(dead_code, reason = "some of it is for other tests")]
mod ground;
#[path = "pg_drill/hazards.rs"]
mod hazards;
#[path = "pg_drill/reports.rs"]
mod reports;
#[path = "pg_drill/setting.rs"]
mod setting;
