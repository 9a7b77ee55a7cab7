//! Backups of standbys.

use std::{fs, process::Command};

use hayloft_tests::postgres::Postgres;

use super::{
    faults::begin,
    ground::{Ended, Ground, ONE, wait_for},
    restored::Restored,
};

const SUM: &str = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM pgbench_accounts AS t";

fn connection(server: &Postgres) -> String {
    let (host, port) = (server.socket_dir(), server.port());
    format!("host={} port={port} user={}", host.display(), server.user())
}

/// Without whole pages in the WAL no backup of a standby could be used.
fn primary() -> Ground {
    Ground::with(ONE, |it| it.setting("full_page_writes", "on"))
}

/// Makes a standby of the ground's server, and configures that as the server.
fn standby_of(ground: &Ground) -> Postgres {
    let primary = &ground.server;
    let options = Postgres::options().setting("primary_conninfo", &connection(primary));
    let mut standby = options.start();
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
    let here = format!("{} dbname=postgres", connection(&standby));
    let there = format!("{} dbname=postgres", connection(primary));
    let elements = format!("</conninfo><primary_conninfo>{there}</primary_conninfo>");
    ground.configure(&ONE.replace("$CONNINFO", &here).replace("</conninfo>", &elements));
    standby
}

fn caught_up(ground: &Ground, standby: &Postgres) {
    let position = ground.sql("SELECT pg_current_wal_lsn()");
    let reached = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    wait_for("the standby's replay", || standby.sql("postgres", &reached) == "t");
}

#[test]
fn a_backup_of_a_standby_is_done_when_its_primary_has_archived() {
    let ground = primary();
    let standby = standby_of(&ground);
    ground.server.pgbench("bench", 1);
    caught_up(&ground, &standby);
    for method in ["local", "stream"] {
        let id = ground.backup(&["--method", method]);
        assert!(ground.info("disk", &id).contains("status=DONE"), "{method}");
    }
    ground.archive_all();
    let expected = ground.server.sql("bench", SUM);
    for (number, id) in ground.ids("disk").iter().enumerate() {
        let copy = format!("copy{number}");
        let restored = Restored::restore(&ground, &copy, &["--backup", id]).promoted();
        assert_eq!(restored.sql_in("bench", SUM), expected);
        restored.is_sound();
    }
}

#[test]
fn a_promotion_in_the_middle_makes_a_backup_void() {
    let ground = primary();
    let standby = standby_of(&ground);
    let child = begin(&ground);
    assert_eq!(standby.sql("postgres", "SELECT pg_promote()"), "t");
    let ended = Ended::of(&child.wait_with_output().unwrap()).exits(1);
    ended.complains("the standby was promoted while the backup ran");
    let id = ground.ids("disk").remove(0);
    let info = ground.info("disk", &id);
    assert!(info.contains("status=FAILED") && info.contains("error=the standby was"), "{info}");
    assert!(ground.parts("disk", &id).is_empty());
    ground.pg(&["restore", "main", "$DIR/x"]).exits(1).complains("no backup that can be restored");
}
