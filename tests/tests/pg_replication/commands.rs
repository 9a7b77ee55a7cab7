//! Questions and slots.

use hayloft_postgres::{
    error::{ErrorKind, Failure},
    replication::{ReplicationError, SlotOptions, SlotState, WalStreamOptions},
    wal::TimelineId,
};
use hayloft_tests::postgres::{Postgres, installed_versions};

use super::{connect, open};

const KEEP: SlotOptions = SlotOptions { temporary: false, reserve_wal: true };

#[test]
fn every_version_says_who_it_is() {
    for programs in installed_versions() {
        let server = Postgres::options().programs(&programs).start();
        let mut connection = connect(&server);
        assert_eq!(connection.version().major(), programs.major());
        let identity = connection.identify().unwrap();
        let number = server.sql("postgres", "SELECT system_identifier FROM pg_control_system()");
        assert_eq!(identity.system_identifier.to_string(), number);
        assert_eq!(identity.timeline, TimelineId::FIRST);
        assert_eq!(connection.show("wal_segment_size").unwrap(), "16MB");
        assert_eq!(connection.parameters()["server_encoding"], "SQL_ASCII");
        let error = connection.show("no_such_thing").unwrap_err();
        assert_eq!(error.refusal().unwrap().code, "42704", "{error}");
        assert!(connection.show("a; b").is_err());
        let error = connection.timeline_history(TimelineId::new(7).unwrap()).unwrap_err();
        assert!(error.refusal().is_some(), "{error}");
        // After all that it still works.
        assert_eq!(connection.identify().unwrap().system_identifier, identity.system_identifier);
        let pid = connection.server_process();
        let known = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        assert_eq!(server.sql("postgres", &known), "1");
        drop(connection);
        let began = std::time::Instant::now();
        while server.sql("postgres", &known) == "1" {
            assert!(began.elapsed().as_secs() < 20);
        }
        assert!(!server.log().contains("unexpected EOF"), "{}", server.log());
    }
}

#[test]
fn slots_are_made_read_and_dropped() {
    for programs in installed_versions() {
        let server = Postgres::options().programs(&programs).start();
        let mut connection = connect(&server);
        assert_eq!(connection.read_slot("s_1").unwrap(), SlotState::Missing);
        connection.create_slot("s_1", KEEP).unwrap();
        connection.create_slot("later", SlotOptions::default()).unwrap();
        let error = connection.create_slot("s_1", KEEP).unwrap_err();
        assert!(
            matches!(&error, ReplicationError::SlotExists { slot } if slot == "s_1"),
            "{error}"
        );
        match (connection.read_slot("s_1").unwrap(), connection.read_slot("later").unwrap()) {
            (SlotState::Physical(kept), SlotState::Physical(unused)) => {
                assert!(kept.restart.is_some());
                assert_eq!((kept.timeline, unused.restart), (Some(TimelineId::FIRST), None));
            }
            other => panic!("{other:?}"),
        }
        for bad in ["", "Upper", "a b", "x\"; DROP"] {
            let error = connection.create_slot(bad, KEEP).unwrap_err();
            assert!(matches!(error, ReplicationError::SlotName { .. }), "{error}");
        }
        connection.drop_slot("s_1", false).unwrap();
        let error = connection.drop_slot("s_1", true).unwrap_err();
        assert!(matches!(error, ReplicationError::NoSlot { .. }), "{error}");

        let own = SlotOptions { temporary: true, reserve_wal: true };
        connection.create_slot("own", own).unwrap();
        drop(connection);
        let left = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'own'";
        let began = std::time::Instant::now();
        while server.sql("postgres", left) != "0" {
            assert!(began.elapsed().as_secs() < 20);
        }
    }
}

#[test]
fn a_slot_in_use_names_the_process_that_uses_it() {
    let server = Postgres::start();
    let (mut user, mut other) = (connect(&server), connect(&server));
    user.create_slot("busy", KEEP).unwrap();
    let at = user.identify().unwrap();
    let options = WalStreamOptions::new(at.flushed, at.timeline).slot("busy");
    let process = user.server_process();
    let stream = user.stream_wal(&options).unwrap();
    for error in [
        other.drop_slot("busy", false).unwrap_err(),
        other.stream_wal(&options).map(drop).unwrap_err(),
    ] {
        match error {
            ReplicationError::SlotInUse { slot, process: found } => {
                assert_eq!((slot.as_str(), found), ("busy", Some(process)));
            }
            other => panic!("{other:?}"),
        }
    }
    // It waits, until it is cancelled.
    let canceller = other.canceller();
    let waiting = std::thread::spawn(move || other.drop_slot("busy", true));
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!waiting.is_finished());
    canceller.cancel().unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(ReplicationError::Cancelled)));
    stream.stop().unwrap();
    user.drop_slot("busy", true).unwrap();
}

#[test]
fn limits_and_rights_are_told_apart() {
    let server = Postgres::options()
        .setting("max_replication_slots", "1")
        .setting("max_wal_senders", "1")
        .start();
    let mut connection = connect(&server);
    connection.create_slot("only", KEEP).unwrap();
    let error = connection.create_slot("more", KEEP).unwrap_err();
    assert!(matches!(error, ReplicationError::TooManySlots(_)), "{error:?}");
    let base = format!("host={} port={}", server.socket_dir().display(), server.port());
    let error = open(&format!("{base} user=postgres")).unwrap_err();
    assert!(matches!(error, ReplicationError::TooManySenders(_)), "{error:?}");
    assert!(error.hint().unwrap().contains("max_wal_senders"));
    server.sql("postgres", "CREATE ROLE plain LOGIN");
    drop(connection);
    let began = std::time::Instant::now();
    let error = loop {
        match open(&format!("{base} user=plain")).unwrap_err() {
            // The server has not yet seen that the connection is closed.
            ReplicationError::TooManySenders(_) => assert!(began.elapsed().as_secs() < 20),
            other => break other,
        }
    };
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");

    let server = Postgres::options()
        .setting("max_replication_slots", "0")
        .setting("wal_level", "minimal")
        .setting("max_wal_senders", "0")
        .start();
    let base =
        format!("host={} port={} user=postgres", server.socket_dir().display(), server.port());
    let error = open(&base).unwrap_err();
    assert!(matches!(error, ReplicationError::TooManySenders(_)), "{error:?}");
}
