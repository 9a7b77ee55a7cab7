//! Every target is reached while much is written, with a tablespace, and along
//! timelines.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use super::{
    ground::{Ground, ONE, wait_for},
    restored::Restored,
};

/// What was written on purpose.
const MARKS: &str = "SELECT coalesce(string_agg(a, ',' ORDER BY a), '') FROM marks";
/// True for what pgbench writes, at the end of any transaction.
const BALANCED: &str = "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = \
    (SELECT sum(tbalance) FROM pgbench_tellers) AND (SELECT sum(bbalance) FROM pgbench_branches) \
    = (SELECT sum(tbalance) FROM pgbench_tellers)";

/// A load that does not end by itself.
struct Load(Child);

impl Load {
    fn begin(mut pgbench: Command) -> Self {
        pgbench.args(["-c", "2", "-T", "900", "-n", "bench"]);
        Self(pgbench.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the load has written some more.
fn more(count: impl Fn() -> String) {
    let before: u64 = count().parse().unwrap();
    wait_for("the load", || count().parse::<u64>().unwrap() > before + 20);
}

/// What was written, and how much history there is at the end.
struct Written {
    time: String,
    lsn: String,
    xid: String,
    end: String,
}

/// Writes `a`, takes a backup, and writes `b` and `c`, all under load.
fn write(ground: &Ground) -> Written {
    let bench = |sql: &str| ground.server.sql("bench", sql);
    let history = || bench("SELECT count(*) FROM pgbench_history");
    let load = Load::begin(ground.server.command("pgbench"));
    more(history);
    bench("INSERT INTO marks VALUES ('a')");
    ground.backup(&[]);
    more(history);
    let xid = bench("INSERT INTO marks VALUES ('b') RETURNING pg_current_xact_id()");
    let lsn = bench("SELECT pg_current_wal_insert_lsn()");
    bench("SELECT pg_create_restore_point('after b')");
    more(history);
    let time = bench("SELECT clock_timestamp()");
    more(history);
    bench("INSERT INTO marks VALUES ('c')");
    drop(load);
    wait_for("the end of the load", || {
        bench("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'") == "0"
    });
    ground.archive_all();
    Written { time, lsn, xid, end: bench("SELECT count(*) FROM pgbench_history") }
}

/// Restores to a target, and looks what is there; returns how much history.
fn reach(ground: &Ground, copy: &str, words: &[&str], expected: &str) -> String {
    let map = format!("fast={}", ground.path(format!("{copy}-space")).display());
    let words = [words, &["--tablespace", &map]].concat();
    let restored = Restored::restore(ground, copy, &words).promoted();
    assert_eq!(restored.sql_in("bench", MARKS), expected, "{words:?}");
    assert_eq!(restored.sql_in("bench", BALANCED), "t", "{words:?}");
    let history = restored.sql_in("bench", "SELECT count(*) FROM pgbench_history");
    restored.is_sound();
    history
}

/// One that was restored to `b` works on, on a timeline of its own.
fn work_on(ground: &Ground, xid: &str) {
    let map = format!("fast={}", ground.path("second-space").display());
    let words = ["--target-xid", xid, "--target-action", "promote", "--tablespace", &map];
    let second = Restored::restore(ground, "second", &words);
    let auto = second.data().join("postgresql.auto.conf");
    let text = fs::read_to_string(&auto).unwrap();
    fs::write(&auto, text.replace("archive_mode = 'off'", "archive_mode = 'on'")).unwrap();
    let second = second.promoted();
    let history = || second.sql_in("bench", "SELECT count(*) FROM pgbench_history");
    let load = Load::begin(second.program("pgbench"));
    more(history);
    second.sql_in("bench", "INSERT INTO marks VALUES ('d')");
    second.sql_in("bench", "SELECT pg_create_restore_point('after d')");
    more(history);
    second.sql_in("bench", "INSERT INTO marks VALUES ('e')");
    drop(load);
    let last = second.sql("SELECT pg_walfile_name(pg_switch_wal())");
    assert!(last.starts_with("00000002"), "{last}");
    let object = ground.path(format!("disk/main/wals/{}/{last}.zst", &last[..16]));
    wait_for("the archiving of the second timeline", || object.exists());
    second.stop();
}

#[test]
fn every_target_is_reached_under_load_with_a_tablespace_and_along_timelines() {
    let mut ground = Ground::new(ONE);
    let space = ground.path("space");
    fs::create_dir(&space).unwrap();
    ground.give(&space);
    ground.sql(&format!("CREATE TABLESPACE fast LOCATION '{}'", space.display()));
    ground.server.pgbench("bench", 1);
    ground.server.sql("bench", "ALTER TABLE pgbench_accounts SET TABLESPACE fast");
    ground.server.sql("bench", "CREATE TABLE marks (a text)");
    let Written { time, lsn, xid, end } = write(&ground);
    let promote = ["--target-action", "promote"];
    let cases: [(&str, &[&str], &str); 6] = [
        ("time", &["--target-time", &time], "a,b"),
        ("lsn", &["--target-lsn", &lsn], "a,b"),
        ("xid", &["--target-xid", &xid], "a,b"),
        ("before", &["--target-xid", &xid, "--exclusive"], "a"),
        ("name", &["--target-name", "after b"], "a,b"),
        ("immediate", &["--target-immediate"], "a"),
    ];
    for (copy, words, expected) in cases {
        reach(&ground, copy, &[words, &promote].concat(), expected);
        fs::remove_dir_all(ground.path(copy)).unwrap();
    }
    ground.server.stop();
    work_on(&ground, &xid);
    reach(&ground, "newest", &[], "a,b,d,e");
    reach(&ground, "named", &["--target-name", "after d", promote[0], promote[1]], "a,b,d");
    let history = reach(&ground, "first", &["--target-timeline", "current"], "a,b,c");
    assert_eq!(history, end);
}
