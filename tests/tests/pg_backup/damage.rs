//! Damage of what is read, and of what is stored.

use std::{fs, os::unix::fs::FileExt, path::Path};

use super::{
    ground::{Ground, ONE, TWO},
    restored::Restored,
};

fn flip(path: &Path, at: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

#[test]
fn damaged_pages_are_listed_and_do_not_end_a_backup() {
    let ground = Ground::new(ONE);
    ground.sql("CREATE TABLE t AS SELECT generate_series(1, 10000) AS a");
    let file = ground.sql("SELECT pg_relation_filepath('t')");
    ground.sql("CHECKPOINT");
    flip(&ground.server.data_dir().join(&file), 3 * 8192 + 4000);
    flip(&ground.server.data_dir().join(&file), 7 * 8192 + 4000);
    let ended = ground.pg(&["backup", "main", "--fast", "--json"]).exits(7);
    ended.complains(&file).complains("2 damaged pages");
    let report = ended.json();
    assert_eq!(report["status"], "DONE");
    assert_eq!(report["damaged"][0]["pages"], serde_json::json!([3, 7]));
}

#[test]
fn a_damaged_part_is_found_and_another_storage_helps_out() {
    let ground = Ground::new(TWO);
    ground.server.pgbench("bench", 1);
    let id = ground.backup(&[]);
    let part = ground.parts("disk", &id).remove(0);
    flip(&part, fs::metadata(&part).unwrap().len() / 2);
    let words = ["restore", "main", "$DIR/damaged", "--storage", "disk"];
    ground.pg(&words).exits(1).complains("is damaged").complains("000001");
    // What was begun cannot be started, and can be gone on with.
    assert!(!ground.path("damaged/global/pg_control").exists());
    let ended = ground.pg(&["restore", "main", "$DIR/damaged", "--delta"]).exits(0);
    ended.complains("another storage is asked");
    let restored = Restored::at(&ground, "damaged").promoted();
    let count = restored.sql_in("bench", "SELECT count(*) FROM pgbench_accounts");
    assert_eq!(count, "100000");
    // A part that is not there, and a manifest that is cut.
    fs::remove_file(&part).unwrap();
    let words = ["restore", "main", "$DIR/x", "--storage", "disk"];
    ground.pg(&words).exits(1).complains("000001 is not there");
    let manifest = ground.path(format!("disk/main/base/{id}/manifest.zst"));
    let bytes = fs::read(&manifest).unwrap();
    fs::write(&manifest, &bytes[..bytes.len() / 2]).unwrap();
    ground.pg(&words).exits(1).complains("manifest");
    assert!(!ground.path("x").exists());
}
