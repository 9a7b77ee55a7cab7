//! Edits that servers then read.

use std::os::unix::fs::MetadataExt;

use hayloft_postgres::{
    conf::{Check, ConfError, ConfFile, Edit, Policy},
    hba::{HbaFile, Rule, Server, Word},
    tree::Disk,
};
use hayloft_tests::postgres::{installed_versions, version};

use crate::lines::{ask, lossy, server, some};

#[test]
fn the_servers_read_back_what_was_written() {
    for programs in installed_versions() {
        let server = server(&programs).start();
        let main = server.data_dir().join("postgresql.conf");
        let before = std::fs::metadata(&main).unwrap();
        let values = some(60, proptest::collection::vec(1u8.., 0..30));
        let edit = |(number, value): (usize, &Vec<u8>)| Edit::set(format!("test.v{number}"), value);
        let mut edits: Vec<Edit> = values.iter().enumerate().map(edit).collect();
        edits.push(Edit::set("work_mem", "5MB"));
        let file = ConfFile::open(&main).unwrap();
        let plan = file.plan(&edits, &Policy::default()).unwrap();
        let (postgres, data) = (server.program("postgres"), server.data_dir());
        plan.write(Check::Program { postgres: &postgres, data: &data }).unwrap();
        let after = std::fs::metadata(&main).unwrap();
        assert_eq!(
            (before.uid(), before.gid(), before.mode()),
            (after.uid(), after.gid(), after.mode())
        );
        let rows = ask(
            &server,
            &["name", "setting"],
            "FROM pg_file_settings WHERE name LIKE 'test.v%' ORDER BY seqno",
        );
        assert_eq!(rows.len(), values.len());
        for (row, value) in rows.iter().zip(&values) {
            assert_eq!(row[1].as_ref(), Some(value), "{}", lossy(value));
        }
    }
}

#[test]
fn what_only_the_server_knows_is_found_by_its_program() {
    for programs in installed_versions() {
        let server = server(&programs).start();
        let main = server.data_dir().join("postgresql.conf");
        let before = std::fs::read(&main).unwrap();
        let file = ConfFile::open(&main).unwrap();
        let (postgres, data) = (server.program("postgres"), server.data_dir());
        let check = Check::Program { postgres: &postgres, data: &data };
        for edit in [
            Edit::set("datestyle", "nonsense"),
            Edit::set("work_mem", "1mb"),
            Edit::set("nosuch", "1"),
        ] {
            let error = file.plan(&[edit], &Policy::default()).unwrap().write(check).unwrap_err();
            assert!(matches!(error, ConfError::RefusedByServer { .. }), "{error}");
        }
        // The rules of another version are none.
        let other = if server.major() == 15 { 16 } else { 15 };
        let other = version(other).path("postgres");
        let check = Check::Program { postgres: &other, data: &data };
        let plan = file.plan(&[Edit::set("work_mem", "5MB")], &Policy::default()).unwrap();
        let error = plan.write(check).unwrap_err();
        assert!(matches!(error, ConfError::VersionMismatch { .. }), "{error}");
        assert_eq!(std::fs::read(&main).unwrap(), before);
    }
}

#[test]
fn names_of_any_bytes_reach_the_servers() {
    for programs in installed_versions() {
        let server = server(&programs).start();
        let known = Server { tls: false, ..Server::of(server.major()) };
        let path = server.data_dir().join("pg_hba.conf");
        let file = HbaFile::open(&path, &known).unwrap();
        let mut document = file.document();
        let names = some(
            50,
            proptest::collection::vec(proptest::prelude::prop_oneof![1u8..10, 11u8..=255], 0..12),
        );
        let names: Vec<Word> = names.iter().filter_map(|it| Rule::name(it, &known).ok()).collect();
        let mut rule = Rule::parse(b"local x x reject", &known).unwrap();
        rule.databases = names.clone();
        document.append(&rule).unwrap();
        let plan = file.plan(document);
        plan.write(&path, &Disk).unwrap();
        let columns = ["array_to_string(database, E'\\x01\\x02')"];
        let rows = ask(&server, &columns, "FROM pg_hba_file_rules WHERE auth_method = 'reject'");
        let texts: Vec<Vec<u8>> = names.iter().map(|it| it.text.clone()).collect();
        assert_eq!(rows[0][0].as_ref(), Some(&texts.join(&b"\x01\x02"[..])));
    }
}
