//! What else goes wrong with restored servers: that their own settings, files
//! and roles count, that limits are too low, that a storage is away.

use std::fs;

use hayloft_test_servers::{ACCESS_KEY, BUCKET, Fault, Proxy, S3Server, SECRET_KEY};

use super::{
    ground::{Ended, archive_all},
    setting::Setting,
};

/// What the drill is to find, and that it works on a timeline of its own.
const THERE: &str = "<assertion><database>bent</database>\
    <sql>SELECT count(*) = 2 FROM public.t</sql></assertion><assertion>\
    <sql>SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) = '00000002'</sql></assertion>";

/// Settings of the original that would keep a copy from recovering, stop it
/// early, or let it run something. They are in the file that beats all others.
fn bend(setting: &Setting, told: &str) {
    let touch = format!("touch {told}");
    for (name, value) in [
        ("restore_command", ""),
        ("recovery_target_name", "nobody-made-it"),
        ("recovery_target_action", "shutdown"),
        ("recovery_target_timeline", "current"),
        ("recovery_min_apply_delay", "1h"),
        ("recovery_end_command", &touch),
        ("archive_cleanup_command", &touch),
        ("primary_conninfo", "host=/nowhere"),
        ("primary_slot_name", "of_production"),
        ("hot_standby", "on"),
        ("default_transaction_read_only", "on"),
        ("restart_after_crash", "off"),
    ] {
        setting.server.sql("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"));
    }
}

/// Files that decide how a server starts, as other programs and old releases
/// leave them.
fn litter(setting: &Setting) {
    let data = setting.server.data_dir();
    for name in ["recovery.conf", "recovery.done", "recovery.signal", "standby.signal"] {
        fs::write(data.join(name), "").unwrap();
        setting.ground.give(&data.join(name));
    }
}

#[test]
fn neither_settings_nor_files_of_the_original_bend_the_recovery() {
    let setting = Setting::new("", |it| {
        // Higher than what a scratch server has, each checked by a replay.
        it.setting("max_connections", "150")
            .setting("max_worker_processes", "30")
            .setting("max_wal_senders", "20")
            .setting("max_locks_per_transaction", "300")
    });
    let told = setting.ground.path("told");
    let sql = |database: &str, sql: &str| setting.server.sql(database, sql);
    setting.server.create_database("bent");
    sql("bent", "CREATE TABLE t AS SELECT 1 AS a");
    bend(&setting, told.to_str().unwrap());
    litter(&setting);
    setting.backup();
    sql("bent", "INSERT INTO t VALUES (2)");
    for it in
        ["statement_timeout = 1", "search_path = nowhere", "default_transaction_read_only = on"]
    {
        let user = setting.server.user();
        sql("postgres", &format!("ALTER DATABASE bent SET {it}"));
        sql("postgres", &format!("ALTER ROLE {user} IN DATABASE bent SET {it}"));
    }
    archive_all(&setting.server);
    setting.configure(THERE);
    let report = setting.drill(0, &[]);
    assert_eq!(report["proven"], true, "{report}");
    assert!(!told.exists());
}

/// A restore point behind a gap is not reached, and said so; nor is a time
/// that is yet to come, or one before the backup was consistent.
#[test]
fn no_target_is_reached_by_chance() {
    let setting = Setting::new("", |it| it);
    let sql = |sql: &str| setting.server.sql("postgres", sql);
    let early = sql("SELECT now()");
    setting.backup();
    sql("CREATE TABLE t (a int)");
    let gone = archive_all(&setting.server);
    sql("SELECT pg_create_restore_point('behind')");
    archive_all(&setting.server);
    let refused = |words: &[&str], complaint: &str| {
        let output = setting.hayloft(&[&["pg", "drill", "main"], words].concat()).output().unwrap();
        let ended = Ended::of(&output).exits(1);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains(complaint), "{complaint:?} is not in:\n{said}");
        assert!(setting.left().is_empty());
    };
    refused(&["--target-time", "2999-01-01 00:00:00"], "has not come yet");
    refused(&["--target-time", &early], "comes before the end of");
    refused(&["--target-time", &early, "--target-name", "behind"], "two targets");
    setting.drill(0, &["--target-name", "behind"]);
    fs::remove_file(setting.archived(&gone)).unwrap();
    let report = setting.drill(1, &["--target-name", "behind"]);
    let problem = report["problem"].as_str().unwrap();
    assert!(problem.contains("before configured recovery target was reached"), "{report}");
}

/// A path that is too long for a socket is no hindrance.
#[test]
fn a_long_way_to_the_directory_is_no_hindrance() {
    let setting = Setting::new("", |it| it);
    setting.backup();
    archive_all(&setting.server);
    let deep = format!("drills/{}", "deep".repeat(30));
    let path = setting.ground.path("hayloft.conf");
    let text = fs::read_to_string(&path).unwrap();
    let moved = text.replace("/drills</directory>", &format!("/{deep}</directory>"));
    fs::write(&path, moved).unwrap();
    let output = setting.hayloft(&["pg", "drill", "main"]).output().unwrap();
    Ended::of(&output).exits(0);
    assert_eq!(fs::read_dir(setting.ground.path(deep)).unwrap().count(), 0);
}

/// The server takes "not there" for the end of the archive, and opens.
#[test]
fn a_storage_that_does_not_answer_is_not_the_end_of_the_archive() {
    let bucket = S3Server::start();
    let proxy = Proxy::start(bucket.address());
    let setting = Setting::new("", |it| it);
    let path = setting.ground.path("hayloft.conf");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<storage><name>disk</name><type>").unwrap();
    let (_, after) = rest.split_once("</storage>").unwrap();
    let storage = format!(
        "<storage><name>disk</name><type>s3</type><endpoint>{}</endpoint><bucket>{BUCKET}</bucket>\
         <region>us-east-1</region><access_key_id>{ACCESS_KEY}</access_key_id>\
         <password>{SECRET_KEY}</password><retries>0</retries></storage>",
        proxy.endpoint()
    );
    fs::write(&path, format!("{before}{storage}{after}")).unwrap();
    setting.server.sql("postgres", "CREATE TABLE t AS SELECT 1 AS a");
    setting.backup();
    setting.server.sql("postgres", "INSERT INTO t VALUES (2)");
    let last = archive_all(&setting.server);
    setting.drill(0, &[]);
    for fault in [Fault::Status(503, "SlowDown"), Fault::Status(403, "AccessDenied"), Fault::Drop] {
        let (name, before) = (last.clone(), proxy.faults());
        proxy.plan(move |call| {
            if call.path.contains(&name) && call.method == "GET" { fault } else { Fault::None }
        });
        let report = setting.drill(1, &[]);
        assert!(proxy.faults() > before, "{fault:?}");
        let problem = report["problem"].as_str().unwrap();
        assert!(problem.contains("did not get a file of WAL"), "{report}");
    }
}
