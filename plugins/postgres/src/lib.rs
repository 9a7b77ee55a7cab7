//! PostgreSQL from outside: what backup and administration programs need to
//! know of its files, its server and its protocol.
//!
//! | module | subject |
//! |---|---|
//! | [`check`] | every condition that backups need, judged |
//! | [`cluster`] | clusters and their servers: making, starting, stopping, dropping |
//! | [`conf`] | `postgresql.conf` and what it includes: reading, checking, editing |
//! | [`connection`] | sessions with a server, from plain threads |
//! | [`conninfo`] | connection strings, as libpq reads them |
//! | [`error`] | the kinds of errors that all modules share |
//! | [`mod@file`] | replacing a file whole, and only if nobody else changed it |
//! | [`files`] | files of a data directory: what a backup leaves out, names of relations |
//! | [`hba`] | `pg_hba.conf`: rules, editing, which one decides |
//! | [`ident`] | `pg_ident.conf`: mappings of users, editing |
//! | [`page`] | pages of relations and their checksums |
//! | [`receive`] | receiving WAL into a directory, for ever |
//! | [`replication`] | base backups and streams of WAL, by the protocol |
//! | [`roles`] | the rights that a role needs for backups |
//! | [`tree`] | files that include one another |
//! | [`server`] | what a server says of itself, and what a backup asks of it |
//! | [`snapshot`] | the session around a snapshot of a server's files |
//! | [`version`] | versions of servers, and names that changed with them |
//! | [`wal`] | positions, timelines, segments, and the names of WAL files |
//!
//! PostgreSQL 13 to 18. The crate runs on Unix; nothing in it prints, and
//! nothing reads the environment unless it says so.

mod auth;
pub mod check;
pub mod cluster;
pub mod conf;
pub mod connection;
pub mod conninfo;
mod diff;
pub mod error;
pub mod file;
pub mod files;
pub mod hba;
pub mod ident;
pub mod page;
pub mod receive;
pub mod replication;
pub mod roles;
pub mod server;
pub mod snapshot;
pub mod tree;
pub mod version;
pub mod wal;

pub use error::{ErrorKind, Failure};

/// The examples in the guide must work.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
