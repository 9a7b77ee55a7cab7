//! Backups of standbys.

use std::{fs, process::Command};

use hayloft_tests::{
    Sandbox,
    postgres::{Options, Postgres},
};

use super::setting::{Archive, archiving, conninfo, copy, restore, sandbox_for, snapshot, within};

/// Makes a standby that follows a server.
fn standby_of(primary: &Postgres, options: Options) -> Postgres {
    let follow = conninfo(primary).replace(" dbname=postgres", "");
    let mut standby = options.setting("primary_conninfo", &follow).start();
    standby.stop();
    let data = standby.data_dir();
    let aside = standby.directory().join("aside");
    fs::rename(&data, &aside).unwrap();
    let mut command = primary.command("pg_basebackup");
    command.args(["--checkpoint=fast", "--no-sync", "-D"]).arg(&data);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(data.join("standby.signal"), "").unwrap();
    let owned = Command::new("chown").arg("-R").arg("--reference").arg(&aside).arg(&data).status();
    assert!(owned.unwrap().success());
    standby.start_again();
    standby
}

fn both(archive: &Archive) -> (Postgres, Postgres) {
    let primary = archiving(archive).start();
    primary.sql("postgres", "CREATE TABLE t AS SELECT generate_series(1, 1000) AS a");
    let fetch = format!("cp {}/%f %p", archive.path().display());
    let options = archiving(archive).setting("restore_command", &fetch);
    let standby = standby_of(&primary, options);
    (primary, standby)
}

fn record(sandbox: &Sandbox, arguments: &[&str], code: i32) -> serde_json::Value {
    snapshot(sandbox, arguments).exits(code).json()
}

#[test]
fn a_backup_of_a_standby_waits_for_the_archive_of_its_primary() {
    let archive = Archive::new();
    let (primary, mut standby) = both(&archive);
    let to_primary = format!("<primary_conninfo>{}</primary_conninfo>", conninfo(&primary));
    let sandbox = sandbox_for(&standby, &to_primary);
    let begun = record(&sandbox, &["begin", "main", "--json"], 0);
    assert_eq!(begun["standby"], true);
    primary.sql("postgres", "INSERT INTO t SELECT generate_series(1001, 2000)");
    let taken = sandbox.path("copy");
    copy(&standby, &taken);
    let ended = record(&sandbox, &["end", "main", "--json"], 0);
    assert_eq!(ended["archive"]["state"], "archived", "{ended}");
    let last = ended["stop_wal"].as_str().unwrap();
    assert!(archive.path().join(last).exists());

    standby.stop();
    fs::remove_file(taken.join("standby.signal")).unwrap();
    let label = sandbox.path(".local/state/hayloft/postgres/main");
    restore(&mut standby, &taken, &label, archive.path());
    assert!(within(|| standby.sql("postgres", "SELECT pg_is_in_recovery()") == "f"));
    assert!(standby.sql("postgres", "SELECT count(*) FROM t").parse::<u32>().unwrap() >= 1000);
}

#[test]
fn without_its_primary_nobody_knows_whether_the_wal_is_kept() {
    let archive = Archive::new();
    let (_primary, standby) = both(&archive);
    let sandbox = sandbox_for(&standby, "");
    record(&sandbox, &["begin", "main", "--json"], 0);
    let ended = record(&sandbox, &["end", "main", "--json"], 7);
    assert_eq!(ended["archive"]["state"], "unchecked", "{ended}");
}

#[test]
fn a_promotion_meanwhile_makes_the_backup_void() {
    let archive = Archive::new();
    let (_primary, standby) = both(&archive);
    let sandbox = sandbox_for(&standby, "");
    record(&sandbox, &["begin", "main", "--json"], 0);
    standby.sql("postgres", "SELECT pg_promote()");
    let output = snapshot(&sandbox, &["end", "main"]).exits(1);
    output.complains("the backup is void").complains("promoted");
}

#[test]
fn a_promotion_is_noticed_without_being_asked() {
    let archive = Archive::new();
    let (_primary, standby) = both(&archive);
    let sandbox = sandbox_for(&standby, "");
    record(&sandbox, &["begin", "main", "--json"], 0);
    standby.sql("postgres", "SELECT pg_promote()");
    let failed = || snapshot(&sandbox, &["status", "main", "--json"]).json();
    assert!(within(|| failed()["phase"] == "failed"));
    assert!(failed()["reason"].as_str().unwrap().contains("promoted"));
}
