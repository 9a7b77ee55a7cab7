//! A server that hangs costs its time, and nobody else's.

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use hayloft_tests::postgres::Postgres;

use super::setting::{configured, element, pg};

const LIMITED: &str = "<check_timeout>2s</check_timeout><streaming_archiver>Y</streaming_archiver>";

/// A server whose first process is stopped; it could not be ended then.
struct Frozen(String);

impl Frozen {
    fn new(server: &Postgres) -> Self {
        let it = Self(server.server_pid().to_string());
        it.signal("-STOP");
        it
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.0]).status().unwrap().success());
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[test]
fn a_server_that_hangs_costs_its_time_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let frozen = Postgres::start();
    let good = Postgres::options().setting("full_page_writes", "on").start();
    let silent = format!("<conninfo>host=127.0.0.1 port={port} user=x</conninfo>{LIMITED}");
    let sandbox = configured(&[
        ("silent", &silent),
        ("frozen", &format!("{}{LIMITED}", element(&frozen, "postgres"))),
        ("good", &format!("{}{LIMITED}", element(&good, "postgres"))),
        ("silent2", &silent),
    ]);
    let _frozen = Frozen::new(&frozen);
    for command in ["check", "status"] {
        let began = Instant::now();
        let output = pg(&sandbox, &[command]).exits(1);
        let took = began.elapsed();
        output.says("did not answer within 2 s").says("good");
        assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
    }
    let output = pg(&sandbox, &["check", "--nagios"]).exits(2);
    for server in ["silent: ", "frozen: ", "silent2: "] {
        output.says(server);
    }
    assert!(output.stdout.contains("good=0"), "{output}");
}

#[test]
fn a_query_that_hangs_is_ended_too() {
    // The answer never comes: a lock on a catalogue that every status reads.
    let server = Postgres::start();
    let mut blocker = server.command("psql");
    blocker.env("PGDATABASE", "postgres").args(["-XAtqc"]).arg(
        "BEGIN; LOCK TABLE pg_catalog.pg_tablespace IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)",
    );
    let mut blocker = blocker.spawn().unwrap();
    let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'pg_tablespace'::regclass AND granted \
                  AND mode = 'AccessExclusiveLock'";
    while server.sql("postgres", locked) == "0" {
        std::thread::sleep(Duration::from_millis(50));
    }
    let elements = format!("{}{LIMITED}", element(&server, "postgres"));
    let sandbox = configured(&[("main", &elements)]);
    let began = Instant::now();
    pg(&sandbox, &["check"]).exits(1).says("did not answer within");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    blocker.kill().unwrap();
    blocker.wait().unwrap();
}

#[test]
fn nobody_there_is_said_at_once() {
    let server = Postgres::start();
    let elements = element(&server, "postgres");
    drop(server);
    let sandbox = configured(&[("main", &elements)]);
    let began = Instant::now();
    let output = pg(&sandbox, &["check"]).exits(1);
    output.says("cannot connect to PostgreSQL").says("check that the server runs");
    pg(&sandbox, &["status"]).exits(1).says("cannot connect to PostgreSQL");
    assert!(began.elapsed() < Duration::from_secs(5));
}
