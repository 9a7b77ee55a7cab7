use super::*;
use crate::server::{Reading, Why};

fn status(settings: serde_json::Value) -> ServerStatus {
    let identity = serde_json::json!({
        "version": 150_020, "version_text": "PostgreSQL 15.20", "in_recovery": false,
        "user": "hayloft", "database": "postgres", "superuser": false, "replication": true,
        "started": 0.0, "configured": 0.0, "now": 0.0,
    });
    let privileges = serde_json::json!({
        "superuser": false, "monitoring": true, "backup_start": true, "backup_stop": true,
        "switch_wal": true, "restore_point": true, "checkpoint": false, "replication": true,
    });
    ServerStatus {
        identity: Reading::Value(serde_json::from_value(identity).unwrap()),
        privileges: Reading::Value(serde_json::from_value(privileges).unwrap()),
        settings: Reading::Value(serde_json::from_value(settings).unwrap()),
        system_identifier: Reading::Value(7),
        timeline: Reading::Value(crate::wal::TimelineId::FIRST),
        wal: Reading::No,
        archiver: Reading::No,
        waiting_to_archive: Reading::Value(0),
        clients: Reading::Value(Vec::new()),
        slots: Reading::Value(Vec::new()),
        tablespaces: Reading::Value(Vec::new()),
        size: Reading::No,
        included_files: Reading::No,
        hba_files: Reading::No,
    }
}

fn good() -> ServerStatus {
    let set = |value: &str| serde_json::json!({ "setting": value, "unit": null });
    status(serde_json::json!({
        "wal_level": set("replica"), "full_page_writes": set("on"), "max_wal_senders": set("10"),
        "max_replication_slots": set("10"), "archive_mode": set("on"), "archive_command": set("x"),
    }))
}

fn facts(status: ServerStatus) -> Facts {
    let sql =
        SqlFacts { status, private: true, auth_method: "scram-sha-256", clock_ahead: Some(0.0) };
    Facts { sql: Ok(sql), streaming: None, primary: None }
}

fn bad(lines: &[CheckLine]) -> Vec<(&'static str, Outcome)> {
    let bad = lines.iter().filter(|it| it.outcome != Outcome::Ok);
    bad.map(|it| (it.name, it.outcome)).collect()
}

#[test]
fn what_is_bad_says_why_it_matters_and_what_mends_it() {
    let mut all = Vec::new();
    let wanted = Wanted {
        slot: Some("s".to_owned()),
        archiver: true,
        streaming_archiver: false,
        standby: true,
    };
    all.extend(judge(&facts(status(serde_json::json!({}))), &wanted));
    let trouble = Trouble { problem: "no".to_owned(), remedy: Some("do".to_owned()) };
    let mut dark = facts(good());
    dark.streaming = Some(Err(trouble.clone()));
    dark.primary = Some(Err(trouble.clone()));
    all.extend(judge(&dark, &Wanted::default()));
    dark.sql = Err(trouble);
    all.extend(judge(&dark, &wanted));
    for remedy in [None, Some(" ".to_owned())] {
        dark.sql = Err(Trouble { problem: "no".to_owned(), remedy });
        all.extend(judge(&dark, &wanted));
    }
    assert!(all.len() > 20, "{all:?}");
    for line in all.iter().filter(|it| it.outcome != Outcome::Ok) {
        assert!(line.why.as_ref().is_some_and(|it| !it.is_empty()), "{line:?}");
        assert!(line.remedy.as_ref().is_some_and(|it| !it.is_empty()), "{line:?}");
    }
}

#[test]
fn a_server_in_order_has_nothing_bad() {
    let wanted = Wanted { streaming_archiver: true, ..Wanted::default() };
    assert_eq!(bad(&judge(&facts(good()), &wanted)), []);
}

#[test]
fn a_server_that_archives_by_itself_needs_no_element() {
    let set = |value: &str| serde_json::json!({ "setting": value, "unit": null });
    let cases = [
        ("on", "x", "archive_mode"),
        ("always", "x", "archive_mode"),
        ("on", "", "wal_archiving"),
        ("on", "(disabled)", "wal_archiving"),
        ("off", "x", "wal_archiving"),
    ];
    for (mode, command, line) in cases {
        let settings = serde_json::json!({
            "archive_mode": set(mode), "archive_command": set(command), "archive_library": set(""),
        });
        let lines = judge(&facts(status(settings)), &Wanted::default());
        let found = |name| lines.iter().any(|it| it.name == name);
        assert!(found(line), "{mode} {command:?}: {lines:?}");
        assert!(found("wal_archiving") != found("archive_mode"), "{mode} {command:?}: {lines:?}");
    }
}

