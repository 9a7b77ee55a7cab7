//! Several hosts, and those that do not answer.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use hayloft_postgres::{
    connection::ConnectProblem,
    error::{ErrorKind, Failure},
};
use hayloft_tests::postgres::Postgres;

use super::{answer, certificates::Authority, open, refused};

/// A port that nobody listens at.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_first_host_that_will_do_is_taken() {
    let writable = Postgres::options().tcp().start();
    let read_only =
        Postgres::options().tcp().setting("default_transaction_read_only", "on").start();
    let (dead, rw, ro) = (closed_port(), writable.port(), read_only.port());
    let try_attrs = |ports: &str, attrs: &str| {
        let hosts = vec!["127.0.0.1"; ports.split(',').count()].join(",");
        let conninfo =
            format!("host={hosts} port={ports} user=postgres target_session_attrs={attrs}");
        open(&conninfo).map(|it| it.host().port)
    };
    let cases = [
        (format!("{dead},{rw}"), "any", Some(rw)),
        (format!("{ro},{rw}"), "any", Some(ro)),
        (format!("{ro},{dead},{rw}"), "read-write", Some(rw)),
        (format!("{rw},{ro}"), "read-only", Some(ro)),
        (format!("{dead},{rw}"), "primary", Some(rw)),
        (format!("{rw},{ro}"), "standby", None),
        (format!("{rw},{ro}"), "prefer-standby", Some(rw)),
        (format!("{ro}"), "read-write", None),
    ];
    for (ports, attrs, port) in cases {
        assert_eq!(try_attrs(&ports, attrs).ok(), port, "{ports} {attrs}");
    }
    let error = try_attrs(&format!("{dead},{ro}"), "read-write").unwrap_err();
    assert_eq!(error.attempts.len(), 2);
    let text = error.to_string();
    assert!(text.contains("cannot reach") && text.contains("is read-only"), "{text}");
}

#[test]
fn a_host_that_cannot_prove_who_it_is_ends_it() {
    let (plain, encrypted) = (Postgres::options().tcp().start(), Postgres::options().tcp().start());
    let (authority, other) = (Authority::new(), Authority::new());
    authority.sign("server", "/CN=x", "subjectAltName = IP:127.0.0.1", "3");
    authority.install(&encrypted, "server");
    let hosts = |ports: &str, root: &Authority, mode: &str| {
        let root = root.path("ca.crt");
        let root = root.display();
        format!(
            "host=127.0.0.1,127.0.0.1 port={ports} user=postgres sslmode={mode} sslrootcert={root}"
        )
    };
    let (first, second) = (plain.port(), encrypted.port());
    let text = refused(&hosts(&format!("{first},{second}"), &authority, "require"));
    assert!(text.contains("does not support encryption"), "{text}");
    let text = refused(&hosts(&format!("{second},{first}"), &other, "verify-full"));
    assert!(text.contains("not signed by an authority"), "{text}");
    let open = open(&hosts(&format!("{first},{second}"), &other, "prefer")).unwrap();
    assert_eq!(open.host().port, first);
}

#[test]
fn a_host_that_closes_the_connection_is_passed_over() {
    let closing = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closing.local_addr().unwrap().port();
    // Ends with the process.
    std::thread::spawn(move || closing.incoming().for_each(drop));
    let server = Postgres::options().tcp().start();
    for mode in ["disable", "prefer"] {
        let conninfo = format!(
            "host=127.0.0.1,127.0.0.1 port={port},{} user=postgres sslmode={mode}",
            server.port()
        );
        assert_eq!(open(&conninfo).unwrap().host().port, server.port(), "{mode}");
    }
}

#[test]
fn a_host_that_refuses_the_role_ends_it() {
    let (first, second) = (Postgres::options().tcp().start(), Postgres::options().tcp().start());
    second.sql("postgres", "CREATE ROLE ann LOGIN");
    let conninfo = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=ann dbname=postgres",
        first.port(),
        second.port()
    );
    let text = refused(&conninfo);
    assert!(text.contains("role \"ann\" does not exist"), "{text}");
}

#[test]
fn all_of_several_hosts_are_taken_in_turn_when_load_is_balanced() {
    let (first, second) = (Postgres::options().tcp().start(), Postgres::options().tcp().start());
    let conninfo = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=postgres load_balance_hosts=random",
        first.port(),
        second.port()
    );
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        seen.insert(open(&conninfo).unwrap().host().port);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_host_that_says_nothing_costs_its_time_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let server = Postgres::options().tcp().start();
    for mode in ["disable", "require"] {
        let began = Instant::now();
        let conninfo =
            format!("host=127.0.0.1 port={port} user=x sslmode={mode} connect_timeout=2");
        let error = open(&conninfo).unwrap_err();
        assert!(matches!(error.problem(), ConnectProblem::TimedOut(_)), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(10), "{took:?}");
    }
    let conninfo = format!(
        "host=127.0.0.1,127.0.0.1 port={port},{} user=postgres connect_timeout=2",
        server.port()
    );
    assert_eq!(open(&conninfo).unwrap().host().port, server.port());
}

#[test]
fn nobody_there_and_no_such_name_are_told_apart() {
    let text = refused(&format!("host=127.0.0.1 port={} user=x", closed_port()));
    assert!(text.contains("cannot reach the server"), "{text}");
    let text = refused("host=nowhere.invalid user=x");
    assert!(text.contains("cannot find the host"), "{text}");
    let text = refused("host=/nonexistent/dir user=x");
    assert!(text.contains("/nonexistent/dir/.s.PGSQL.5432"), "{text}");
}

#[test]
fn sockets_without_a_file_are_reached() {
    let name = format!("hayloft-{}", std::process::id());
    let server =
        Postgres::options().setting("unix_socket_directories", &format!("@{name}")).start();
    let conninfo =
        format!("host=@{name} port={} user=postgres application_name=abc", server.port());
    let connection = open(&conninfo).unwrap();
    assert_eq!(answer(&connection, "SELECT current_setting('application_name')"), "abc");
}
