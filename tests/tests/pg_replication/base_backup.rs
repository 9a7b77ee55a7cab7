//! Base backups of every version, compared with what `pg_basebackup` makes.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use hayloft_postgres::{
    error::{ErrorKind, Failure},
    replication::{
        BaseBackupOptions, Compression, CompressionMethod, ManifestChecksums, ReplicationError,
    },
};
use hayloft_tests::postgres::{Postgres, Programs, installed_versions, version};

use super::{
    connect, make_tablespace,
    received::{check_manifest, receive, unpack},
};

fn options(label: &str) -> BaseBackupOptions {
    BaseBackupOptions {
        label: label.to_owned(),
        fast_checkpoint: true,
        manifest: Some(ManifestChecksums::Sha256),
        ..BaseBackupOptions::default()
    }
}

fn filled(programs: &Programs) -> Postgres {
    let server = Postgres::options().programs(programs).start();
    make_tablespace(&server, "one");
    make_tablespace(&server, "two");
    server
}

fn whole_backup(programs: &Programs) {
    let server = filled(programs);
    let mut connection = connect(&server);
    let label = "it's a label, ü";
    let wanted = BaseBackupOptions { progress: true, tablespace_map: true, ..options(label) };
    let backup = receive(&mut connection, &wanted).unwrap();

    assert!(backup.start.0.is_valid() && backup.start.0 < backup.end.0);
    assert_eq!(backup.start.1, backup.end.1);
    let names: Vec<&str> = backup.archives.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let oids =
        server.sql("postgres", "SELECT oid FROM pg_tablespace WHERE spcname IN ('one', 'two')");
    for oid in oids.lines() {
        let (_, path) = backup.archives.iter().find(|(it, _)| *it == format!("{oid}.tar")).unwrap();
        let path = path.as_ref().unwrap();
        assert!(path.starts_with(server.directory()), "{}", path.display());
        let listed = backup.tablespaces.iter().find(|it| it.path.as_ref() == Some(path)).unwrap();
        assert_eq!(listed.oid, oid.parse().ok());
        assert!(listed.size.unwrap() > 600 << 10, "{listed:?}");
    }
    let size: u64 = backup.tablespaces.iter().filter_map(|it| it.size).sum();
    let last = *backup.progress.last().unwrap();
    assert!(backup.progress.is_sorted() && last > size / 2 && last < size * 2, "{last} of {size}");

    let restored = backup.unpack();
    check_manifest(&restored);
    let text = fs::read_to_string(restored.join("backup_label")).unwrap();
    assert!(text.contains(&format!("LABEL: {label}\n")), "{text}");
    assert!(text.contains(&backup.start.0.to_string()), "{text}");
    assert_eq!(fs::read_to_string(restored.join("tablespace_map")).unwrap().lines().count(), 2);
    if programs.major() == 15 {
        let mut verify = server.command("pg_verifybackup");
        let output = verify.arg("-n").arg(&restored).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // The connection goes on.
    assert!(connection.identify().unwrap().flushed >= backup.end.0);
}

#[test]
fn whole_backups_of_every_version_are_what_their_manifest_says() {
    installed_versions().iter().for_each(whole_backup);
}

#[test]
fn whole_backups_of_old_versions_are_what_their_manifest_says() {
    for major in [13, 14] {
        whole_backup(&version(major));
        every_option(&version(major));
    }
}

/// Every file's content, of those that two backups have in common.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let output = Command::new("find").args([".", "-type", "f"]).current_dir(directory).output();
    let names = String::from_utf8(output.unwrap().stdout).unwrap();
    let own = ["backup_label", "backup_manifest", "pg_control", "tablespace_map"];
    names
        .lines()
        .filter(|it| !own.contains(&it.rsplit('/').next().unwrap()))
        .map(|it| (it.to_owned(), fs::read(directory.join(it)).unwrap()))
        .collect()
}

