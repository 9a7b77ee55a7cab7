//! Standbys that archive too, and new timelines.

use std::fs;

use hayloft_tests::postgres::Postgres;

use super::{
    archiving::{copy, load},
    ground::{Ground, PLAIN, archive_all, check_archive, done, wait_for},
};

/// Starts a standby of a server on a copy of its files, which archives into
/// the same archive.
fn standby(primary: &mut Postgres, ground: &Ground) -> Postgres {
    primary.stop();
    let copy = copy(primary, ground);
    primary.start_again();
    let connection = format!(
        "host={} port={} user={}",
        primary.socket_dir().display(),
        primary.port(),
        primary.user()
    );
    let mut standby = ground
        .archiving()
        .setting("archive_mode", "always")
        .setting("primary_conninfo", &connection)
        .setting("restore_command", &ground.line("get main %f %p"))
        .start();
    standby.stop();
    fs::remove_dir_all(standby.data_dir()).unwrap();
    fs::rename(copy, standby.data_dir()).unwrap();
    let signal = standby.data_dir().join("standby.signal");
    fs::write(&signal, "").unwrap();
    ground.give(&signal);
    standby.start_again();
    standby
}

#[test]
fn a_primary_and_its_standby_archive_the_same_and_a_promotion_begins_a_timeline() {
    let mut ground = Ground::new(PLAIN);
    let mut primary = ground.archiving().initdb("--wal-segsize=1").start();
    ground.belong_to(&primary);
    primary.pgbench("bench", 1);
    archive_all(&primary);
    let standby = standby(&mut primary, &ground);
    load(&primary, 6).wait().unwrap();
    let last = archive_all(&primary);
    // What the standby got by streaming, it archives too: the same content.
    wait_for("the standby's archiving", || done(&standby).contains(&last));
    let failed = standby.sql("postgres", "SELECT failed_count FROM pg_stat_archiver");
    assert_eq!(failed, "0", "{}", standby.log());
    assert!(check_archive(&ground, &primary) > 5);
    assert!(check_archive(&ground, &standby) > 2);

    primary.stop();
    standby.sql("postgres", "SELECT pg_promote()");
    let last = archive_all(&standby);
    assert!(last.starts_with("00000002"), "{last}");
    let all = done(&standby);
    assert!(all.contains(&"00000002.history".to_owned()), "{all:?}");
    check_archive(&ground, &standby);
    let stored = ground.stored("disk");
    assert!(stored.contains(&"main/wals/00000002.history".to_owned()), "{stored:?}");
    let first = stored.iter().find(|it| it.contains("wals/00000002000000")).unwrap();
    assert_eq!(first.rsplit_once('.').unwrap().1, "zst", "{first}");
}

#[test]
fn a_second_server_that_thinks_it_is_the_same_is_stopped() {
    let mut ground = Ground::new(PLAIN);
    let mut server = ground.archiving().initdb("--wal-segsize=1").start();
    ground.belong_to(&server);
    server.pgbench("bench", 1);
    archive_all(&server);
    server.stop();
    let copy = copy(&server, &ground);
    let mut twin = ground.archiving().initdb("--wal-segsize=1").start();
    twin.stop();
    fs::remove_dir_all(twin.data_dir()).unwrap();
    fs::rename(copy, twin.data_dir()).unwrap();
    server.start_again();
    twin.start_again();
    // Both write to the same segments now, each its own.
    server.sql("postgres", "CREATE TABLE ours AS SELECT generate_series(1, 1000)");
    archive_all(&server);
    twin.sql("postgres", "CREATE TABLE theirs AS SELECT generate_series(1, 1000)");
    twin.sql("postgres", "SELECT pg_switch_wal()");
    wait_for("a refusal", || {
        twin.sql("postgres", "SELECT failed_count FROM pg_stat_archiver") != "0"
    });
    assert!(twin.log().contains("has other content"), "{}", twin.log());
    check_archive(&ground, &server);
}
