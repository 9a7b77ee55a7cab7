//! Backups of files, segments, restore points, checkpoints.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, chown},
    },
};

use hayloft_postgres::{
    Failure,
    connection::QueryError,
    error::ErrorKind,
    server::{BackupStart, BackupStopped, RestorePoint, ServerStatus},
    wal::{BackupLabel, SegmentName, SegmentSize, TimelineId},
};
use hayloft_tests::postgres::Postgres;

use super::{all_versions, connect, connect_to, standby::standby_of, version_of};

#[test]
fn a_backup_begins_and_ends_in_its_session() {
    for programs in all_versions() {
        let server = Postgres::options().programs(&programs).start();
        let connection = connect(&server, "postgres");
        let version = version_of(&connection);
        let start = BackupStart::begin(&connection, version, "it's \\ one", true).unwrap();
        assert_eq!(start.timeline, TimelineId::FIRST);
        // Another one at the same time.
        let other = connect(&server, "postgres");
        BackupStart::begin(&other, version, "two", true).unwrap();
        let stopped = BackupStopped::end(&connection, version, false).unwrap();
        let label = BackupLabel::parse(&stopped.label).unwrap();
        assert_eq!((label.start, label.timeline), (start.lsn, Some(start.timeline)));
        assert_eq!(label.label.as_deref(), Some(&b"it's \\ one"[..]));
        assert!(stopped.lsn > start.lsn && stopped.at >= start.at);
        assert_eq!(stopped.timeline, TimelineId::FIRST);
        BackupStopped::end(&other, version, false).unwrap();
        let error = BackupStopped::end(&other, version, false).unwrap_err();
        assert!(error.refusal().is_some_and(|it| it.code == "55000"), "{error}");
        for label in ["", "a\nb", &"x".repeat(1025)] {
            assert!(BackupStart::begin(&other, version, label, true).is_err(), "{label:?}");
        }
    }
}

