//! The replication protocol with real servers, and with false ones.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "pg_connection/certificates.rs"]
mod certificates;

#[path = "pg_replication/base_backup.rs"]
mod base_backup;
#[path = "pg_replication/commands.rs"]
mod commands;
#[path = "pg_replication/faults.rs"]
mod faults;
#[path = "pg_replication/incremental.rs"]
mod incremental;
#[path = "pg_replication/login.rs"]
mod login;
#[path = "pg_replication/received.rs"]
mod received;
#[path = "pg_replication/timelines.rs"]
mod timelines;
#[path = "pg_replication/wal.rs"]
mod wal;

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use hayloft_postgres::{
    conninfo::{Conninfo, Environment, Target},
    replication::{ReplicationConnection, ReplicationError},
};
use hayloft_tests::postgres::Postgres;

fn target(conninfo: &str) -> Target {
    let conninfo = conninfo.parse::<Conninfo>().unwrap().for_streaming();
    conninfo.resolve(&Environment::empty()).unwrap()
}

fn open(conninfo: &str) -> Result<ReplicationConnection, ReplicationError> {
    ReplicationConnection::open(&target(conninfo))
}

/// A connection through the socket.
fn connect(server: &Postgres) -> ReplicationConnection {
    let directory = server.socket_dir();
    open(&format!("host={} port={} user=postgres", directory.display(), server.port())).unwrap()
}

/// Gives a file or directory to whom the server runs as.
fn give(server: &Postgres, path: &Path) {
    let owner = fs::metadata(server.data_dir()).unwrap();
    std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

/// Makes a tablespace with a table in it.
fn make_tablespace(server: &Postgres, name: &str) {
    let directory = server.directory().join(name);
    fs::create_dir(&directory).unwrap();
    give(server, &directory);
    let place = directory.display();
    server.sql("postgres", &format!("CREATE TABLESPACE {name} LOCATION '{place}'"));
    let fill = "SELECT i, repeat('x', 100) AS t FROM generate_series(1, 5000) AS i";
    server.sql("postgres", &format!("CREATE TABLE in_{name} TABLESPACE {name} AS {fill}"));
}
