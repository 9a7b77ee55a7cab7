//! What is wrong with a server is found, and nothing else.

use hayloft_postgres::{
    conninfo::{Conninfo, Environment},
    replication::ReplicationConnection,
};
use hayloft_tests::postgres::{Postgres, installed_versions};

use super::{
    setting::{configured, conninfo, element, outcomes, pg},
    standby::standby_of,
};

fn is(found: &std::collections::BTreeMap<String, (String, String)>, check: &str, outcome: &str) {
    let line = found.get(check);
    assert!(line.is_some_and(|it| it.0 == outcome), "{check} is {line:?}, in {found:?}");
}

#[test]
fn a_server_in_order_is_in_order_in_every_version() {
    for programs in installed_versions() {
        let server = Postgres::options()
            .programs(&programs)
            .setting("full_page_writes", "on")
            .setting("archive_mode", "on")
            .setting("archive_command", "true")
            .start();
        server.sql("postgres", "SELECT pg_create_physical_replication_slot('hayloft', true)");
        server.sql("postgres", "SELECT pg_switch_wal()");
        let archived = "SELECT count(*) FROM pg_stat_archiver WHERE archived_count > 0";
        while server.sql("postgres", archived) == "0" {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let elements = format!(
            "{}<slot_name>hayloft</slot_name><archiver>Y</archiver>",
            element(&server, "postgres")
        );
        let sandbox = configured(&[("main", &elements)]);
        let output = pg(&sandbox, &["check"]).exits(0);
        output.says("Server main: ok").says("continuous archiving");
        let found = outcomes(&sandbox, "main");
        for check in [
            "archive_backlog",
            "archive_command",
            "archive_mode",
            "backup_privileges",
            "clock",
            "continuous_archiving",
            "encryption",
            "full_page_writes",
            "max_replication_slots",
            "max_wal_senders",
            "monitoring_privileges",
            "postgresql",
            "replication_slot",
            "role",
            "streaming",
            "system_identifier",
            "version",
            "wal_level",
        ] {
            is(&found, check, "ok");
        }
        assert_eq!(found["version"].1.split('.').next().unwrap(), server.major().to_string());
        let line = pg(&sandbox, &["check", "--nagios"]).exits(0).stdout;
        assert_eq!(line, "HAYLOFT OK - server main is in order | main=0\n");
    }
}

#[test]
fn every_defect_is_found_with_its_remedy() {
    let server = Postgres::options()
        .setting("wal_level", "minimal")
        .setting("max_wal_senders", "0")
        .setting("max_replication_slots", "0")
        .start();
    let elements =
        format!("{}<slot_name>s</slot_name><archiver>Y</archiver>", element(&server, "postgres"));
    let sandbox = configured(&[("main", &elements)]);
    let found = outcomes(&sandbox, "main");
    for check in [
        "wal_level",
        "full_page_writes",
        "max_wal_senders",
        "max_replication_slots",
        "replication_slot",
        "archive_mode",
        "archive_command",
        "streaming",
    ] {
        let outcome = if check == "full_page_writes" { "warning" } else { "failed" };
        is(&found, check, outcome);
    }
    let output = pg(&sandbox, &["check"]).exits(1);
    output.says("do:  ALTER SYSTEM SET wal_level = 'replica'").says("why:");
    let line = pg(&sandbox, &["check", "--nagios"]).exits(2).stdout;
    assert!(line.starts_with("HAYLOFT CRITICAL - main: ") && line.lines().count() == 1, "{line}");
}

#[test]
fn a_server_without_room_is_found() {
    for programs in installed_versions() {
        let server = Postgres::options()
            .programs(&programs)
            .setting("max_wal_senders", "1")
            .setting("max_replication_slots", "1")
            .setting("full_page_writes", "on")
            .start();
        server.sql("postgres", "SELECT pg_create_physical_replication_slot('other', true)");
        let target = conninfo(&server, "postgres").parse::<Conninfo>().unwrap().for_streaming();
        let target = target.resolve(&Environment::empty()).unwrap();
        let _taken = ReplicationConnection::open(&target).unwrap();
        let elements = format!("{}<slot_name>mine</slot_name>", element(&server, "postgres"));
        let sandbox = configured(&[("main", &elements)]);
        let found = outcomes(&sandbox, "main");
        let output = pg(&sandbox, &["check"]);
        for check in ["max_wal_senders", "max_replication_slots", "replication_slot", "streaming"] {
            is(&found, check, "failed");
        }
        assert_eq!(found["max_wal_senders"].1, "1 of 1 are taken");
        output.says("do:  raise max_wal_senders").says("the slot mine cannot be made");
    }
}

#[test]
fn an_archive_command_that_fails_is_found() {
    let server = Postgres::options()
        .setting("archive_mode", "on")
        .setting("archive_command", "false")
        .start();
    server.sql("postgres", "SELECT pg_switch_wal()");
    let failed = "SELECT count(*) FROM pg_stat_archiver WHERE failed_count > 0";
    while server.sql("postgres", failed) == "0" {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let elements = format!("{}<archiver>Y</archiver>", element(&server, "postgres"));
    let sandbox = configured(&[("main", &elements)]);
    let found = outcomes(&sandbox, "main");
    is(&found, "continuous_archiving", "failed");
    is(&found, "archive_command", "ok");
}

#[test]
fn nothing_is_archived_is_a_warning() {
    let server = Postgres::start();
    let sandbox = configured(&[("main", &element(&server, "postgres"))]);
    is(&outcomes(&sandbox, "main"), "wal_archiving", "warning");
    pg(&sandbox, &["check"]).exits(7);
    pg(&sandbox, &["check", "--nagios"]).exits(1);
}

#[test]
fn a_standby_and_its_primary_are_told_apart() {
    let primary = Postgres::start();
    let standby = standby_of(&primary);
    let other = Postgres::start();
    let (to_primary, to_standby) = (element(&primary, "postgres"), element(&standby, "postgres"));
    let also =
        |server: &Postgres| element(server, "postgres").replace("conninfo", "primary_conninfo");
    let streaming = "<streaming_archiver>Y</streaming_archiver>";
    let sandbox = configured(&[
        ("good", &format!("{to_standby}{}{streaming}", also(&primary))),
        ("alone", &format!("{to_standby}{streaming}")),
        ("swapped", &format!("{to_primary}{}{streaming}", also(&standby))),
        ("stranger", &format!("{to_standby}{}{streaming}", also(&other))),
    ]);
    let good = outcomes(&sandbox, "good");
    for check in ["role", "primary", "primary_system_identifier", "streaming", "system_identifier"]
    {
        is(&good, check, "ok");
    }
    is(&outcomes(&sandbox, "alone"), "role", "warning");
    let swapped = outcomes(&sandbox, "swapped");
    is(&swapped, "role", "failed");
    is(&swapped, "primary", "failed");
    is(&outcomes(&sandbox, "stranger"), "primary_system_identifier", "failed");

    let status = pg(&sandbox, &["status", "good", "--json"]).exits(0).json();
    let status = &status["servers"][0]["status"];
    assert_eq!(status["role"], "standby");
    assert!(status["wal_position"].is_string(), "{status}");
}