#[test]
fn the_exclusive_mode_went_with_15() {
    for programs in all_versions() {
        let server = Postgres::options().programs(&programs).start();
        let connection = connect(&server, "postgres");
        let version = version_of(&connection);
        let begun = BackupStart::begin_exclusive(&connection, version, "alone", true);
        if version.major() >= 15 {
            let error = begun.unwrap_err();
            assert!(matches!(error, QueryError::Version { .. }), "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(BackupStopped::end_exclusive(&connection, version).is_err());
            continue;
        }
        let begun = begun.unwrap();
        assert!(server.data_dir().join("backup_label").exists());
        // It belongs to the cluster: another session ends it.
        let stopped = BackupStopped::end_exclusive(&connect(&server, "postgres"), version).unwrap();
        assert!(stopped.lsn > begun.lsn && stopped.label.is_empty());
        assert!(!server.data_dir().join("backup_label").exists());
    }
}

#[test]
fn a_segment_is_finished_once() {
    for programs in all_versions() {
        let server = Postgres::options().programs(&programs).start();
        let connection = connect(&server, "postgres");
        let (timeline, size) = (TimelineId::FIRST, SegmentSize::DEFAULT);
        for round in 0..3 {
            server.sql("postgres", &format!("CREATE TABLE t{round} ()"));
            let now: SegmentName = server
                .sql("postgres", "SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
                .parse()
                .unwrap();
            let finished = connection.finish_segment(timeline, size).unwrap();
            assert_eq!(finished, Some(now), "{}", server.major());
        }
        // The server may write on its own: a record of running transactions.
        let empty = (0..10).any(|_| connection.finish_segment(timeline, size).unwrap().is_none());
        assert!(empty, "{}", server.major());
    }
}

#[test]
fn what_only_a_primary_can_do_is_refused_by_a_standby() {
    let primary = Postgres::start();
    let standby = standby_of(&primary);
    let (ours, theirs) = (connect(&standby, "postgres"), connect(&primary, "postgres"));
    for error in [
        ours.switch_wal().unwrap_err(),
        RestorePoint::create(&ours, "a").unwrap_err(),
        ours.finish_segment(TimelineId::FIRST, SegmentSize::DEFAULT).unwrap_err(),
    ] {
        assert!(matches!(error, QueryError::InRecovery), "{error}");
        assert_eq!(error.kind(), ErrorKind::InRecovery);
    }
    let point = RestorePoint::create(&theirs, "it's").unwrap();
    assert!(point.0 < theirs.switch_wal().unwrap());
    ours.checkpoint().unwrap();

    primary.sql("postgres", "CREATE ROLE nobody LOGIN");
    let nobody = connect(&primary, "nobody");
    for error in [
        nobody.checkpoint().unwrap_err(),
        nobody.switch_wal().unwrap_err(),
        RestorePoint::create(&nobody, "a").unwrap_err(),
        BackupStart::begin(&nobody, version_of(&nobody), "a", true).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
}

#[test]
fn a_backup_of_a_standby_knows_its_timeline() {
    // A standby refuses a backup without them.
    let primary = Postgres::options().setting("full_page_writes", "on").start();
    let standby = standby_of(&primary);
    let connection = connect(&standby, "postgres");
    let version = version_of(&connection);
    let start = BackupStart::begin(&connection, version, "of a standby", true).unwrap();
    let stopped = BackupStopped::end(&connection, version, false).unwrap();
    assert_eq!((start.timeline, stopped.timeline), (TimelineId::FIRST, TimelineId::FIRST));
    let label = BackupLabel::parse(&stopped.label).unwrap();
    assert_eq!(label.source, Some(hayloft_postgres::wal::BackupSource::Standby));
}

/// Databases of other encodings than ours, paths of tablespaces in yet
/// another one: the files are what the server would write.
#[test]
fn label_and_map_are_bytes_whatever_the_encoding() {
    for programs in all_versions() {
        let options = Postgres::options().programs(&programs);
        let server = options.initdb("--locale=C").initdb("--encoding=UTF8").start();
        for encoding in ["LATIN1", "EUC_JP", "SQL_ASCII"] {
            let sql = "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
            server.sql(
                "postgres",
                &format!("CREATE DATABASE {} ENCODING '{encoding}' {sql}", encoding.to_lowercase()),
            );
        }
        let place = |name: &[u8]| {
            let path = server.directory().join(OsStr::from_bytes(name));
            fs::create_dir(&path).unwrap();
            let owner = fs::metadata(server.data_dir()).unwrap();
            chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
            path.into_os_string().into_vec()
        };
        let (utf8, latin) = (place("é \\x".as_bytes()), place(b"lat\xe9n"));
        let path = |name: &str| format!("{}/{name}", server.directory().display());
        server.sql("postgres", &format!("CREATE TABLESPACE a LOCATION '{}'", path("é \\x")));
        // psql would take our text for LATIN1.
        let create = format!("CREATE TABLESPACE b LOCATION '{}'", path("latén"));
        connect_to(&server, "postgres", "latin1").execute(&create).unwrap();
        // Newer servers escape backslashes in the map.
        let escaped = String::from_utf8(utf8.clone()).unwrap().replace('\\', "\\\\");
        for (database, label) in
            [("postgres", "é".as_bytes()), ("latin1", b"\xe9"), ("sql_ascii", "é".as_bytes())]
        {
            let connection = connect_to(&server, "postgres", database);
            let version = version_of(&connection);
            BackupStart::begin(&connection, version, "é", true).unwrap();
            let stopped = BackupStopped::end(&connection, version, false).unwrap();
            let read = BackupLabel::parse(&stopped.label).unwrap();
            assert_eq!(read.label.as_deref(), Some(label), "{database}");
            let map = stopped.tablespace_map;
            let has = |path: &[u8]| map.windows(path.len()).any(|it| it == path);
            let whole = has(&latin) && (has(&utf8) || has(escaped.as_bytes()));
            assert!(whole, "{database}: {}", map.escape_ascii());
        }
        // Whatever database asks, places are bytes.
        for database in ["postgres", "latin1", "euc_jp", "sql_ascii"] {
            let connection = connect_to(&server, "postgres", database);
            let status = ServerStatus::read(&connection, false).unwrap();
            let told = status.tablespaces.value().unwrap();
            let found: Vec<(&str, &[u8])> = told
                .iter()
                .map(|it| (it.name.as_str(), it.location.as_os_str().as_bytes()))
                .collect();
            let expected: [(&str, &[u8]); 2] = [("a", &utf8), ("b", &latin)];
            assert_eq!(found, expected, "{database}");
            assert!(told[1].shown_location().ends_with("/lat\\xe9n"), "{told:?}");
        }
        let connection = connect_to(&server, "postgres", "euc_jp");
        let version = version_of(&connection);
        BackupStart::begin(&connection, version, "x", true).unwrap();
        let stopped = BackupStopped::end(&connection, version, false).unwrap();
        assert_eq!(stopped.tablespace_map.split(|it| *it == b'\n').count(), 3);
    }
}

#[test]
fn no_limit_of_the_role_ends_a_backup() {
    for programs in all_versions() {
        let server = Postgres::options().programs(&programs).start();
        let mut limits = vec!["statement_timeout", "idle_in_transaction_session_timeout"];
        if server.major() >= 14 {
            limits.push("idle_session_timeout");
        }
        if server.major() >= 17 {
            limits.push("transaction_timeout");
        }
        for limit in &limits {
            server.sql("postgres", &format!("ALTER ROLE postgres SET {limit} = '300ms'"));
        }
        let connection = connect(&server, "postgres");
        let version = version_of(&connection);
        BackupStart::begin(&connection, version, "x", true).unwrap();
        for limit in &limits {
            let rows = connection.simple(&format!("SHOW {limit}")).unwrap();
            assert_eq!(rows[0][0].as_deref(), Some("0"), "{limit}");
        }
        // Longer than any of them, in a transaction and outside.
        connection.execute("SELECT pg_sleep(0.5)").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        connection.execute("BEGIN").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        connection.execute("COMMIT").unwrap();
        BackupStopped::end(&connection, version, false).unwrap();
    }
}
