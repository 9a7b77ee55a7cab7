//! What `pg verify` finds.

use std::{fs, os::unix::fs::FileExt, path::PathBuf};

use super::ground::{Ground, ONE, TWO};

/// Every object that belongs to a server's backups, and the WAL they need.
fn objects(ground: &Ground, storage: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for id in ground.ids(storage) {
        let base = ground.path(format!("{storage}/main/base/{id}"));
        found.extend([base.join("backup.info"), base.join("manifest.zst")]);
        found.extend(ground.parts(storage, &id));
        let info = ground.info(storage, &id);
        let wal = info.lines().find_map(|it| it.strip_prefix("begin_wal=")).unwrap();
        found.push(ground.path(format!("{storage}/main/wals/{}/{wal}.zst", &wal[..16])));
    }
    found
}

#[test]
fn one_flipped_bit_in_any_object_is_found_and_named() {
    let ground = Ground::new(ONE);
    ground.sql("CREATE TABLE t AS SELECT generate_series(1, 30000) AS a, random() AS b");
    ground.backup(&[]);
    ground.sql("UPDATE t SET b = 0 WHERE a < 100");
    ground.backup(&["--incremental"]);
    let good = ground.pg(&["verify", "main", "--json"]).exits(0).json();
    assert_eq!((&good["backups"], good["problems"].as_array().unwrap().len()), (&2.into(), 0));
    let all = objects(&ground, "disk");
    assert!(all.len() >= 8, "{all:?}");
    for (number, path) in (0_u64..).zip(&all) {
        let length = fs::metadata(path).unwrap().len();
        // Another place and another bit in each.
        let at = [length / 2, length - 1, 0][usize::try_from(number % 3).unwrap()];
        let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1 << (number % 8)], at).unwrap();
        let report = ground.pg(&["verify", "main", "--json"]).exits(1).json();
        let problems = report["problems"].as_array().unwrap();
        let key = path.strip_prefix(ground.path("disk")).unwrap().to_str().unwrap();
        let named = |it: &serde_json::Value| key.starts_with(it["object"].as_str().unwrap());
        assert!(problems.iter().any(named), "{key} at {at}: {report}");
        file.write_all_at(&byte, at).unwrap();
    }
    ground.pg(&["verify", "main"]).exits(0);
}

#[test]
fn what_is_missing_is_found_and_a_sample_reads_less() {
    let ground = Ground::new(TWO);
    ground.server.pgbench("bench", 2);
    let id = ground.backup(&[]);
    let report = ground.pg(&["verify", "main", "--json", "--sample", "1"]).exits(0).json();
    assert!(report["left_out"].as_u64() > Some(0), "{report}");
    let only = ["verify", "main", "--backup", &id, "--storage", "other", "--no-wal", "--json"];
    assert_eq!(ground.pg(&only).exits(0).json()["backups"], 1);
    fs::remove_file(ground.parts("other", &id).remove(0)).unwrap();
    let report = ground.pg(&only).exits(1).json();
    assert_eq!(report["problems"][0]["storage"], "other");
    assert!(report["problems"][0]["object"].as_str().unwrap().ends_with("data/000001"));
    ground.pg(&["verify", "main", "--storage", "disk"]).exits(0);
    fs::remove_file(ground.path(format!("disk/main/base/{id}/manifest.zst"))).unwrap();
    ground.pg(&["verify", "main", "--storage", "disk"]).exits(1);
    ground.pg(&["verify", "main", "--backup", "20200101T000000"]).exits(1).complains("no backup");
}

fn flip(path: &PathBuf) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let (at, mut byte) = (fs::metadata(path).unwrap().len() / 2, [0]);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 2], at).unwrap();
}

#[test]
fn of_what_was_good_before_only_what_is_new_is_read() {
    let ground = Ground::new(ONE);
    ground.sql("CREATE TABLE t AS SELECT generate_series(1, 30000) AS a, random() AS b");
    let old = ground.backup(&[]);
    let verify = |code: i32, more: &[&str]| {
        let report = ground.pg(&[&["verify", "main", "--json"], more].concat()).exits(code).json();
        let number = |name: &str| report[name].as_u64().unwrap();
        (number("bytes"), number("left_out"), report["problems"].clone())
    };
    // Nothing is known yet.
    let (all, left_out, _) = verify(0, &["--changed"]);
    assert_eq!(left_out, 0);
    let (again, left_out, _) = verify(0, &["--changed"]);
    assert!(again < all / 10 && left_out > 0, "{again} of {all}, {left_out} left out");
    ground.sql("UPDATE t SET b = 0");
    let new = ground.backup(&["--incremental"]);
    let stored: u64 =
        ground.parts("disk", &new).iter().map(|it| it.metadata().unwrap().len()).sum();
    let (read, still_left_out, _) = verify(0, &["--changed"]);
    assert!(read >= stored && read < all, "{read} of {stored} and {all}");
    assert_eq!(still_left_out, left_out);
    // What is damaged since is found by whoever reads everything; and then it
    // is no longer known to be good.
    let part = ground.parts("disk", &old).remove(0);
    flip(&part);
    verify(0, &["--changed"]);
    for words in [&[] as &[&str], &["--changed"]] {
        let (.., problems) = verify(1, words);
        assert!(problems[0]["object"].as_str().unwrap().ends_with("data/000001"), "{problems}");
        assert_eq!(problems[0]["backup"], *old);
    }
    flip(&part);
    verify(0, &["--changed"]);
    // What is damaged before it was ever read is found.
    let newest = ground.backup(&[]);
    flip(&ground.parts("disk", &newest).remove(0));
    let (.., problems) = verify(1, &["--changed"]);
    assert_eq!(problems[0]["backup"], *newest);
}
