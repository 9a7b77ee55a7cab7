//! Transactions that wait for a receiver.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use hayloft_postgres::wal::Lsn;
use hayloft_tests::postgres::{Postgres, version};
use rustix::process::Signal;

use super::setting::{Receiver, Setting, conninfo, keeping, position, wait_for};

const NAME: &str = "hayloft_receive_wal";

/// A disk whose syncs wait as long as there is a file `hold`, and leave a file
/// `waits` when they begin to.
const SLOW_DISK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Only segments: what is synced is not asked of other files. */
static void wait_if_held(int fd) {
    char link[64], path[4096], hold[4096], waits[4096];
    const char *place = getenv("SLOW_DISK");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!place || length < 0) return;
    path[length] = 0;
    if (!strstr(path, "/streaming/0")) return;
    snprintf(hold, sizeof hold, "%s/hold", place);
    snprintf(waits, sizeof waits, "%s/waits", place);
    while (access(hold, F_OK) == 0) {
        int made = open(waits, O_CREAT | O_WRONLY, 0600);
        if (made >= 0) close(made);
        usleep(10000);
    }
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_if_held(fd);
    return real(fd);
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_if_held(fd);
    return real(fd);
}
"#;

/// Builds it.
fn slow_disk(setting: &Setting) -> PathBuf {
    let source = setting.sandbox.write("slow_disk.c", SLOW_DISK);
    let library = setting.sandbox.path("slow_disk.so");
    let mut command = Command::new("cc");
    let built = command.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    let output = built.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// A server whose transactions wait for the receiver.
fn waiting() -> Postgres {
    keeping().programs(&version(15)).setting("synchronous_standby_names", NAME).start()
}

/// A transaction under way.
fn commit(server: &Postgres, sql: &str) -> Child {
    let mut command = server.command("psql");
    command.args(["-XAtq", "-c", sql, "postgres"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Until the server takes us for what transactions wait for.
fn is_synchronous(server: &Postgres, receiver: &mut Receiver) {
    receiver.until_it_says("synchronously");
    let state = format!(
        "SELECT sync_state FROM pg_stat_replication WHERE application_name = '{NAME}' \
         AND state = 'streaming'"
    );
    wait_for("the synchronous state", || server.sql("postgres", &state) == "sync");
}

/// What the server takes for safe.
fn flushed(server: &Postgres) -> Option<Lsn> {
    server.sql("postgres", "SELECT flush_lsn FROM pg_stat_replication").parse().ok()
}

#[test]
fn a_transaction_waits_for_the_sync_and_no_longer() {
    let server = waiting();
    let setting = Setting::with(&conninfo(&server), "");
    let library = slow_disk(&setting);
    let place = setting.sandbox.dir("disk");
    let variables =
        [("LD_PRELOAD", library.to_str().unwrap()), ("SLOW_DISK", place.to_str().unwrap())];
    let mut receiver = setting.receive_in(&[], &variables);
    is_synchronous(&server, &mut receiver);
    server.sql("postgres", "CREATE TABLE t (i int)");

    for round in 0..3 {
        fs::write(place.join("hold"), "").unwrap();
        let before = position(&server);
        let mut child = commit(&server, &format!("INSERT INTO t VALUES ({round})"));
        wait_for("the sync", || place.join("waits").exists());
        let (after, told) = (position(&server), flushed(&server));
        assert!(after > before);
        assert!(told.is_none_or(|it| it < after), "{told:?} was told before it was synced");
        assert!(child.try_wait().unwrap().is_none(), "the transaction did not wait");
        assert_eq!(server.sql("postgres", "SELECT count(*) FROM t"), round.to_string());
        fs::remove_file(place.join("hold")).unwrap();
        assert!(child.wait().unwrap().success());
        fs::remove_file(place.join("waits")).unwrap();
        let count = (round + 1).to_string();
        assert_eq!(server.sql("postgres", "SELECT count(*) FROM t"), count);
    }
    assert_eq!(receiver.is_told(Signal::TERM), Some(0), "{}", receiver.says());
}

#[test]
fn a_transaction_waits_until_there_is_a_receiver_and_its_wal_is_here() {
    let server = waiting();
    let setting = Setting::with(&conninfo(&server), "");
    let mut child = commit(&server, "CREATE TABLE t AS SELECT 'needle' || 'haystack' AS a");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    wait_for("the transaction", || server.sql("postgres", waits) == "1");
    assert!(child.try_wait().unwrap().is_none());
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    assert!(child.wait().unwrap().success());
    // Killed the moment after: it is on our disk.
    let mut child = commit(&server, "INSERT INTO t VALUES ('needle-in-the-hay')");
    assert!(child.wait().unwrap().success());
    receiver.is_killed();
    assert!(holds(&setting.streaming(), b"needle-in-the-hay"));
}

fn holds(directory: &Path, needle: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().any(|it| {
        let content = fs::read(it.unwrap().path()).unwrap_or_default();
        content.windows(needle.len()).any(|it| it == needle)
    })
}

#[test]
fn many_transactions_wait_for_one_sync() {
    let server = waiting();
    let setting = Setting::with(&conninfo(&server), "");
    let mut receiver = setting.receive(&[]);
    is_synchronous(&server, &mut receiver);
    let mut command = server.command("pgbench");
    command.args(["--initialize", "--quiet", "postgres"]);
    assert!(command.output().unwrap().status.success());
    let mut command = server.command("pgbench");
    command.args(["--no-vacuum", "--client=8", "--transactions=50", "postgres"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("400/400"), "{text}");
    assert_eq!(receiver.is_told(Signal::TERM), Some(0), "{}", receiver.says());
}

#[test]
fn where_nobody_waits_it_is_synced_all_the_same() {
    let server = keeping().programs(&version(15)).start();
    let setting = Setting::with(&conninfo(&server), "");
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    assert!(!receiver.says().contains("synchronously"), "{}", receiver.says());
    server.sql("postgres", "CREATE TABLE t AS SELECT 1 AS a");
    let end = position(&server);
    wait_for("the sync", || flushed(&server) >= Some(end));
    receiver.is_told(Signal::TERM);
    let mut receiver = setting.receive(&["--synchronous"]);
    receiver.until_it_says("synchronously");
    let name = "<streaming_archiver_name>other</streaming_archiver_name>";
    let setting = Setting::with(&conninfo(&server), name);
    let mut other = setting.receive(&[]);
    other.is_streaming();
    let names = "SELECT string_agg(application_name, ',' ORDER BY 1) FROM pg_stat_replication";
    wait_for("both", || server.sql("postgres", names) == format!("{NAME},other"));
}
