//! A value, "no", or "unknown because …".

use hayloft_postgres::{
    conninfo::{Conninfo, Environment},
    replication::{ReplicationConnection, WalStreamOptions},
    roles::RoleGrants,
    server::{ClientKind, Reading, ServerStatus, Why, setting},
    wal::{Lsn, TimelineId},
};
use hayloft_tests::postgres::Postgres;

use super::{all_versions, connect, version_of};

/// What is said of a reading: its value, `no`, or the kind of what is unknown.
fn shown<T: std::fmt::Debug>(reading: &Reading<T>) -> String {
    match reading {
        Reading::Value(value) => format!("{value:?}"),
        Reading::No => "no".to_owned(),
        Reading::Unknown(Why::Privilege(_)) => "right missing".to_owned(),
        Reading::Unknown(Why::Version { since }) => format!("since {since}"),
        Reading::Unknown(Why::Role(_)) => "role".to_owned(),
        Reading::Unknown(Why::NotAsked) => "not asked".to_owned(),
        Reading::Unknown(Why::Failed(why)) => format!("failed: {why}"),
    }
}

#[test]
fn a_role_with_the_rights_of_a_backup_learns_everything_but_the_secrets() {
    for programs in all_versions() {
        let server = Postgres::options().programs(&programs).start();
        let admin = connect(&server, "postgres");
        let version = version_of(&admin);
        let sql = RoleGrants::new("ann").sql(version);
        server.sql("postgres", &sql);
        let status = ServerStatus::read(&connect(&server, "ann"), true).unwrap();

        let identity = status.identity.value().unwrap();
        assert_eq!((identity.user.as_str(), identity.superuser), ("ann", false));
        assert!(identity.now >= identity.started && identity.replication);
        assert_eq!(status.version(), Reading::Value(version));
        assert_eq!(version.major(), server.major());
        let privileges = status.privileges.value().unwrap();
        assert!(privileges.backup() && privileges.monitoring && privileges.replication);
        assert!(!privileges.checkpoint && !privileges.superuser);
        assert_eq!(status.in_recovery(), Reading::Value(false));
        assert_eq!(status.timeline, Reading::Value(TimelineId::FIRST));
        let system = server.sql("postgres", "SELECT system_identifier FROM pg_control_system()");
        assert_eq!(shown(&status.system_identifier), system);
        let wal = status.wal.value().unwrap();
        assert!(wal.position.is_some() && wal.insert >= wal.position && wal.received.is_none());
        assert!(*status.size.value().unwrap() > 10 << 20);
        assert_eq!(status.waiting_to_archive, Reading::Value(0));
        assert_eq!(shown(&status.clients), "[]");
        assert_eq!(shown(&status.tablespaces), "[]");
        assert_eq!(status.archiver.value().unwrap().archived_count, 0);
        assert_eq!(status.is_archiving(), Reading::Value(false));
        assert_eq!(status.slot("s"), Reading::No);
        let data = server.data_dir();
        assert_eq!(status.setting("data_directory"), Reading::Value(data.to_str().unwrap()));
        let included = status.included_files.value().unwrap();
        assert!(included[0].ends_with("/postgresql.auto.conf"), "{included:?}");
        let hba = if server.major() < 16 { "since 16" } else { "right missing" };
        assert_eq!(shown(&status.hba_files), hba);
        let status = ServerStatus::read(&admin, false).unwrap();
        assert_eq!(shown(&status.size), "not asked");
        if server.major() >= 16 {
            assert!(shown(&status.hba_files).contains("pg_hba.conf"), "{:?}", status.hba_files);
        }
    }
}

