//! What is refused, and that nothing is changed then.

use std::fs;

use super::{
    ground::{Ground, ONE},
    restored::Restored,
};

#[test]
fn a_restore_harms_nobody() {
    let ground = Ground::new(ONE);
    let space = ground.path("space");
    fs::create_dir(&space).unwrap();
    ground.give(&space);
    ground.sql(&format!("CREATE TABLESPACE fast LOCATION '{}'", space.display()));
    let nothing = ground.pg(&["restore", "main", "$DIR/copy"]).exits(1);
    nothing.complains("there is no backup that can be restored");
    let id = ground.backup(&[]);
    let running = ground.server.data_dir().to_str().unwrap().to_owned();
    let foreign = hayloft_tests::postgres::Postgres::start();
    let elsewhere = foreign.data_dir().to_str().unwrap().to_owned();
    let inside = format!("fast={}", ground.path("copy/space").display());
    fs::create_dir(ground.path("full")).unwrap();
    fs::write(ground.path("full/file"), "mine").unwrap();
    ground.give(&ground.path("full"));
    let cases: [(&[&str], &str); 12] = [
        (&[&running], "a server runs on"),
        (&[&running, "--delta"], "a server runs on"),
        (&["$DIR/full"], "is not empty"),
        (&["$DIR/full", "--delta"], "is not empty"),
        (&["$DIR/copy"], "where tablespace fast was, is not empty"),
        (&["$DIR/copy", "--tablespace", &inside], "tablespace fast would be in"),
        (&["$DIR/copy", "--tablespace", "slow=/x"], "no tablespace `slow`"),
        (&["$DIR/copy", "--target-lsn", "0/1", "--target-xid", "800"], "two targets"),
        (&["$DIR/copy", "--target-lsn", "0/1"], "comes before the end of"),
        (&["$DIR/copy", "--target-time", "2000-01-01 00:00:00"], "comes before the end of"),
        (&["$DIR/copy", "--target-time", "2999-01-01 00:00:00"], "has not come yet"),
        (&["$DIR/copy", "--backup", "20200101T000000"], "there is no backup 2020"),
    ];
    for (words, complaint) in cases {
        let words = [&["restore", "main"], words].concat();
        ground.pg(&words).exits(1).complains(complaint);
        assert!(!ground.path("copy").exists(), "{words:?}");
    }
    // The other cluster's files are not ours to read unless its account is.
    let ended = ground.pg(&["restore", "main", &elsewhere, "--delta"]).exits(1);
    assert!(foreign.sql("postgres", "SELECT 1") == "1", "{ended:?}");
    assert_eq!(fs::read_to_string(ground.path("full/file")).unwrap(), "mine");
    assert_eq!(ground.sql("SELECT 1"), "1");
    let _ = id;
}

/// As by PostgreSQL's own tools.
#[test]
fn directories_that_are_missing_above_the_target_are_made() {
    let ground = Ground::new(ONE);
    let space = ground.path("space");
    fs::create_dir(&space).unwrap();
    ground.give(&space);
    ground.sql(&format!("CREATE TABLESPACE fast LOCATION '{}'", space.display()));
    ground.sql("CREATE TABLE t TABLESPACE fast AS SELECT generate_series(1, 10) AS a");
    ground.backup(&[]);
    let map = format!("fast={}", ground.path("other/disk/fast").display());
    let words = ["--tablespace", &map];
    let restored = Restored::restore(&ground, "some/where/else", &words).promoted();
    assert_eq!(restored.sql("SELECT count(*) FROM t"), "10");
    drop(restored);
    // Where that is not allowed, it says so, and makes nothing.
    let words = ["restore", "main", "/proc/some/where", "--tablespace", &map];
    fs::remove_dir_all(ground.path("other")).unwrap();
    ground.pg(&words).exits(1).complains("cannot make /proc/some");
    assert!(!ground.path("other").exists());
}

#[test]
fn an_archive_of_another_cluster_gets_no_backup() {
    let ground = Ground::new(ONE);
    ground.backup(&[]);
    let identity = ground.path("disk/main/identity.json");
    let text = fs::read_to_string(&identity).unwrap();
    fs::write(&identity, text.replace("\"systemid\":\"", "\"systemid\":\"9")).unwrap();
    ground.pg(&["backup", "main", "--fast"]).exits(1).complains("is of another cluster");
    assert_eq!(ground.ids("disk").len(), 1);
}
