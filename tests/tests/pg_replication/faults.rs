//! Servers that die, freeze or lie, and callers who want to stop.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use hayloft_postgres::{
    error::{ErrorKind, Failure},
    replication::{
        BackupEvent, BaseBackupOptions, Progress, ReplicationConnection, ReplicationError,
        WalEvent, WalStreamOptions,
    },
    wal::{Lsn, TimelineId},
};
use hayloft_tests::postgres::Postgres;
use rustix::process::{Pid, Signal, kill_process};

use super::{connect, open};

fn slow() -> BaseBackupOptions {
    BaseBackupOptions {
        fast_checkpoint: true,
        max_rate: Some(1024),
        ..BaseBackupOptions::default()
    }
}

/// Goes on until data comes.
fn until_data(backup: &mut impl Iterator<Item = Result<BackupEvent, ReplicationError>>) {
    while !matches!(backup.next().unwrap().unwrap(), BackupEvent::Data(_)) {}
}

#[test]
fn a_server_that_is_killed_ends_a_backup_and_a_stream() {
    let mut server = Postgres::start();
    let mut connection = connect(&server);
    let mut backup = connection.base_backup(&slow()).unwrap();
    until_data(&mut backup);
    server.crash();
    let error = backup.find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    assert!(backup.next().is_none());
    drop(backup);
    assert!(connection.broken().is_some());
    assert!(matches!(connection.identify(), Err(ReplicationError::Lost(_))));

    server.start_again();
    let mut connection = connect(&server);
    let at = connection.identify().unwrap();
    let mut stream =
        connection.stream_wal(&WalStreamOptions::new(at.flushed, at.timeline)).unwrap();
    server.crash();
    let error = loop {
        if let Err(error) = stream.next() {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
}

#[test]
fn a_server_that_shuts_down_waits_for_what_was_said_and_ends_the_stream() {
    let mut server = Postgres::start();
    let mut connection = connect(&server);
    let at = connection.identify().unwrap();
    let receiver = thread::spawn(move || {
        let options = WalStreamOptions::new(at.flushed, at.timeline);
        let mut stream = connection.stream_wal(&options).unwrap();
        loop {
            match stream.next().unwrap() {
                Some(WalEvent::ServerStopped) => return stream.position(),
                Some(_) => {
                    let position = stream.position();
                    stream.report(Progress::flushed_to(position), true).unwrap();
                }
                None => panic!("it ended before"),
            }
        }
    });
    thread::sleep(Duration::from_millis(300));
    server.stop();
    // The checkpoint of the shutdown is the last thing.
    assert!(receiver.join().unwrap() > at.flushed);
}

#[test]
fn a_frozen_server_is_given_up_after_the_patience() {
    let server = Postgres::start();
    let mut connection = connect(&server);
    let pid = Pid::from_raw(connection.server_process().cast_signed()).unwrap();
    let patience = Some(Duration::from_secs(1));
    let options = BaseBackupOptions { patience, ..slow() };
    let mut backup = connection.base_backup(&options).unwrap();
    until_data(&mut backup);
    kill_process(pid, Signal::STOP).unwrap();
    let began = Instant::now();
    let error = backup.find_map(Result::err).unwrap();
    kill_process(pid, Signal::CONT).unwrap();
    assert!(matches!(error, ReplicationError::TimedOut { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10));

    let mut connection = connect(&server);
    let pid = Pid::from_raw(connection.server_process().cast_signed()).unwrap();
    let at = connection.identify().unwrap();
    let options = WalStreamOptions { patience, ..WalStreamOptions::new(at.flushed, at.timeline) };
    let mut stream = connection.stream_wal(&options).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let error = loop {
        if let Err(error) = stream.next() {
            break error;
        }
    };
    kill_process(pid, Signal::CONT).unwrap();
    assert!(matches!(error, ReplicationError::TimedOut { .. }), "{error:?}");
}

#[test]
fn another_thread_can_stop_everything() {
    let server = Postgres::start();
    // Waiting for a checkpoint that takes its time.
    server.sql("postgres", "CREATE TABLE t AS SELECT generate_series(1, 300000) AS i");
    let mut connection = connect(&server);
    let canceller = connection.canceller();
    let waiting = thread::spawn(move || {
        let mut backup = connection.base_backup(&BaseBackupOptions::default()).unwrap();
        backup.find_map(Result::err)
    });
    thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished());
    canceller.cancel().unwrap();
    assert!(matches!(waiting.join().unwrap(), Some(ReplicationError::Cancelled)));
    let busy = "SELECT count(*) FROM pg_stat_replication";
    let began = Instant::now();
    while server.sql("postgres", busy) != "0" {
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    let mut connection = connect(&server);
    let canceller = connection.canceller();
    let sending = thread::spawn(move || {
        let mut backup = connection.base_backup(&slow()).unwrap();
        backup.find_map(Result::err)
    });
    thread::sleep(Duration::from_millis(500));
    canceller.stop();
    assert!(matches!(sending.join().unwrap(), Some(ReplicationError::Cancelled)));
}

#[test]
fn what_is_left_before_its_end_cannot_be_used_again() {
    let server = Postgres::start();
    let mut connection = connect(&server);
    let mut backup = connection.base_backup(&slow()).unwrap();
    until_data(&mut backup);
    drop(backup);
    assert!(connection.broken().unwrap().contains("before its end"));
    assert!(matches!(connection.identify(), Err(ReplicationError::Lost(_))));
}

/// A message.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

/// A server that lets everybody in, and answers the first command with this;
/// then it closes, or says nothing.
fn false_server(answer: Vec<u8>, closes: bool) -> ReplicationConnection {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        read_message(&mut client, false);
        let hello = [
            message(b'R', &[0; 4]),
            message(b'S', b"server_version\x0015.0\0"),
            message(b'K', &[0; 8]),
            message(b'Z', b"I"),
        ];
        client.write_all(&hello.concat()).unwrap();
        read_message(&mut client, true);
        let _ = client.write_all(&answer);
        if !closes {
            let _ = client.read(&mut [0; 1000]);
            thread::sleep(Duration::from_secs(30));
        }
    });
    let mut connection =
        open(&format!("host=127.0.0.1 port={port} user=a sslmode=disable")).unwrap();
    connection.set_patience(Some(Duration::from_secs(2)));
    connection
}

fn read_message(client: &mut TcpStream, tagged: bool) {
    let mut head = vec![0; if tagged { 5 } else { 4 }];
    client.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes(head[head.len() - 4..].try_into().unwrap()) as usize;
    client.read_exact(&mut vec![0; length - 4]).unwrap();
}

#[test]
fn what_is_no_answer_is_refused_and_nothing_waits_for_ever() {
    let huge = [&b"D"[..], &u32::MAX.to_be_bytes()].concat();
    let cases = [
        ("over the limit", huge, false, ErrorKind::Server),
        ("too short for itself", vec![b'D', 0, 0, 0, 0], false, ErrorKind::Server),
        ("garbage", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), false, ErrorKind::Server),
        ("cut off", vec![b'D', 0, 0, 0, 100, 0], true, ErrorKind::Connection),
        ("a row that is none", message(b'D', &[0, 1, 0, 0]), false, ErrorKind::Server),
        ("nothing at all", vec![], false, ErrorKind::TimedOut),
        ("closed at once", vec![], true, ErrorKind::Connection),
        ("copied data", message(b'd', b"x"), false, ErrorKind::Server),
        ("half a message and silence", vec![b'D', 0, 0, 0, 100], false, ErrorKind::TimedOut),
    ];
    for (what, answer, closes, kind) in cases {
        let mut connection = false_server(answer, closes);
        let began = Instant::now();
        let error = connection.identify().unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{what}");
        assert!(connection.broken().is_some(), "{what}");
    }
}

