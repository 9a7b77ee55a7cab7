//! What a server says of itself, and what a backup asks of it.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

#[path = "pg_check/standby.rs"]
mod standby;

#[path = "pg_server/actions.rs"]
mod actions;
#[path = "pg_server/names.rs"]
mod names;
#[path = "pg_server/readings.rs"]
mod readings;
#[path = "pg_server/round_trip.rs"]
mod round_trip;
#[path = "pg_server/switching.rs"]
mod switching;

use hayloft_postgres::{
    connection::Connection,
    conninfo::{Conninfo, Environment},
    server::ServerStatus,
    version::ServerVersion,
};
use hayloft_tests::postgres::{Postgres, Programs, version};

/// Every version that is served.
fn all_versions() -> Vec<Programs> {
    (13..=18).map(version).collect()
}

fn connect(server: &Postgres, user: &str) -> Connection {
    connect_to(server, user, "postgres")
}

fn connect_to(server: &Postgres, user: &str, database: &str) -> Connection {
    let (directory, port) = (server.socket_dir(), server.port());
    let text = format!("host={} port={port} user={user} dbname={database}", directory.display());
    let target = text.parse::<Conninfo>().unwrap().resolve(&Environment::empty()).unwrap();
    Connection::open(&target).unwrap()
}

fn version_of(connection: &Connection) -> ServerVersion {
    *ServerStatus::read(connection, false).unwrap().version().value().unwrap()
}
