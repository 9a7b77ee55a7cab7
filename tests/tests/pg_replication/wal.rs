//! Streams of WAL, compared with the server's own files.

use std::{
    fs,
    time::{Duration, Instant},
};

use hayloft_postgres::{
    replication::{
        Progress, ReplicationConnection, ReplicationError, SlotOptions, SlotState, WalEvent,
        WalStream, WalStreamOptions,
    },
    wal::{Lsn, SegmentName, SegmentSize, TimelineId},
};
use hayloft_tests::postgres::{Postgres, installed_versions};

use super::connect;

const SIZE: SegmentSize = SegmentSize::DEFAULT;

/// Makes WAL, and returns up to where.
pub(crate) fn make_wal(server: &Postgres, rows: u32) -> Lsn {
    server.sql("postgres", "CREATE TABLE IF NOT EXISTS w (i int, t text)");
    let fill =
        format!("INSERT INTO w SELECT i, repeat('w', 90) FROM generate_series(1, {rows}) AS i");
    server.sql("postgres", &fill);
    server.sql("postgres", "SELECT pg_switch_wal()");
    server.sql("postgres", "SELECT pg_current_wal_flush_lsn()").parse().unwrap()
}

/// The start of the segment with a position.
pub(crate) fn segment_start(lsn: Lsn) -> Lsn {
    Lsn::new(lsn.bytes() / SIZE.bytes() * SIZE.bytes())
}

/// Receives WAL up to a position.
pub(crate) fn receive_to(stream: &mut WalStream<'_>, end: Lsn) -> Vec<u8> {
    let (mut all, began) = (Vec::new(), Instant::now());
    while stream.position() < end {
        assert!(began.elapsed() < Duration::from_mins(1), "only to {}", stream.position());
        if let Some(WalEvent::Data { data, .. }) =
            stream.next_within(Duration::from_secs(1)).unwrap()
        {
            all.extend_from_slice(&data);
        }
    }
    all
}

/// Compares with the files in the server's `pg_wal`.
pub(crate) fn compare(server: &Postgres, start: Lsn, timeline: TimelineId, received: &[u8]) {
    assert!(!received.is_empty());
    let mut at = start;
    for piece in received.chunks(usize::try_from(SIZE.bytes()).unwrap()) {
        let name = SegmentName::containing(at, timeline, SIZE).to_string();
        let file = fs::read(server.data_dir().join("pg_wal").join(&name)).unwrap();
        assert!(file[..piece.len()] == *piece, "{name} differs");
        at = at.checked_add(piece.len() as u64).unwrap();
    }
}

#[test]
fn wal_comes_byte_by_byte_as_it_is_in_the_files() {
    for programs in installed_versions() {
        let server = Postgres::options().programs(&programs).start();
        let mut connection = connect(&server);
        connection.create_slot("s", SlotOptions { temporary: false, reserve_wal: true }).unwrap();
        let identity = connection.identify().unwrap();
        let start = segment_start(identity.flushed);
        let end = make_wal(&server, 200_000);
        let options = WalStreamOptions::new(start, identity.timeline).slot("s");
        let mut stream = connection.stream_wal(&options).unwrap();
        let mut received = receive_to(&mut stream, end);
        // What is made while it runs.
        let end = make_wal(&server, 10_000);
        received.extend(receive_to(&mut stream, end));
        stream.stop().unwrap();
        compare(&server, start, identity.timeline, &received);
        assert!(received.len() > 32 << 20, "{}", received.len());
        // The connection goes on, and so does a stream.
        let options = WalStreamOptions::new(end, identity.timeline).slot("s");
        connection.stream_wal(&options).unwrap().stop().unwrap();
        connection.identify().unwrap();
    }
}

fn kept(server: &Postgres) -> SlotState {
    connect(server).read_slot("s").unwrap()
}

fn restart_of(state: SlotState) -> Option<Lsn> {
    match state {
        SlotState::Physical(slot) => slot.restart,
        SlotState::Missing => panic!("no slot"),
    }
}

