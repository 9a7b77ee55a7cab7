//! Timelines that end, and the next ones.

use std::{
    fs,
    time::{Duration, Instant},
};

use hayloft_postgres::{
    replication::{WalEvent, WalStream, WalStreamOptions},
    wal::{History, TimelineId},
};
use hayloft_tests::postgres::{Postgres, Programs, installed_versions};

use super::{
    connect, give,
    wal::{compare, make_wal, segment_start},
};

/// A standby whose primary is gone.
pub(crate) fn lonely_standby(programs: &Programs) -> Postgres {
    let mut server = Postgres::options().programs(programs).setting("wal_keep_size", "1GB").start();
    make_wal(&server, 1000);
    server.stop();
    let signal = server.data_dir().join("standby.signal");
    fs::write(&signal, "").unwrap();
    give(&server, &signal);
    server.start_again();
    let began = Instant::now();
    while server.sql("postgres", "SELECT pg_is_in_recovery()") != "t" {
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    server
}

/// Follows a timeline to its end, and returns the bytes and the end.
fn to_the_end(mut stream: WalStream<'_>) -> (Vec<u8>, WalEvent) {
    let (mut all, began) = (Vec::new(), Instant::now());
    loop {
        assert!(began.elapsed() < Duration::from_mins(1));
        match stream.next_within(Duration::from_secs(1)).unwrap() {
            Some(WalEvent::Data { data, .. }) => all.extend_from_slice(&data),
            Some(end @ WalEvent::EndOfTimeline { .. }) => {
                assert!(stream.is_over());
                assert_eq!(stream.next().unwrap(), None);
                return (all, end);
            }
            Some(WalEvent::ServerStopped) => panic!("the server stopped"),
            _ => {}
        }
    }
}

#[test]
fn a_promotion_is_followed_onto_the_next_timeline() {
    for programs in installed_versions() {
        let server = lonely_standby(&programs);
        let mut connection = connect(&server);
        let at = connection.identify().unwrap();
        let start = segment_start(at.flushed);
        let stream = connection.stream_wal(&WalStreamOptions::new(start, at.timeline)).unwrap();
        let promote = "SELECT pg_promote()";
        assert_eq!(server.sql("postgres", promote), "t");
        let (received, end) = to_the_end(stream);
        let WalEvent::EndOfTimeline { next, switch } = end else { panic!("{end:?}") };
        assert_eq!(next, TimelineId::new(2).unwrap());
        assert_eq!(start.checked_add(received.len() as u64), Some(switch));

        let history = connection.timeline_history(next).unwrap();
        let file = server.data_dir().join("pg_wal/00000002.history");
        assert_eq!(
            (history.name.as_str(), history.content.clone()),
            ("00000002.history", fs::read(file).unwrap())
        );
        let parsed = History::parse(next, &history.content).unwrap();
        assert_eq!(parsed.span(TimelineId::FIRST).unwrap().1, Some(switch));

        let start = segment_start(switch);
        let end = make_wal(&server, 1000);
        let mut stream = connection.stream_wal(&WalStreamOptions::new(start, next)).unwrap();
        let received = super::wal::receive_to(&mut stream, end);
        compare(&server, start, next, &received);
        stream.stop().unwrap();

        // Nothing of the old timeline is left from just there on.
        let options = WalStreamOptions::new(switch, TimelineId::FIRST);
        let (nothing, end) = to_the_end(connection.stream_wal(&options).unwrap());
        assert!(nothing.is_empty());
        assert_eq!(end, WalEvent::EndOfTimeline { next, switch });
        connection.identify().unwrap();
    }
}
