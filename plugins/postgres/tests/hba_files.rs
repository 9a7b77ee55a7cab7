//! Editing `pg_hba.conf` and `pg_ident.conf` on disk.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use hayloft_postgres::{
    ErrorKind, Failure,
    hba::{Fields, HbaError, HbaFile, Rule, Server},
    ident::{IdentFile, Mapping},
    tree::Disk,
};

#[test]
fn rules_are_replaced_through_a_link_and_keep_their_mode() {
    let home = tempfile::tempdir().unwrap();
    let (real, link) = (home.path().join("real"), home.path().join("pg_hba.conf"));
    fs::write(&real, "local all all peer\r\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real", &link).unwrap();
    let server = Server::of(15);
    let file = HbaFile::open(&link, &server).unwrap();
    let mut document = file.document();
    document.append(&Rule::parse(b"host all all 10.0.0.0/8 md5", &server).unwrap()).unwrap();
    let plan = file.plan(document);
    let diff = String::from_utf8(plan.diff()).unwrap();
    assert!(diff.ends_with(" local all all peer\r\n+host all all 10.0.0.0/8 md5\r\n"), "{diff}");
    assert_eq!(plan.warnings(&link, &Disk).unwrap().len(), 1, "md5 is weak");
    assert_eq!(fs::read(&real).unwrap(), b"local all all peer\r\n", "nothing is written yet");
    plan.write(&link, &Disk).unwrap();
    assert_eq!(fs::read(&real).unwrap(), b"local all all peer\r\nhost all all 10.0.0.0/8 md5\r\n");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn what_the_server_would_refuse_is_not_written() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("pg_hba.conf");
    let content = "local all all peer\ninclude gone.conf\n";
    fs::write(&path, content).unwrap();
    let server = Server::of(16);
    let file = HbaFile::open(&path, &server).unwrap();
    let mut document = file.document();
    document.append(&Rule::parse(b"local x x md5", &server).unwrap()).unwrap();
    let error = file.plan(document).write(&path, &Disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadConfiguration);
    assert!(error.to_string().contains("pg_hba.conf:3"), "{error}");
    // Nor a file that would let nobody in.
    fs::write(&path, "local all all peer\n").unwrap();
    let file = HbaFile::open(&path, &server).unwrap();
    let mut document = file.document();
    document.absent(&Fields::new()).unwrap();
    assert!(matches!(file.plan(document).write(&path, &Disk), Err(HbaError::Refused { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "local all all peer\n");
}

#[test]
fn a_concurrent_edit_is_not_lost() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("pg_ident.conf");
    fs::write(&path, "m a b\n").unwrap();
    let server = Server::of(15);
    let file = IdentFile::open(&path, &server).unwrap();
    let mut document = file.document();
    document.append(&Mapping::parse(b"m c \"d e\"", &server).unwrap()).unwrap();
    let plan = file.plan(document);
    fs::write(&path, "m x y\n").unwrap();
    assert_eq!(plan.write(&path, &Disk).unwrap_err().kind(), ErrorKind::Changed);
    assert_eq!(fs::read_to_string(&path).unwrap(), "m x y\n");
    fs::write(&path, "m a b\n").unwrap();
    let file = IdentFile::open(&path, &server).unwrap();
    let mut document = file.document();
    document.append(&Mapping::parse(b"m c \"d e\"", &server).unwrap()).unwrap();
    file.plan(document).write(&path, &Disk).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "m a b\nm c \"d e\"\n");
}

#[test]
fn many_rules_are_edited_in_moderate_time() {
    let server = Server::of(18);
    let line = |it: u32| {
        format!("host db{it} u{it} 10.{}.{}.0/24 scram-sha-256 # {it}\n", it / 256 % 256, it % 256)
    };
    let text: String = (0..20_000).map(line).collect();
    let began = std::time::Instant::now();
    let mut document = hayloft_postgres::hba::Document::parse(text.as_bytes(), &server);
    document.pop(10_000).unwrap();
    document.append(&Rule::parse(b"local x x md5", &server).unwrap()).unwrap();
    assert_eq!(document.rules().len(), 20_000);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