#[test]
fn nothing_is_claimed_that_was_not_said() {
    let server = Postgres::start();
    let mut connection = connect(&server);
    connection.create_slot("s", SlotOptions { temporary: false, reserve_wal: true }).unwrap();
    let before = restart_of(kept(&server)).unwrap();
    let start = segment_start(connection.identify().unwrap().flushed);
    let end = make_wal(&server, 50_000);
    let mut options = WalStreamOptions::new(start, TimelineId::FIRST).slot("s");
    options.status_interval = Duration::from_millis(50);
    let mut stream = connection.stream_wal(&options).unwrap();
    receive_to(&mut stream, end);
    // Many statuses go out meanwhile.
    while stream.next_within(Duration::from_millis(500)).unwrap().is_some() {}
    assert_eq!(restart_of(kept(&server)), Some(before));
    let seen = "SELECT coalesce(flush_lsn::text, 'nothing') FROM pg_stat_replication WHERE state = 'streaming'";
    assert_eq!(server.sql("postgres", seen), "nothing");

    let beyond = Progress::flushed_to(end.checked_add(1 << 30).unwrap());
    assert!(matches!(stream.report(beyond, true), Err(ReplicationError::Invalid { .. })));
    stream.report(Progress::flushed_to(end), true).unwrap();
    stream.report(Progress::flushed_to(start), true).unwrap();
    let began = Instant::now();
    while restart_of(kept(&server)) != Some(end) {
        assert!(began.elapsed() < Duration::from_secs(20));
        stream.next_within(Duration::from_millis(50)).unwrap();
    }
    assert_eq!(server.sql("postgres", seen), end.to_string());
}

#[test]
fn an_idle_server_is_asked_and_not_given_up() {
    let server = Postgres::options().setting("wal_sender_timeout", "0").start();
    let mut connection = connect(&server);
    let at = connection.identify().unwrap();
    let mut options = WalStreamOptions::new(at.flushed, at.timeline);
    options.patience = Some(Duration::from_secs(1));
    let mut stream = connection.stream_wal(&options).unwrap();
    let (mut signs, began) = (0, Instant::now());
    while began.elapsed() < Duration::from_secs(4) {
        if let Some(WalEvent::Keepalive { .. }) =
            stream.next_within(Duration::from_secs(1)).unwrap()
        {
            signs += 1;
        }
    }
    assert!((3..40).contains(&signs), "{signs}");
    stream.stop().unwrap();
}

/// Why there is no such stream; some servers say it at once, some later.
#[test]
fn a_slow_consumer_is_not_taken_for_a_silent_server() {
    let server = Postgres::options().setting("wal_sender_timeout", "0").start();
    let mut connection = connect(&server);
    let identity = connection.identify().unwrap();
    let start = segment_start(identity.flushed);
    let mut options = WalStreamOptions::new(start, identity.timeline);
    options.patience = Some(Duration::from_secs(1));
    let mut stream = connection.stream_wal(&options).unwrap();
    receive_to(&mut stream, identity.flushed);
    // Away for longer than the patience: once nothing comes meanwhile, once
    // WAL does, which waits in the socket.
    for rows in [0, 1000] {
        let end = if rows == 0 { stream.position() } else { make_wal(&server, rows) };
        std::thread::sleep(Duration::from_secs(3));
        receive_to(&mut stream, end);
        stream.next_within(Duration::from_millis(1)).unwrap();
    }
    stream.stop().unwrap();
}

fn refused(connection: &mut ReplicationConnection, options: &WalStreamOptions) -> ReplicationError {
    let error = match connection.stream_wal(options) {
        Ok(mut stream) => stream.next().unwrap_err(),
        Err(error) => error,
    };
    connection.identify().unwrap();
    error
}

#[test]
fn what_the_server_does_not_have_is_told_apart() {
    let server =
        Postgres::options().setting("max_wal_size", "32MB").setting("min_wal_size", "32MB").start();
    let mut connection = connect(&server);
    let at = connection.identify().unwrap();
    let ahead = at.flushed.checked_add(1 << 32).unwrap();
    let error = refused(&mut connection, &WalStreamOptions::new(ahead, at.timeline));
    assert!(matches!(error, ReplicationError::Position(_)), "{error:?}");
    let other = TimelineId::new(9).unwrap();
    let error = refused(&mut connection, &WalStreamOptions::new(at.flushed, other));
    assert!(matches!(error, ReplicationError::Position(_)), "{error:?}");
    let options = WalStreamOptions::new(at.flushed, at.timeline).slot("nope");
    let error = refused(&mut connection, &options);
    assert!(matches!(error, ReplicationError::NoSlot { .. }), "{error:?}");

    for _ in 0..6 {
        make_wal(&server, 1000);
        server.sql("postgres", "CHECKPOINT");
    }
    let old = WalStreamOptions::new(segment_start(at.flushed), at.timeline);
    match &refused(&mut connection, &old) {
        ReplicationError::WalRemoved { segment, .. } => {
            let name = SegmentName::containing(at.flushed, at.timeline, SIZE);
            assert_eq!(segment.as_deref(), Some(name.to_string().as_str()));
        }
        other => panic!("{other:?}"),
    }
}
