//! Dumps PostgreSQL databases with `pg_dump` and `pg_dumpall`.
//!
//! ```xml
//! <postgresql>
//!   <compress_mode>zstd</compress_mode>
//!   <all>Y</all>
//! </postgresql>
//! ```
//!
//! A section of Cedar Backup's means what it meant there; `README.md` tells
//! what else can be said.

mod action;
mod arguments;
mod context;
mod databases;
mod dump;
mod failure;
mod names;
mod pack;
mod password;
mod plan;
mod programs;
mod section;
mod settings;
mod watch;

pub use self::action::Postgresql;

hayloft_plugin_api::export_plugin! {
    id: "postgresql",
    description: "Dumps PostgreSQL databases with pg_dump and pg_dumpall",
    actions: [Postgresql as "postgresql" { section: "postgresql", phase: "collect" }],
}
