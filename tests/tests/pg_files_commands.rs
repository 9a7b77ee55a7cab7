//! `hayloft pg conf`, `pg hba` and `pg ident` by the whole program, on files
//! and with real servers.

#[path = "pg_files_commands/setting.rs"]
mod setting;

#[path = "pg_files_commands/access.rs"]
mod access;
#[path = "pg_files_commands/conf.rs"]
mod conf;
#[path = "pg_files_commands/effective.rs"]
mod effective;
#[path = "pg_files_commands/places.rs"]
mod places;
#[path = "pg_files_commands/server.rs"]
mod server;