/// A row of texts.
fn row(columns: &[&str]) -> Vec<u8> {
    let mut body = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for column in columns {
        body.extend(u32::try_from(column.len()).unwrap().to_be_bytes());
        body.extend(column.as_bytes());
    }
    message(b'D', &body)
}

#[test]
fn a_backup_that_lies_is_refused() {
    let start = [row(&["0/2000028", "1"]), message(b'C', b"SELECT\0"), message(b'H', &[0; 3])];
    let part = |body: &[u8]| message(b'd', body);
    let end = [message(b'c', b""), row(&["0/2000100", "1"]), message(b'Z', b"I")].concat();
    let cases = [
        ("a name that leads elsewhere", part(b"n../../etc/cron.d/x\0\0")),
        ("an absolute name", part(b"n/etc/passwd\0\0")),
        ("an unknown part", part(b"?")),
        ("the end without data", message(b'Z', b"I")),
    ];
    for (what, middle) in cases {
        let answer = [start.concat(), middle, end.clone()].concat();
        let mut connection = false_server(answer, false);
        let mut backup = connection.base_backup(&slow()).unwrap();
        let error = backup.find_map(Result::err).unwrap();
        assert!(matches!(error, ReplicationError::Malformed(_)), "{what}: {error:?}");
    }
}

#[test]
fn wal_with_a_gap_is_refused() {
    let data = |start: u64| {
        let head = [&b"w"[..], &start.to_be_bytes(), &[0; 16], b"wal"];
        message(b'd', &head.concat())
    };
    let answer = [message(b'W', &[0; 3]), data(0x100_0000), data(0x100_0004)].concat();
    let mut connection = false_server(answer, false);
    let options = WalStreamOptions::new(Lsn::new(0x100_0000), TimelineId::FIRST);
    let mut stream = connection.stream_wal(&options).unwrap();
    assert!(matches!(stream.next().unwrap(), Some(WalEvent::Data { .. })));
    let error = stream.next().unwrap_err();
    assert!(matches!(error, ReplicationError::Gap { .. }), "{error:?}");
    assert_eq!(stream.next().unwrap(), None);
}
