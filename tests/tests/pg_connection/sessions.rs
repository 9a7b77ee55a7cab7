//! Queries that take too long, and sessions that die.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use hayloft_postgres::connection::{Connection, Heartbeat, QueryError};
use hayloft_tests::postgres::Postgres;

use super::{answer, open};

fn session(server: &Postgres) -> Connection {
    let directory = server.socket_dir();
    open(&format!("host={} port={} user=postgres", directory.display(), server.port())).unwrap()
}

#[test]
fn a_query_that_takes_too_long_is_cancelled_and_the_session_lives_on() {
    let server = Postgres::start();
    let connection = session(&server);
    connection.set_limit(Duration::from_millis(500));
    let began = Instant::now();
    let error = connection.execute("SELECT pg_sleep(60)").unwrap_err();
    assert!(matches!(error, QueryError::TimedOut(_)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(answer(&connection, "SELECT 'still here'"), "still here");
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%'";
    assert_eq!(server.sql("postgres", running), "1", "only this query itself");
}

#[test]
fn a_query_can_be_cancelled_from_another_thread() {
    let server = Postgres::start();
    let connection = Arc::new(session(&server));
    let other = Arc::clone(&connection);
    let thread = std::thread::spawn(move || other.execute("SELECT pg_sleep(60)"));
    let began = Instant::now();
    while !thread.is_finished() {
        connection.cancel().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    let error = thread.join().unwrap().unwrap_err();
    assert_eq!(error.refusal().unwrap().code, "57014", "{error}");
}

/// Asked, and waited for, so long.
fn beat(interval: Duration) -> Heartbeat {
    Heartbeat { interval, patience: interval }
}

/// Watches a session, lets something happen to it, and returns how long it
/// took until that was noticed, and what was said.
fn loss(
    connection: Connection,
    interval: Duration,
    happen: impl FnOnce(&Connection),
) -> (Duration, String) {
    let connection = Arc::new(connection);
    let (tell, told) = mpsc::channel();
    let guard = connection.guard(beat(interval), move |reason| drop(tell.send(reason.to_owned())));
    std::thread::sleep(interval + Duration::from_millis(100));
    assert!(!guard.lost().is_lost());
    guard.check().unwrap();
    happen(&connection);
    let began = Instant::now();
    let reason = told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(guard.lost().is_lost());
    assert!(guard.check().is_err());
    assert_eq!(guard.lost().reason().as_ref(), Some(&reason));
    (began.elapsed(), reason)
}

#[test]
fn a_session_that_is_terminated_is_noticed_at_once() {
    let server = Postgres::start();
    let connection = session(&server);
    let (took, reason) = loss(connection, Duration::from_secs(5), |connection| {
        let pid = answer(connection, "SELECT pg_backend_pid()::text");
        server.sql("postgres", &format!("SELECT pg_terminate_backend({pid})"));
    });
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(reason.contains("terminating connection"), "{reason}");
}

#[test]
fn a_server_that_dies_is_noticed_at_once() {
    let mut server = Postgres::start();
    let connection = session(&server);
    let (took, reason) = loss(connection, Duration::from_secs(5), |_| server.crash());
    assert!(took < Duration::from_secs(2), "{took:?} {reason}");
}

#[test]
fn a_server_that_is_frozen_is_noticed_within_twice_the_interval() {
    let server = Postgres::start();
    let connection = session(&server);
    let pid = answer(&connection, "SELECT pg_backend_pid()::text");
    let signal = |name: &str| {
        let killed = std::process::Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(killed.success());
    };
    let interval = Duration::from_millis(800);
    let (took, reason) = loss(connection, interval, |_| signal("-STOP"));
    signal("-CONT");
    assert!(took < interval * 4, "{took:?}");
    assert!(reason.contains("did not answer"), "{reason}");
}

#[test]
fn a_session_that_waits_for_a_long_query_is_not_lost() {
    let server = Postgres::start();
    let connection = Arc::new(session(&server));
    let guard = connection.guard(beat(Duration::from_millis(100)), |_| {});
    connection.execute("SELECT pg_sleep(1.5)").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    guard.check().unwrap();
    drop(guard);
    connection.ping(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_server_that_answers_late_is_not_dead() {
    let server = Postgres::start();
    let connection = Arc::new(session(&server));
    let pid = answer(&connection, "SELECT pg_backend_pid()::text");
    let signal = |name: &str| {
        let killed = std::process::Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(killed.success());
    };
    let interval = Duration::from_millis(50);
    let patience = Duration::from_mins(1);
    let guard = connection.guard(Heartbeat { interval, patience }, |_| {});
    signal("-STOP");
    // Longer than several intervals: it is asked, and does not answer.
    std::thread::sleep(interval * 20);
    let lost = guard.lost();
    signal("-CONT");
    assert!(!lost.is_lost(), "{:?}", lost.reason());
    assert_eq!(answer(&connection, "SELECT 'still here'"), "still here");
    guard.check().unwrap();
}