#[test]
fn a_slot_is_looked_at_from_all_sides() {
    let slot = |active: bool, lsn: Option<&str>, wal_status: &str| {
        serde_json::json!([{
            "slot_name": "s", "slot_type": "physical", "active": active,
            "restart_lsn": lsn, "wal_status": wal_status, "safe_wal_size": null,
        }])
    };
    let cases = [
        (serde_json::json!([]), "there is no physical slot"),
        (slot(false, Some("0/1"), "lost"), "has lost WAL"),
        (slot(false, None, "reserved"), "was never used"),
        (slot(false, Some("0/1"), "reserved"), "nobody streams"),
        (slot(true, Some("0/1"), "unreserved"), "is about to lose"),
        (slot(true, Some("0/0"), "extended"), "is behind; 8192 MiB"),
        (slot(true, Some("1/FFFFFFFF"), "reserved"), "0 MiB"),
    ];
    for (slots, text) in cases {
        let mut status = good();
        status.slots = Reading::Value(serde_json::from_value(slots).unwrap());
        let wal = serde_json::json!({ "in_recovery": false, "lsn": "2/0", "now": 0.0 });
        status.wal = Reading::Value(serde_json::from_value(wal).unwrap());
        let wanted =
            Wanted { slot: Some("s".to_owned()), streaming_archiver: true, ..Wanted::default() };
        let lines = judge(&facts(status), &wanted);
        let line = lines.iter().find(|it| it.name == "replication_slot").unwrap();
        assert!(line.found.contains(text), "{text}: {line:?}");
    }
}

#[test]
fn what_is_full_is_bad_for_who_still_needs_it() {
    let client = serde_json::json!({ "pid": 1, "user": null, "slot": null, "details": null });
    let slot = |name: &str, active: bool| {
        serde_json::json!({
            "slot_name": name, "slot_type": "physical", "active": active,
            "restart_lsn": "0/1", "wal_status": "reserved", "safe_wal_size": null,
        })
    };
    let cases = [
        // Clients, slots; what becomes of the lines of senders and slots.
        (2, vec![slot("s", true)], Outcome::Ok, Outcome::Ok),
        (3, vec![slot("s", true)], Outcome::Warning, Outcome::Ok),
        (3, vec![slot("s", false)], Outcome::Failed, Outcome::Ok),
        (3, vec![], Outcome::Failed, Outcome::Ok),
        (0, vec![slot("s", true), slot("x", true)], Outcome::Ok, Outcome::Ok),
        (0, vec![slot("x", true), slot("y", false)], Outcome::Ok, Outcome::Failed),
    ];
    for (clients, slots, senders_are, slots_are) in cases {
        let set = |value: &str| serde_json::json!({ "setting": value, "unit": null });
        let settings = serde_json::json!({
            "max_wal_senders": set("3"), "max_replication_slots": set("2"),
        });
        let mut status = status(settings);
        let clients = serde_json::Value::Array(vec![client.clone(); clients]);
        status.clients = Reading::Value(serde_json::from_value(clients).unwrap());
        status.slots = Reading::Value(serde_json::from_value(slots.into()).unwrap());
        let mut facts = facts(status);
        let trouble = Trouble { problem: "no".to_owned(), remedy: Some("do".to_owned()) };
        facts.streaming = Some(Err(trouble));
        let wanted =
            Wanted { slot: Some("s".to_owned()), streaming_archiver: true, ..Wanted::default() };
        let lines = judge(&facts, &wanted);
        let outcome = |name| lines.iter().find(|it| it.name == name).unwrap().outcome;
        assert_eq!(outcome("max_wal_senders"), senders_are, "{lines:?}");
        assert_eq!(outcome("max_replication_slots"), slots_are, "{lines:?}");
    }
}

#[test]
fn a_standby_is_archived_by_itself_or_by_its_primary() {
    let set = |value: &str| serde_json::json!({ "setting": value, "unit": null });
    let server = |mode: &str| {
        status(serde_json::json!({ "archive_mode": set(mode), "archive_command": set("x") }))
    };
    let cases = [
        // Modes of the standby and of the primary, if that is known.
        ("on", None, Outcome::Failed),
        ("on", Some("on"), Outcome::Ok),
        ("on", Some("off"), Outcome::Failed),
        ("off", Some("always"), Outcome::Ok),
        ("always", None, Outcome::Ok),
        ("always", Some("off"), Outcome::Ok),
    ];
    for (standby, primary, outcome) in cases {
        let mut facts = facts(server(standby));
        facts.primary = primary.map(|mode| Ok(server(mode)));
        let wanted = Wanted { archiver: true, standby: true, ..Wanted::default() };
        let lines = judge(&facts, &wanted);
        let line = lines.iter().find(|it| it.name == "archive_mode").unwrap();
        assert_eq!(line.outcome, outcome, "{standby} {primary:?}: {line:?}");
    }
}

#[test]
fn what_is_unknown_is_neither_good_nor_bad() {
    let mut status = good();
    status.waiting_to_archive = Reading::Unknown(Why::Privilege("pg_monitor".to_owned()));
    let wanted = Wanted { archiver: true, ..Wanted::default() };
    let lines = judge(&facts(status), &wanted);
    let line = lines.iter().find(|it| it.name == "archive_backlog").unwrap();
    assert_eq!(line.outcome, Outcome::Warning);
    assert!(
        line.found.contains("pg_monitor") && line.remedy.as_ref().unwrap().contains("grant-sql")
    );
}
