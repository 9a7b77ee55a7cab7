//! Backups that come from the server by the replication protocol.

use std::fs;

use super::{
    ground::{Ground, ONE},
    restored::Restored,
};

const SUM: &str = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM pgbench_accounts AS t";

#[test]
fn a_streamed_backup_is_restored_like_any_other() {
    let ground = Ground::new(ONE);
    let space = ground.path("space");
    fs::create_dir(&space).unwrap();
    ground.give(&space);
    ground.sql(&format!("CREATE TABLESPACE fast LOCATION '{}'", space.display()));
    ground.sql("CREATE TABLE there TABLESPACE fast AS SELECT generate_series(1, 1000) AS a");
    ground.server.pgbench("bench", 1);
    let full = ground.backup(&["--method", "stream"]);
    assert!(ground.info("disk", &full).contains("mode=hayloft-stream"));
    ground.server.sql("bench", "UPDATE pgbench_accounts SET abalance = 1 WHERE aid < 100");
    // One that compares with it, and one of the other kind that does.
    for method in ["stream", "local"] {
        let words = ["backup", "main", "--fast", "--json", "--incremental", "--method", method];
        let report = ground.pg(&words).exits(0).json();
        let (stored, size) = (report["stored"].as_u64().unwrap(), report["size"].as_u64().unwrap());
        assert!(stored < size / 20, "{report}");
        assert!(report["inherited"].as_u64() > Some(size / 2), "{report}");
    }
    ground.archive_all();
    let expected = ground.server.sql("bench", SUM);
    let map = format!("fast={}", ground.path("space-copy").display());
    for (number, id) in ground.ids("disk").iter().enumerate() {
        let copy = format!("copy{number}");
        let _ = fs::remove_dir_all(ground.path("space-copy"));
        let words = ["--backup", id, "--tablespace", &map];
        let restored = Restored::restore(&ground, &copy, &words).promoted();
        assert_eq!(restored.sql_in("bench", SUM), expected, "{id}");
        assert_eq!(restored.sql("SELECT count(*) FROM there"), "1000", "{id}");
        restored.is_sound();
    }
    ground.pg(&["verify", "main"]).exits(0);
}
