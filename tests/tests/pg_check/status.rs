//! `pg status`.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, chown},
    },
};

use hayloft_tests::postgres::{Postgres, installed_versions};

use super::setting::{configured, element, pg};

#[test]
fn the_status_is_what_the_server_says() {
    for programs in installed_versions() {
        let server = Postgres::options()
            .programs(&programs)
            .setting("synchronous_standby_names", "ANY 1 (a, \"B c\")")
            .setting("synchronous_commit", "local")
            .start();
        server.sql("postgres", "SELECT pg_create_physical_replication_slot('s')");
        let sandbox = configured(&[("main", &element(&server, "postgres"))]);
        let json = pg(&sandbox, &["status", "--json"]).exits(0).json();
        let status = &json["servers"][0]["status"];
        let sql = |sql: &str| server.sql("postgres", sql);
        let same = [
            ("system_identifier", "SELECT system_identifier FROM pg_control_system()"),
            ("data_directory", "SHOW data_directory"),
            ("config_file", "SHOW config_file"),
            ("wal_level", "SHOW wal_level"),
            ("archive_mode", "SHOW archive_mode"),
            ("data_checksums", "SHOW data_checksums"),
            ("wal_segment", "SELECT pg_walfile_name((pg_current_wal_lsn() - 1)::pg_lsn)"),
        ];
        for (name, question) in same {
            assert_eq!(status[name], sql(question), "{name} in {}", server.major());
        }
        assert_eq!(status["wal_segment_size"], 16 << 20);
        assert_eq!(status["timeline"], 1);
        assert_eq!(status["archive_timeout"], serde_json::Value::Null);
        assert_eq!(status["checkpoint_timeout"], 300);
        assert_eq!(status["synchronous_standby_names"], serde_json::json!(["a", "B c"]));
        let size: u64 =
            sql("SELECT sum(pg_tablespace_size(oid)) FROM pg_tablespace").parse().unwrap();
        let ours = status["size_bytes"].as_u64().unwrap();
        assert!(ours.abs_diff(size) < 1 << 20, "{ours} {size}");
        let slots = status["replication_slots"].as_array().unwrap();
        assert!(slots[0].as_str().unwrap().starts_with("s (physical): not active"), "{slots:?}");
        pg(&sandbox, &["status"]).exits(0).says("synchronous standby names").says("B c");
    }
}

#[test]
fn what_could_not_be_asked_is_unknown_for_programs() {
    let server = Postgres::start();
    let elements = format!(
        "{}<streaming_conninfo>host=/nonexistent user=x</streaming_conninfo>\
         <primary_conninfo>host=/nonexistent user=x</primary_conninfo>",
        element(&server, "postgres")
    );
    let sandbox = configured(&[("main", &elements)]);
    let json = pg(&sandbox, &["status", "--json"]).exits(0).json();
    let status = &json["servers"][0]["status"];
    for row in ["streaming", "primary"] {
        let why = status[row]["unknown"].as_str().unwrap_or_default();
        assert!(why.contains("/nonexistent"), "{row}: {status}");
    }
    pg(&sandbox, &["status"]).says("unknown: cannot connect");
}

/// A path is bytes, and a database without encoding sends them as they are.
#[test]
fn places_that_are_no_text_are_shown_in_every_database() {
    let server = Postgres::options().initdb("--locale=C").initdb("--encoding=SQL_ASCII").start();
    let place = server.directory().join(OsStr::from_bytes(b"lat\xe9n"));
    fs::create_dir(&place).unwrap();
    let owner = fs::metadata(server.data_dir()).unwrap();
    chown(&place, Some(owner.uid()), Some(owner.gid())).unwrap();
    // No client's encoding has such a text.
    let create = format!(
        "SET client_encoding = 'SQL_ASCII';\nSELECT format('CREATE TABLESPACE sp%s LOCATION %L', \
         chr(233), '{}/lat' || chr(233) || 'n') \\gexec\n",
        server.directory().display()
    );
    let script = server.directory().join("create.sql");
    fs::write(&script, create).unwrap();
    let mut psql = server.command("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-f"]).arg(&script);
    assert!(psql.status().unwrap().success());
    let sandbox = configured(&[("main", &element(&server, "postgres"))]);
    let json = pg(&sandbox, &["status", "--json"]).exits(0).json();
    let spaces = json["servers"][0]["status"]["tablespaces"].as_array().unwrap().clone();
    let shown = spaces[0].as_str().unwrap();
    assert!(shown.starts_with("sp\\xe9 (") && shown.ends_with("/lat\\xe9n"), "{shown}");
    pg(&sandbox, &["status"]).exits(0).says("/lat\\xe9n");
}
