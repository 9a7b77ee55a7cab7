//! Recovery goes along timelines.

use std::fs;

use super::{
    ground::{Ground, ONE, wait_for},
    restored::Restored,
};

#[test]
fn recovery_follows_a_server_that_was_restored_and_works_on() {
    let ground = Ground::new(ONE);
    ground.sql("CREATE TABLE t (a text); INSERT INTO t VALUES ('a')");
    ground.backup(&[]);
    ground.sql("INSERT INTO t VALUES ('b')");
    ground.archive_all();
    // A copy takes the original's place, and archives.
    let mut ground = ground;
    ground.server.stop();
    let ground = ground;
    let second = Restored::restore(&ground, "second", &[]);
    let auto = second.data().join("postgresql.auto.conf");
    let text =
        fs::read_to_string(&auto).unwrap().replace("archive_mode = 'off'", "archive_mode = 'on'");
    fs::write(&auto, text).unwrap();
    let second = second.promoted();
    second.sql("INSERT INTO t VALUES ('c')");
    let last = second.sql("SELECT pg_walfile_name(pg_switch_wal())");
    assert!(last.starts_with("00000002"), "{last}");
    let object = ground.path(format!("disk/main/wals/{}/{last}.zst", &last[..16]));
    wait_for("the archiving of the second timeline", || object.exists());
    second.stop();
    let rows = "SELECT string_agg(a, ',' ORDER BY a) FROM t";
    for (copy, words, expected) in [
        ("latest", vec![], "a,b,c"),
        ("number", vec!["--target-timeline", "2"], "a,b,c"),
        ("current", vec!["--target-timeline", "current"], "a,b"),
    ] {
        let restored = Restored::restore(&ground, copy, &words).promoted();
        assert_eq!(restored.sql(rows), expected, "{words:?}");
    }
    let words = ["restore", "main", "$DIR/x", "--target-timeline", "7"];
    ground.pg(&words).exits(1).complains("knows no timeline 7");
}