#[test]
fn archives_are_those_of_pg_basebackup() {
    let server = filled(&version(15));
    let mut connection = connect(&server);
    // The first one makes the checkpoint after which nothing changes.
    receive(&mut connection, &options("first")).unwrap();
    let ours = receive(&mut connection, &options("ours")).unwrap();
    let theirs = tempfile::tempdir().unwrap();
    let mut command = server.command("pg_basebackup");
    command.args(["-Ft", "-X", "none", "-c", "fast", "-D"]).arg(theirs.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, _) in &ours.archives {
        let [a, b] = ["a", "b"].map(|it| ours.path(&format!("{name}.{it}")));
        for (into, from) in [(&a, ours.path(name)), (&b, theirs.path().join(name))] {
            fs::create_dir(into).unwrap();
            unpack(&from, into);
        }
        let (a, b) = (contents(&a), contents(&b));
        assert!(a.keys().eq(b.keys()), "{name}");
        for (file, content) in &a {
            assert!(*content == b[file], "{name}: {file} differs");
        }
        let length = |it: &Path| fs::metadata(it).unwrap().len();
        let (ours, theirs) = (length(&ours.path(name)), length(&theirs.path().join(name)));
        assert!(ours.abs_diff(theirs) < 4096, "{name}: {ours} and {theirs}");
    }
}

fn every_option(programs: &Programs) {
    let server = filled(programs);
    let mut connection = connect(&server);
    let bare = BaseBackupOptions {
        manifest: None,
        wal: true,
        wait: false,
        verify_checksums: false,
        max_rate: Some(1_048_576),
        ..options("bare")
    };
    let backup = receive(&mut connection, &bare).unwrap();
    assert!(!backup.path("backup_manifest").exists());
    let listing = Command::new("tar").arg("-tf").arg(backup.path("base.tar")).output().unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    assert!(listing.contains("pg_wal/0000000100000000000000"), "{listing}");
    for checksums in [
        ManifestChecksums::None,
        ManifestChecksums::Crc32c,
        ManifestChecksums::Sha224,
        ManifestChecksums::Sha384,
        ManifestChecksums::Sha512,
    ] {
        let wanted = BaseBackupOptions { manifest: Some(checksums), ..options("sums") };
        receive(&mut connection, &wanted).unwrap().manifest();
    }
}

#[test]
fn every_option_is_taken_by_every_version() {
    installed_versions().iter().for_each(every_option);
}

#[test]
fn the_server_compresses_where_it_can() {
    for programs in installed_versions() {
        let server = filled(&programs);
        let mut connection = connect(&server);
        let mut done = 0;
        for (method, ending) in [
            (CompressionMethod::Gzip, ".tar.gz"),
            (CompressionMethod::Lz4, ".tar.lz4"),
            (CompressionMethod::Zstd, ".tar.zst"),
        ] {
            let compression = Some(Compression { method, level: Some(1), workers: None });
            match receive(&mut connection, &BaseBackupOptions { compression, ..options("c") }) {
                Ok(backup) => {
                    assert!(backup.archives.iter().all(|(it, _)| it.ends_with(ending)));
                    check_manifest(&backup.unpack());
                    done += 1;
                }
                // Built without it; the connection goes on.
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
                    connection.identify().unwrap();
                }
            }
        }
        assert!(done >= if programs.major() == 15 { 3 } else { 1 }, "{}", programs.major());
        let bad = Compression { method: CompressionMethod::Gzip, level: Some(99), workers: None };
        let wanted = BaseBackupOptions { compression: Some(bad), ..options("bad") };
        assert!(matches!(receive(&mut connection, &wanted), Err(ReplicationError::Server(_))));
        connection.identify().unwrap();
    }
}

#[test]
fn damaged_pages_are_told_at_the_end() {
    for programs in installed_versions() {
        let mut server = Postgres::options().programs(&programs).initdb("--data-checksums").start();
        server.sql("postgres", "CREATE TABLE t AS SELECT generate_series(1, 50000) AS i");
        let file = server.sql("postgres", "SELECT pg_relation_filepath('t')");
        server.stop();
        let path = server.data_dir().join(&file);
        let mut content = fs::read(&path).unwrap();
        content[3 * 8192 + 5000] ^= 0x40;
        fs::write(&path, content).unwrap();
        server.start_again();
        let mut connection = connect(&server);
        match receive(&mut connection, &options("damaged")).map(drop).unwrap_err() {
            ReplicationError::Damaged { files, .. } => {
                assert!(files.iter().any(|it| it.contains(&file)), "{files:?}");
            }
            other => panic!("{other:?}"),
        }
        let unchecked = BaseBackupOptions { verify_checksums: false, ..options("unchecked") };
        receive(&mut connection, &unchecked).unwrap();
    }
}
