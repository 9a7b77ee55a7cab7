//! Dumps that hang, are stopped, or are killed.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use hayloft_tests::postgres::Postgres;
use rustix::process::{Pid, Signal, kill_process};

use crate::setting::Setting;

/// A session that holds a lock which no dump gets past.
struct Blocker(Child);

impl Blocker {
    fn of(server: &Postgres, database: &str, table: &str) -> Self {
        let mut command = server.command("psql");
        command.env("PGDATABASE", database).arg("-Xq");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut it = Self(command.spawn().unwrap());
        // As its input does not end, the session stays, idle in its
        // transaction, and ends at once with the program.
        let sql = format!("BEGIN; LOCK TABLE {table};\n");
        it.0.stdin.as_mut().unwrap().write_all(sql.as_bytes()).unwrap();
        let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted";
        until("the lock is held", || server.sql(database, held) != "0");
        it
    }
}

impl Drop for Blocker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_mins(1), "waited in vain until {what}");
        sleep(Duration::from_millis(50));
    }
}

/// The number of dumps that wait for the lock.
fn waiting(server: &Postgres) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump'";
    server.sql("postgres", sql).parse().unwrap()
}

fn interrupt(process: &Child) {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.unwrap(), Signal::INT).unwrap();
}

/// The processes that have `text` in their environment or arguments.
fn processes_with(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let has = |path: &Path| {
        ["environ", "cmdline"].iter().any(|file| {
            let bytes = fs::read(path.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(text)
        })
    };
    let own = format!("/proc/{}", std::process::id());
    let found = entries.map(|it| it.path()).filter(|it| *it != Path::new(&own) && has(it));
    found
        .map(|it| fs::read_to_string(it.join("cmdline")).unwrap_or_default().replace('\0', " "))
        .filter(|it| it.contains("pg_dump"))
        .collect()
}

fn section(more: &str) -> String {
    format!("<compress_mode>zstd</compress_mode><database>shop</database>{more}")
}

#[test]
fn a_dump_that_hangs_ends_with_its_time_limit() {
    let server = Postgres::start();
    server.pgbench("shop", 1);
    let _blocker = Blocker::of(&server, "shop", "pgbench_accounts");
    for format in ["plain", "directory"] {
        let more = format!("<timeout>1</timeout><format>{format}</format><globals>N</globals>");
        let setting = Setting::new(&server, &section(&more));
        let output = setting.run().exits(1);
        output.complains("time limit").complains("<timeout>");
        assert!(setting.dumps().is_empty());
        until("no dump is left", || waiting(&server) == 0);
    }
}

#[test]
fn a_run_that_is_interrupted_leaves_neither_file_nor_process() {
    let server = Postgres::start();
    server.pgbench("shop", 1);
    let _blocker = Blocker::of(&server, "shop", "pgbench_accounts");
    let setting = Setting::new(&server, &section(""));
    let child = setting.sandbox.spawn(&["-c", "hayloft.conf", "run", "postgresql"]);
    until("the dump waits", || waiting(&server) == 1);
    interrupt(&child);
    let output = setting.sandbox.wait(child);
    assert_eq!(output.code, Some(5), "{output}");
    assert!(setting.dumps().is_empty());
    let place = server.socket_dir();
    until("no dump is left", || processes_with(place.to_str().unwrap()).is_empty());
}

#[test]
fn what_a_killed_run_left_is_swept_by_the_next_one() {
    let server = Postgres::start();
    server.pgbench("shop", 1);
    let setting = Setting::new(&server, &section("<format>directory</format><globals>N</globals>"));
    {
        let _blocker = Blocker::of(&server, "shop", "pgbench_accounts");
        let mut child = setting.sandbox.spawn(&["-c", "hayloft.conf", "run", "postgresql"]);
        until("the dump waits", || waiting(&server) == 1);
        let left = setting.sandbox.names("work");
        assert!(left.iter().any(|it| it.starts_with("hayloft-postgresql-")), "{left:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        let place = setting.sandbox.path("work");
        until("no worker is left", || processes_with(place.to_str().unwrap()).is_empty());
    }
    setting.ok();
    assert_eq!(setting.dumps(), ["postgresqldump-shop.dir.tar.zst"]);
}
