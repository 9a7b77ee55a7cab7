//! Dumps that hang, are stopped, or are killed; and several at once.

use std::{
    fs,
    process::{Child, Stdio},
};

use hayloft_tests::mariadb::Mariadb;
use rustix::process::{Pid, Signal, kill_process};

use crate::setting::{Setting, fill, until};

/// A session that holds a lock which no dump gets past.
struct Blocker(Child);

impl Blocker {
    fn of(server: &Mariadb, databases: &[&str]) -> Self {
        let tables: Vec<_> = databases.iter().map(|it| format!("{it}.t WRITE")).collect();
        let mut command = server.client("mariadb", "root");
        let sql = format!("LOCK TABLES {}; SELECT SLEEP(600)", tables.join(", "));
        let it = Self(command.args(["-e", &sql]).stdout(Stdio::null()).spawn().unwrap());
        let held = "SELECT count(*) FROM information_schema.processlist \
                    WHERE info = 'SELECT SLEEP(600)'";
        until("the lock is held", || server.sql(held) != "0");
        it
    }

    fn end(mut self, server: &Mariadb) {
        let id = server
            .sql("SELECT id FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600)'");
        server.sql(&format!("KILL {id}"));
        let _ = self.0.wait();
    }
}

impl Drop for Blocker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The number of dumps that wait for the lock.
fn waiting(server: &Mariadb) -> usize {
    let sql = "SELECT count(*) FROM information_schema.processlist \
               WHERE state LIKE 'Waiting for table%'";
    server.sql(sql).parse().unwrap()
}

/// The dump programs of the run in `place` that are still there.
fn processes(place: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let read = |path: std::path::PathBuf| {
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    };
    let ours = entries.filter(|it| {
        read(it.path().join("environ")).contains(place)
            && read(it.path().join("cmdline")).contains("--databases")
    });
    ours.count()
}

fn section(more: &str) -> String {
    format!("<compress_mode>zstd</compress_mode><database>shop</database>{more}")
}

#[test]
fn a_dump_that_hangs_ends_with_its_time_limit() {
    let server = Mariadb::start();
    fill(&server, "shop");
    let _blocker = Blocker::of(&server, &["shop"]);
    let setting = Setting::new(&server, &section("<timeout>1</timeout><flush_logs>N</flush_logs>"));
    let output = setting.run().exits(1);
    output.complains("time limit").complains("<timeout> in the <mysql> section");
    assert!(setting.dumps().is_empty());
}

#[test]
fn a_run_that_is_interrupted_leaves_neither_file_nor_process() {
    let server = Mariadb::start();
    fill(&server, "shop");
    let _blocker = Blocker::of(&server, &["shop"]);
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let setting = Setting::new(&server, &section("<flush_logs>N</flush_logs>"));
        let place = setting.place();
        let child = setting.sandbox.spawn(&["-c", "hayloft.conf", "run", "mysql"]);
        until("the dump waits", || waiting(&server) > 0 && processes(&place) > 0);
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
        let output = setting.sandbox.wait(child);
        let expected = (signal != Signal::KILL).then_some(5);
        assert_eq!(output.code, expected, "{output}");
        until("no dump is left", || processes(&place) == 0);
        assert!(!setting.sandbox.names("collect").iter().any(|it| it.starts_with("mysqldump")));
    }
}

#[test]
fn a_program_that_is_killed_in_the_middle_is_a_failure_of_that_database() {
    let server = Mariadb::start();
    fill(&server, "shop");
    fill(&server, "other");
    let blocker = Blocker::of(&server, &["shop"]);
    let setting = Setting::new(&server, &section("<database>other</database>"));
    let place = setting.place();
    let child = setting.sandbox.spawn(&["-c", "hayloft.conf", "run", "mysql"]);
    until("the dump waits", || waiting(&server) > 0 && processes(&place) > 0);
    until("the other is done", || setting.dump("mysqldump-other.txt.zst").exists());
    let id = server
        .sql("SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'");
    server.sql(&format!("KILL {id}"));
    let output = setting.sandbox.wait(child).exits(1);
    output.complains("database `shop`").complains("onnection");
    blocker.end(&server);
    assert_eq!(setting.dumps(), ["mysqldump-other.txt.zst"]);
}

#[test]
fn databases_are_dumped_at_once() {
    let server = Mariadb::start();
    let names = ["one", "two", "three"];
    for name in names {
        fill(&server, name);
    }
    for parallel in [1, 3] {
        let blocker = Blocker::of(&server, &names);
        let databases = names.map(|it| format!("<database>{it}</database>")).concat();
        let elements = format!(
            "<compress_mode>zstd</compress_mode><parallel>{parallel}</parallel>\
             <flush_logs>N</flush_logs>{databases}"
        );
        let setting = Setting::new(&server, &elements);
        let child = setting.sandbox.spawn(&["-c", "hayloft.conf", "run", "mysql"]);
        until("the dumps wait", || waiting(&server) >= parallel);
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(waiting(&server), parallel);
        blocker.end(&server);
        setting.sandbox.wait(child).exits(0);
        assert_eq!(setting.dumps().len(), 3);
    }
}