#[test]
fn what_a_role_may_not_see_is_unknown_and_never_no() {
    for programs in all_versions() {
        let server = Postgres::options().programs(&programs).start();
        server.sql("postgres", "CREATE ROLE nobody LOGIN");
        server.sql("postgres", "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
        server.sql("postgres", "REVOKE EXECUTE ON FUNCTION pg_control_checkpoint() FROM PUBLIC");
        let status = ServerStatus::read(&connect(&server, "nobody"), true).unwrap();
        for (name, reading) in [
            ("system_identifier", shown(&status.system_identifier)),
            ("timeline", shown(&status.timeline)),
            ("size", shown(&status.size)),
            ("waiting", shown(&status.waiting_to_archive)),
            ("data_directory", shown(&status.setting("data_directory"))),
            ("config_file", shown(&status.setting("config_file"))),
        ] {
            assert_eq!(reading, "right missing", "{name} in {}", server.major());
        }
        assert!(status.wal.value().unwrap().position.is_some());
        assert!(!status.privileges.value().unwrap().backup());
        assert_eq!(status.privileges.value().unwrap().missing_for_backup().len(), 5);
        assert_eq!(shown(&status.setting("wal_level")), "\"replica\"");
    }
}

#[test]
fn any_setting_is_read_or_hidden_or_not_there() {
    let server = Postgres::start();
    server.sql("postgres", "CREATE ROLE nobody LOGIN");
    let (admin, nobody) = (connect(&server, "postgres"), connect(&server, "nobody"));
    assert_eq!(setting(&admin, "wal_segment_size"), Reading::Value("16MB".to_owned()));
    assert_eq!(setting(&admin, "synchronous_standby_names"), Reading::Value(String::new()));
    assert_eq!(setting(&admin, "no_such_setting"), Reading::No);
    assert_eq!(setting(&admin, "it's"), Reading::No);
    assert_eq!(shown(&setting(&nobody, "data_directory")), "right missing");
}

#[test]
fn clients_and_their_slots_are_told_apart_and_hidden_ones_are_unknown() {
    for programs in all_versions() {
        let server = Postgres::options().programs(&programs).start();
        server.sql("postgres", "CREATE ROLE nobody LOGIN");
        server.sql("postgres", "SELECT pg_create_physical_replication_slot('used', true)");
        server.sql("postgres", "SELECT pg_create_physical_replication_slot('new')");
        let (directory, port) = (server.socket_dir(), server.port());
        let text = format!("host={} port={port} user=postgres", directory.display());
        let conninfo = text.parse::<Conninfo>().unwrap().for_streaming();
        let mut conninfo = conninfo.clone();
        conninfo.set("application_name", "keeper").unwrap();
        let target = conninfo.resolve(&Environment::empty()).unwrap();
        let mut receiver = ReplicationConnection::open(&target).unwrap();
        let process = receiver.server_process();
        let identity = receiver.identify().unwrap();
        let start = Lsn::new(identity.flushed.bytes() & !0xFF_FFFF);
        let options = WalStreamOptions::new(start, identity.timeline).slot("used");
        let _stream = receiver.stream_wal(&options).unwrap();

        let status = ServerStatus::read(&connect(&server, "postgres"), false).unwrap();
        let receivers = status.clients_of(ClientKind::Receiver);
        let client = receivers.value().unwrap()[0];
        assert_eq!((client.pid, client.slot.as_deref()), (process, Some("used")));
        let details = client.details.value().unwrap();
        assert_eq!((details.application_name.as_str(), details.replayed), ("keeper", None));
        assert_eq!((details.address.as_deref(), details.sync_state.as_str()), (None, "async"));
        assert!(status.clients_of(ClientKind::Standby).value().unwrap().is_empty());
        let used = *status.slot("used").value().unwrap();
        assert_eq!((used.active, used.active_pid), (true, Some(process)));
        assert!(used.restart.is_some());
        let new = *status.slot("new").value().unwrap();
        assert_eq!((new.active, new.active_pid, new.restart), (false, None, None));

        let status = ServerStatus::read(&connect(&server, "nobody"), false).unwrap();
        let clients = status.clients.value().unwrap();
        assert_eq!((clients.len(), clients[0].pid), (1, process));
        assert_eq!(shown(&clients[0].kind()), "right missing");
        assert_eq!(shown(&status.clients_of(ClientKind::Receiver)), "right missing");
    }
}
