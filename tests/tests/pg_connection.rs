//! Connections of the library to real servers: encryption, several hosts,
//! time limits, sessions that die.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "pg_connection/certificates.rs"]
mod certificates;

#[path = "pg_connection/authentication.rs"]
mod authentication;
#[path = "pg_connection/authority.rs"]
mod authority;
#[path = "pg_connection/encryption.rs"]
mod encryption;
#[path = "pg_connection/hosts.rs"]
mod hosts;
#[path = "pg_connection/sessions.rs"]
mod sessions;

use hayloft_postgres::{
    connection::{ConnectError, Connection},
    conninfo::{Conninfo, Environment},
};
use hayloft_tests::postgres::Postgres;

/// The password of servers that demand one.
const PASSWORD: &str = "it's: a \\s3cret";

/// Opens a session with what the string says, and nothing else.
fn open(conninfo: &str) -> Result<Connection, ConnectError> {
    open_in(conninfo, &Environment::empty())
}

fn open_in(conninfo: &str, environment: &Environment) -> Result<Connection, ConnectError> {
    let target = conninfo.parse::<Conninfo>().unwrap().resolve(environment).unwrap();
    Connection::open(&target)
}

/// Why there is no session: the message with its causes.
fn refused(conninfo: &str) -> String {
    match open(conninfo) {
        Ok(_) => panic!("{conninfo} is accepted"),
        Err(error) => {
            let text = format!("{error}: {}", error.problem());
            assert!(!text.contains("s3cret"), "{text}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
            text
        }
    }
}

/// Replaces `pg_hba.conf`.
fn set_hba(server: &Postgres, lines: &str) {
    std::fs::write(server.data_dir().join("pg_hba.conf"), lines).unwrap();
    server.reload();
}

fn answer(connection: &Connection, sql: &str) -> String {
    connection.query(sql, &[]).unwrap()[0].get(0)
}
