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

/// Changes a row on each hundredth page, and nothing else.
fn scatter(ground: &Ground, offset: u32) {
    ground.sql(&format!(
        "UPDATE wide SET a = -a WHERE ctid IN (SELECT format('(%s,1)', b)::tid FROM \
         generate_series({offset}, pg_relation_size('wide') / 8192 - 1, 100) AS b)"
    ));
    ground.sql("CHECKPOINT");
}

fn stored(ground: &Ground, more: &[&str]) -> (String, u64) {
    let words = [&["backup", "main", "--fast", "--json"], more].concat();
    let report = ground.pg(&words).exits(0).json();
    (report["id"].as_str().unwrap().to_owned(), report["stored"].as_u64().unwrap())
}

#[test]
fn of_pages_that_changed_here_and_there_little_more_than_they_is_stored() {
    let ground = Ground::with(ONE, |it| it.setting("autovacuum", "off"));
    // Some 40 MB that hardly compress, in whose pages there is room.
    ground.sql(
        "CREATE TABLE wide WITH (fillfactor = 80) AS SELECT i AS a, md5(i::text) || \
         md5((-i)::text) || md5((i * 3)::text) AS b FROM generate_series(1, 250000) AS i",
    );
    ground.sql("VACUUM (FREEZE) wide");
    let sum = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM wide AS t";
    let (full, whole) = stored(&ground, &[]);
    let mut sums = vec![(full.clone(), ground.sql(sum))];
    for round in 0..3 {
        scatter(&ground, round);
        let (id, little) = stored(&ground, &["--incremental"]);
        // One, two and three of a hundred pages, in blocks of two.
        assert!(little < whole * u64::from(5 * (round + 1)) / 100, "{little} of {whole}");
        sums.push((id, ground.sql(sum)));
    }
    // With more and more changes it is stored whole again.
    ground.sql("UPDATE wide SET a = a + 1");
    ground.sql("CHECKPOINT");
    let (last, much) = stored(&ground, &["--incremental"]);
    assert!(much > whole / 2, "{much} of {whole}");
    sums.push((last, ground.sql(sum)));
    ground.archive_all();
    ground.pg(&["verify", "main"]).exits(0);
    for (number, (id, sum_then)) in sums.iter().enumerate() {
        let words = ["--backup", id, "--target-immediate", "--target-action", "promote"];
        let restored = Restored::restore(&ground, &format!("copy{number}"), &words).promoted();
        assert_eq!(restored.sql(sum), *sum_then, "{id}");
        restored.is_sound();
    }
    // What goes on from one that is put together.
    let data = ground.path("copy2");
    let words = ["restore", "main", data.to_str().unwrap(), "--delta", "--json", "--backup"];
    ground.pg(&[words.as_slice(), &[&sums[1].0]].concat()).exits(0);
    let restored = Restored::at(&ground, "copy2").promoted();
    assert_eq!(restored.sql(sum), sums[4].1);
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
