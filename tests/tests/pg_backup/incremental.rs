//! Incremental backups, and restores onto what is there.

use std::fs;

use super::{
    ground::{Ground, ONE},
    restored::Restored,
};

const SUM: &str = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM pgbench_accounts AS t";

fn size(ground: &Ground, id: &str) -> u64 {
    ground.parts("disk", id).iter().map(|it| fs::metadata(it).unwrap().len()).sum()
}

#[test]
fn a_chain_of_incremental_backups_is_restored_like_a_full_one() {
    let ground = Ground::new(ONE);
    ground.server.pgbench("bench", 1);
    let full = ground.backup(&[]);
    let mut last = full.clone();
    for round in 1..=3 {
        let change =
            format!("UPDATE pgbench_accounts SET abalance = {round} WHERE aid % 20000 = {round}");
        ground.server.sql("bench", &change);
        let report = ground.pg(&["backup", "main", "--fast", "--json", "--incremental"]).exits(0);
        let report = report.json();
        assert_eq!(report["parent"], *last);
        last = report["id"].as_str().unwrap().to_owned();
        assert!(size(&ground, &last) < size(&ground, &full) / 2, "{report}");
    }
    // The first one as well.
    let parent = ["backup", "main", "--fast", "--json", "--parent", &full];
    assert_eq!(ground.pg(&parent).exits(0).json()["parent"], *full);
    ground.archive_all();
    let expected = ground.server.sql("bench", SUM);
    let restored = Restored::restore(&ground, "copy", &["--backup", &last]).promoted();
    assert_eq!(restored.sql_in("bench", SUM), expected);
    restored.is_sound();
}

#[test]
fn only_what_differs_is_written_onto_what_is_there() {
    let ground = Ground::new(ONE);
    let space = ground.path("space");
    fs::create_dir(&space).unwrap();
    ground.give(&space);
    ground.sql(&format!("CREATE TABLESPACE fast LOCATION '{}'", space.display()));
    ground.sql("CREATE TABLE there TABLESPACE fast AS SELECT generate_series(1, 1000) AS a");
    ground.server.pgbench("bench", 1);
    ground.backup(&[]);
    let map = format!("fast={}", ground.path("space-copy").display());
    let expected = ground.server.sql("bench", SUM);
    let restored = Restored::restore(&ground, "copy", &["--tablespace", &map]).promoted();
    assert_eq!(restored.sql("SELECT count(*) FROM there"), "1000");
    // It lives a life of its own, and loses some files.
    restored.sql_in("bench", "UPDATE pgbench_accounts SET abalance = 7 WHERE aid < 500");
    restored.sql("DROP TABLE there; CREATE TABLE other AS SELECT 1 AS a");
    restored.sql("SELECT pg_switch_wal()");
    restored.stop();
    let data = restored.data().to_owned();
    fs::remove_dir_all(data.join("base/1")).unwrap();
    fs::write(data.join("base/4711"), "rubbish").unwrap();
    let words = ["restore", "main", "$DIR/copy", "--delta", "--json", "--tablespace", &map];
    let report = ground.pg(&words).exits(0).json();
    assert!(report["written"].as_u64() < report["size"].as_u64().map(|it| it / 2), "{report}");
    assert!(!data.join("base/4711").exists());
    let restored = restored.promoted();
    assert_eq!(restored.sql_in("bench", SUM), expected);
    assert_eq!(restored.sql("SELECT count(*) FROM there"), "1000");
    assert_eq!(restored.sql("SELECT to_regclass('other') IS NULL"), "t");
    restored.is_sound();
}

#[test]
fn one_database_alone_can_be_restored() {
    let ground = Ground::new(ONE);
    ground.server.pgbench("bench", 1);
    ground.server.create_database("big");
    ground.server.sql("big", "CREATE TABLE t AS SELECT generate_series(1, 100000) AS a");
    ground.backup(&[]);
    let words = ["restore", "main", "$DIR/copy", "--database", "bench", "--json"];
    let report = ground.pg(&words).exits(7).json();
    assert!(report["written"].as_u64() < report["size"].as_u64(), "{report}");
    ground
        .pg(&["restore", "main", "$DIR/x", "--database", "nobody"])
        .exits(1)
        .complains("bench, big");
    let expected = ground.server.sql("bench", SUM);
    let restored = Restored::at(&ground, "copy").promoted();
    assert_eq!(restored.sql_in("bench", SUM), expected);
    restored.sql("DROP DATABASE big");
}
