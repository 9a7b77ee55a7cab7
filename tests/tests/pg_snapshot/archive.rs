//! A backup is good when its WAL is archived, and not before.

use std::time::{Duration, Instant};

use hayloft_tests::postgres::Postgres;

use super::setting::{Archive, Setting, archiving};

#[test]
fn a_failing_archiver_is_told_with_what_it_fails_with() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    setting.begin();
    archive.break_it();
    setting.server.sql("postgres", "SELECT pg_switch_wal()");
    let began = Instant::now();
    let output = setting.snapshot(&["end", "main", "--wait", "3s", "--json"]).exits(1);
    output.complains("the backup cannot be used yet").complains("the archiver fails with 0000");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let record = output.json();
    assert_eq!(record["phase"], "incomplete");
    assert_eq!(record["archive"]["state"], "missing");
    setting.snapshot(&["status", "main"]).exits(1).says("incomplete");
    setting.snapshot(&["end", "main"]).exits(1).complains("the backup cannot be used yet");
}

#[test]
fn an_archive_that_comes_late_is_waited_for() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    setting.begin();
    archive.break_it();
    let end = ["--config", "hayloft.xml", "pg", "snapshot", "end", "main", "--json"];
    let child = setting.sandbox.spawn(&end);
    setting.reaches("archiving");
    archive.mend();
    let record = setting.sandbox.wait(child).exits(0).json();
    assert_eq!(record["archive"]["state"], "archived");
}

#[test]
fn a_server_that_archives_nothing_is_a_warning() {
    let setting = Setting::new(Postgres::start());
    setting.begin();
    let output = setting.snapshot(&["end", "main", "--json"]).exits(7);
    let record = output.json();
    assert_eq!(record["phase"], "complete");
    assert_eq!(record["archive"]["why"], "archive_mode is off");
}

#[test]
fn a_role_with_few_rights_will_do() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    setting.server.sql(
        "postgres",
        "CREATE ROLE few LOGIN; GRANT EXECUTE ON FUNCTION pg_backup_start(text, bool), \
         pg_backup_stop(bool) TO few",
    );
    let text = setting.sandbox.read("hayloft.xml").replace("user=postgres", "user=few");
    setting.sandbox.write("hayloft.xml", &text);
    setting.begin();
    let record = setting.snapshot(&["end", "main", "--json"]).exits(0).json();
    assert_eq!(record["archive"]["state"], "archived");
    setting
        .server
        .sql("postgres", "REVOKE EXECUTE ON FUNCTION pg_backup_start(text, bool) FROM few");
    setting.snapshot(&["begin", "main"]).exits(1).complains("permission denied");
}
