//! What restored servers do to the ones that they are copies of.

use std::fs;

use hayloft_tests::postgres::{Postgres, backed_up_versions};

use super::{
    ground::{archive_all, wait_for},
    setting::{Setting, is_anybody_in},
};

#[test]
fn a_server_of_each_version_is_proven_restorable() {
    for programs in backed_up_versions() {
        let setting = Setting::new("", |it| it.programs(&programs));
        setting.server.pgbench("bench", 1);
        setting.backup();
        setting.server.sql("bench", "UPDATE pgbench_branches SET bbalance = 17");
        archive_all(&setting.server);
        // Where amcheck is not installed, it says so.
        let extension = programs.directory().join("../share/postgresql/extension/amcheck.control");
        let debian = format!("/usr/share/postgresql/{}/extension", programs.major());
        let there = extension.exists() || fs::exists(format!("{debian}/amcheck.control")).unwrap();
        let assertion = "<assertion><database>bench</database>\
                         <sql>SELECT sum(bbalance) = 17 FROM pgbench_branches</sql></assertion>";
        setting.configure(assertion);
        let report = setting.drill(if there { 0 } else { 7 }, &[]);
        assert_eq!(report["proven"], true, "{report}");
        assert!(report["recovery_seconds"].as_f64().unwrap() > 0.0);
        assert!(report["data_loss_seconds"].as_f64().unwrap() >= 0.0);
        assert!(report["last_transaction"].is_string());
    }
}

#[test]
fn nothing_comes_into_the_archive_of_production() {
    let setting = Setting::new("", |it| it);
    setting.server.pgbench("bench", 1);
    setting.backup();
    // The file that beats every other one archives as well.
    let last = archive_all(&setting.server);
    let before = setting.ground.stored("disk");
    let report = setting.drill(0, &[]);
    assert_eq!(report["proven"], true);
    assert_eq!(setting.ground.stored("disk"), before);
    assert!(before.iter().any(|it| it.contains(&last)));
    assert!(!before.iter().any(|it| it.contains(".history")), "{before:?}");
}

#[test]
fn a_tablespace_of_production_is_not_touched() {
    let setting = Setting::new("", |it| it);
    let server = &setting.server;
    let place = setting.ground.path("space");
    fs::create_dir(&place).unwrap();
    setting.ground.give(&place);
    server.sql("postgres", &format!("CREATE TABLESPACE fast LOCATION '{}'", place.display()));
    server.sql("postgres", "CREATE TABLE t TABLESPACE fast AS SELECT generate_series(1, 10) AS a");
    setting.backup();
    archive_all(server);
    // What it would do to the table, were it the same.
    setting.configure("<assertion><sql>SELECT count(*) = 10 FROM t</sql></assertion>");
    setting.drill(0, &[]);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM t"), "10");
    assert!(fs::read_dir(&place).unwrap().count() == 1);
}

#[test]
fn a_subscription_takes_nothing_from_its_publisher() {
    let publisher = Postgres::options().setting("wal_level", "logical").start();
    publisher.sql("postgres", "CREATE TABLE t (a int); CREATE PUBLICATION p FOR TABLE t");
    let mut setting = Setting::new("", |it| it.setting("wal_level", "logical"));
    let from = format!(
        "host={} port={} user=postgres dbname=postgres",
        publisher.socket_dir().display(),
        publisher.port()
    );
    setting.server.sql("postgres", "CREATE TABLE t (a int)");
    setting
        .server
        .sql("postgres", &format!("CREATE SUBSCRIPTION s CONNECTION '{from}' PUBLICATION p"));
    wait_for("the subscription", || {
        publisher.sql("postgres", "SELECT count(*) FROM pg_replication_slots WHERE active") == "1"
    });
    setting.backup();
    archive_all(&setting.server);
    setting.server.stop();
    let slot = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 's'";
    publisher.sql("postgres", "INSERT INTO t VALUES (1), (2)");
    let before = publisher.sql("postgres", slot);
    setting.drill(0, &[]);
    assert_eq!(publisher.sql("postgres", slot), before);
    setting.server.start_again();
    wait_for("what was published", || {
        setting.server.sql("postgres", "SELECT count(*) FROM t") == "2"
    });
}

#[test]
fn a_limit_that_was_raised_after_the_backup_does_not_pause_it() {
    let mut setting = Setting::new("", |it| it.setting("max_connections", "30"));
    setting.backup();
    setting.server.stop();
    setting.server.set("max_connections", "90");
    setting.server.start_again();
    setting.server.sql("postgres", "CREATE TABLE late AS SELECT 1 AS a");
    archive_all(&setting.server);
    setting.configure("<assertion><sql>SELECT count(*) = 1 FROM late</sql></assertion>");
    setting.drill(0, &[]);
}

#[test]
fn prepared_transactions_are_no_hindrance() {
    let setting = Setting::new("", |it| it.setting("max_prepared_transactions", "400"));
    setting.server.sql("postgres", "CREATE TABLE t (a int)");
    setting.backup();
    // More than there is room for without being told.
    for number in 0..210 {
        let sql =
            format!("BEGIN; INSERT INTO t VALUES ({number}); PREPARE TRANSACTION 'p{number}'");
        setting.server.sql("postgres", &sql);
    }
    archive_all(&setting.server);
    setting.configure(
        "<assertion><sql>SELECT count(*) = 210 FROM pg_prepared_xacts</sql></assertion>",
    );
    setting.drill(0, &[]);
}

#[test]
fn what_a_killed_drill_leaves_the_next_one_ends() {
    let setting = Setting::new("", |it| it);
    setting.server.pgbench("bench", 1);
    setting.backup();
    archive_all(&setting.server);
    for pause in [200, 700, 1500, 3000] {
        let mut child = setting.hayloft(&["pg", "drill", "main"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    setting.drill(0, &[]);
    wait_for("everybody has left", || !is_anybody_in(&setting.ground.path("drills")));
}
