//! Backups that were killed, and are gone on with.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::PathBuf, process::Stdio};

use hayloft_tests::chaos;

use super::{
    ground::{Ground, ONE, wait_for},
    restored::Restored,
};

const SUM: &str = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM pgbench_accounts AS t";

/// Kills a backup when so many parts are stored; returns its id.
fn killed(ground: &Ground, parts: usize) -> String {
    let words = ["backup", "main", "--fast", "--max-rate", "8MB"];
    let mut command = ground.command(&words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("some parts", || {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it was faster than it should: {ended:?}");
        ground.ids("disk").last().is_some_and(|id| ground.parts("disk", id).len() >= parts)
    });
    chaos::power_cut(&mut child);
    wait_for("the end of the session", || {
        ground.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hayloft'")
            == "0"
    });
    ground.ids("disk").pop().unwrap()
}

/// The parts of a backup, and which file each is.
fn parts(ground: &Ground, id: &str) -> BTreeMap<PathBuf, (u64, u64)> {
    let parts = ground.parts("disk", id).into_iter();
    parts
        .map(|it| (it.clone(), fs::metadata(it).unwrap()))
        .map(|(path, it)| (path, (it.ino(), it.len())))
        .collect()
}

#[test]
fn what_a_killed_backup_had_stored_is_not_stored_again() {
    let ground = Ground::new(ONE);
    ground.server.pgbench("bench", 2);
    // What does not shrink, so that there are parts enough.
    ground.server.sql(
        "bench",
        "CREATE TABLE noise AS SELECT string_agg(md5(random()::text), '') AS a \
         FROM generate_series(1, 1000000) AS i GROUP BY i % 5000",
    );
    let dead = killed(&ground, 2);
    let before = parts(&ground, &dead);
    // What has changed meanwhile is in the backup all the same.
    ground.server.sql("bench", "UPDATE pgbench_accounts SET abalance = 7 WHERE aid % 999 = 0");
    let report = ground.pg(&["backup", "main", "--fast", "--json", "--resume"]).exits(0).json();
    assert_eq!((&report["id"], &report["status"]), (&dead.as_str().into(), &"DONE".into()));
    assert_eq!(report["parent"], serde_json::Value::Null);
    // Of the last part, what was stored may not have been noted.
    let after = parts(&ground, &dead);
    let kept = before.iter().filter(|(path, file)| after.get(*path) == Some(file));
    let kept: u64 = kept.map(|it| it.1.1).sum();
    let all: u64 = after.values().map(|it| it.1).sum();
    assert!(kept > 0, "{before:?} {after:?}");
    let stored = report["stored"].as_u64().unwrap();
    assert!(stored < all - kept + (1 << 20), "{report} {kept} of {all}");
    assert!(report["resumed"].as_u64().unwrap() >= kept, "{report}");
    // It is what any backup is.
    ground.pg(&["verify", "main"]).exits(0);
    ground.pg(&["expire", "main"]).exits(0);
    assert_eq!(parts(&ground, &dead), after);
    ground.archive_all();
    let expected = ground.server.sql("bench", SUM);
    let restored = Restored::restore(&ground, "copy", &[]).promoted();
    assert_eq!(restored.sql_in("bench", SUM), expected);
    restored.is_sound();
    // And it can be compared with.
    let next = ground.pg(&["backup", "main", "--fast", "--json", "--incremental"]).exits(0).json();
    assert_eq!(next["parent"], *dead);
}

#[test]
fn what_is_damaged_or_gone_is_stored_again() {
    let ground = Ground::new(ONE);
    ground.server.sql(
        "postgres",
        "CREATE TABLE noise AS SELECT string_agg(md5(random()::text), '') AS a \
         FROM generate_series(1, 2000000) AS i GROUP BY i % 5000",
    );
    let dead = killed(&ground, 4);
    let all = ground.parts("disk", &dead);
    fs::remove_file(&all[0]).unwrap();
    let short = fs::OpenOptions::new().write(true).open(&all[1]).unwrap();
    short.set_len(1000).unwrap();
    // Something that nobody has noted.
    let stranger = ground.path(format!("disk/main/base/{dead}/data/000009"));
    fs::write(&stranger, "a part of which nobody knows").unwrap();
    ground.give(&stranger);
    let id = ground.backup(&[]);
    assert_eq!(id, dead);
    ground.pg(&["verify", "main"]).exits(0);
    ground.archive_all();
    let restored = Restored::restore(&ground, "copy", &[]).promoted();
    assert_eq!(restored.sql("SELECT count(*) FROM noise"), "5000");
}

#[test]
fn there_must_be_one_to_be_gone_on_with() {
    let ground = Ground::new(ONE);
    let resume = ["backup", "main", "--fast", "--resume"];
    ground.pg(&resume).exits(1).complains("no backup of server main to be gone on with");
    assert!(ground.ids("disk").is_empty());
    ground.backup(&[]);
    ground.pg(&resume).exits(1).complains("no backup of server main to be gone on with");
    assert_eq!(ground.ids("disk").len(), 1);
}
