//! Backups of what has changed, from 17 on.

use std::{fs::File, process::Command};

use hayloft_postgres::{
    error::{ErrorKind, Failure},
    replication::{BaseBackupOptions, ManifestChecksums, ReplicationError},
};
use hayloft_tests::postgres::{Postgres, version};

use super::{
    connect, make_tablespace,
    received::{check_manifest, receive},
};

fn options(incremental: bool) -> BaseBackupOptions {
    BaseBackupOptions {
        fast_checkpoint: true,
        incremental,
        manifest: Some(ManifestChecksums::Sha256),
        ..BaseBackupOptions::default()
    }
}

#[test]
fn only_what_has_changed_is_sent() {
    for major in [17, 18] {
        let server =
            Postgres::options().programs(&version(major)).setting("summarize_wal", "on").start();
        make_tablespace(&server, "one");
        server.pgbench("postgres", 3);
        let mut connection = connect(&server);
        let full = receive(&mut connection, &options(false)).unwrap();
        server.sql("postgres", "UPDATE pgbench_accounts SET abalance = 1 WHERE aid < 100");
        server.sql("postgres", "UPDATE in_one SET t = 'changed' WHERE i < 10");

        connection.upload_manifest(&mut File::open(full.path("backup_manifest")).unwrap()).unwrap();
        let changed = receive(&mut connection, &options(true)).unwrap();
        assert!(changed.data * 3 < full.data, "{} of {}", changed.data, full.data);
        let mut found = 0;
        for (name, _) in &changed.archives {
            let listing = Command::new("tar").arg("-tf").arg(changed.path(name)).output().unwrap();
            let listing = String::from_utf8(listing.stdout).unwrap();
            found += usize::from(listing.contains("INCREMENTAL."));
        }
        assert_eq!(found, 2, "both archives hold parts of files");
        check_manifest(&changed.unpack());
        let label = std::fs::read_to_string(changed.path("restored/backup_label")).unwrap();
        let from = format!("INCREMENTAL FROM LSN: {}", full.start.0);
        assert!(label.contains(&from), "{label}");
        // And one more, based on that.
        connection
            .upload_manifest(&mut File::open(changed.path("backup_manifest")).unwrap())
            .unwrap();
        receive(&mut connection, &options(true)).unwrap();
    }
}

#[test]
fn what_is_no_manifest_is_refused_and_the_connection_goes_on() {
    let server = Postgres::options().programs(&version(17)).setting("summarize_wal", "on").start();
    let mut connection = connect(&server);
    let error = receive(&mut connection, &options(true)).map(drop).unwrap_err();
    assert_eq!(error.refusal().unwrap().code, "55000", "{error}");
    for garbage in [&b"{\"no\": \"manifest\"}"[..], b"", &vec![b'x'; 1 << 20]] {
        let error = connection.upload_manifest(&mut &*garbage).unwrap_err();
        assert!(error.refusal().is_some(), "{error:?}");
    }
    let error = connection.upload_manifest(&mut Broken).unwrap_err();
    assert!(matches!(error, ReplicationError::Source(_)), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Io);
    connection.identify().unwrap();

    let other = Postgres::options().programs(&version(16)).start();
    let mut connection = connect(&other);
    let error = connection.upload_manifest(&mut &b""[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    connection.identify().unwrap();
}

struct Broken;

impl std::io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("it broke"))
    }
}
