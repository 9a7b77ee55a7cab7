//! `pgpre` and `pgpost` keep the contract of safe-backup, and none of its
//! failures.

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use hayloft_tests::{Output, Sandbox, postgres::Postgres};

use super::setting::{Archive, archiving, kill, sessions, within};

/// A server, and links to the program.
struct Old {
    server: Postgres,
    sandbox: Sandbox,
}

impl Old {
    fn new(archive: &Archive) -> Self {
        Self::of(archiving(archive).start())
    }

    fn of(server: Postgres) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.env("XDG_STATE_HOME", "");
        // The plugins are beside the program, not beside the links.
        let plugins = sandbox.program().directory().to_str().unwrap().to_owned();
        sandbox.env("HAYLOFT_PLUGIN_PATH", plugins);
        sandbox.env("PGHOST", server.socket_dir().to_str().unwrap());
        sandbox.env("PGPORT", server.port().to_string());
        for name in ["pgpre", "pgpost"] {
            symlink(sandbox.program().path(), sandbox.path(name)).unwrap();
        }
        Self { server, sandbox }
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let ours = self.sandbox.command(&[]);
        let mut command = Command::new(self.sandbox.path(name));
        command
            .args(arguments)
            .current_dir(self.sandbox.path(""))
            .stdin(std::process::Stdio::null());
        for (name, value) in ours.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        for name in ["PGUSER", "PGDATABASE", "PGSERVICE", "PGPASSWORD", "backup_timeout"] {
            command.env_remove(name);
        }
        command
    }

    fn call(&self, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = self.command(name, arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        Output {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }

    fn pre(&self) -> Output {
        self.call("pgpre", &[], &[])
    }

    fn post(&self) -> Output {
        self.call("pgpost", &[], &[])
    }

    fn row(&self, columns: &str) -> String {
        self.server.sql("postgres", &format!("SELECT {columns} FROM backup"))
    }

    fn is_state(&self, state: &str) {
        assert!(within(|| self.row("state") == state), "{} is not {state}", self.row("state"));
    }

    fn holder(&self) -> serde_json::Value {
        let path = ["pg", "snapshot", "status", "-", "--json"];
        let output = self.sandbox.run(&path);
        output.json()["holder"]["pid"].clone()
    }
}

#[test]
fn the_course_is_that_of_safe_backup() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    let pre = old.pre().exits(0);
    let start = pre.stdout.strip_prefix("backup starting location: ").unwrap();
    assert!(start.starts_with("0/") && start.ends_with('\n'), "{pre}");
    assert_eq!(old.row("id, state, backup_label IS NULL, tablespace_map IS NULL"), "1|running|t|t");
    let alive = "(SELECT count(*) FROM pg_stat_activity a WHERE a.pid = backup.pid)";
    assert_eq!(old.row(alive), "1", "its pid is that of the session");
    let post = old.post().exits(0);
    assert!(post.stdout.starts_with(&format!("START WAL LOCATION: {} (file ", start.trim())));
    assert_eq!(old.row("state, tablespace_map"), "complete|", "an empty map is empty, not NULL");
    // psql, which shows it, takes the last new line away.
    assert_eq!(format!("{}\n", old.row("backup_label").trim_end()), post.stdout);
    let dated = post.stdout.lines().find_map(|it| it.strip_prefix("LABEL: ")).unwrap();
    assert_eq!((dated.len(), &dated[4..5], &dated[10..11], &dated[13..14]), (19, "-", " ", ":"));
    let kind = "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum \
                WHERE enumtypid = 'backup_state'::regtype";
    assert_eq!(old.server.sql("postgres", kind), "running,done,complete,failed");
    let columns = "SELECT string_agg(attname || ' ' || format_type(atttypid, NULL), ',' ORDER BY attnum) \
                   FROM pg_attribute WHERE attrelid = 'backup'::regclass AND attnum > 0";
    let wanted = "id integer,state backup_state,pid integer,backup_label text,tablespace_map text";
    assert_eq!(old.server.sql("postgres", columns), wanted);
    let second = "INSERT INTO backup (id, state) VALUES (2, 'done') ON CONFLICT DO NOTHING";
    old.server.sql("postgres", second);
    assert_eq!(old.server.sql("postgres", "SELECT count(*) FROM backup"), "1");
    // And once more, over the row of the last one.
    old.pre().exits(0);
    assert_eq!(old.row("state, backup_label IS NULL"), "running|t");
    old.post().exits(0);
}

#[test]
fn post_answers_within_a_second_or_so_also_when_it_is_called_again() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    old.pre().exits(0);
    let first = old.post().exits(0);
    let began = Instant::now();
    let again = old.post().exits(0);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(old.row("state"), "complete", "nothing is lost");
}

#[test]
fn post_without_pre_fails_at_once() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    let began = Instant::now();
    old.post().exits(1).complains("Backup failed");
    // An empty table is no reason to wait for ever.
    old.pre().exits(0);
    old.post().exits(0);
    old.server.sql("postgres", "DELETE FROM backup");
    fs::remove_dir_all(old.sandbox.path(".local")).unwrap();
    old.post().exits(1).complains("Backup failed").complains("no snapshot session");
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_second_pre_is_refused_and_harms_nobody() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    let first = old.pre().exits(0);
    old.pre().exits(1).complains("a snapshot session is running already");
    assert_eq!(old.row("state"), "running");
    let label = old.post().exits(0).stdout;
    let start = first.stdout.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(label.contains(&format!("START WAL LOCATION: {start} ")), "{label}");
}

#[test]
fn of_two_pre_at_once_one_succeeds_and_none_hangs() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    let start = || {
        let mut command = old.command("pgpre", &[]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let outputs = [start(), start()].map(|it| it.wait_with_output().unwrap());
    let good: Vec<_> = outputs.iter().filter(|it| it.status.success()).collect();
    assert_eq!(good.len(), 1, "{outputs:?}");
    assert_eq!(sessions(&old.server), "1");
    let text = String::from_utf8_lossy(&good[0].stdout);
    let position = text.trim().rsplit(' ').next().unwrap();
    // One who was told another position does not get this label.
    old.call("pgpost", &["0/1"], &[]).exits(1).complains("the backup began at");
    let label = old.call("pgpost", &[position], &[]).exits(0).stdout;
    assert!(label.contains(&format!("START WAL LOCATION: {position} ")));
    assert!(within(|| sessions(&old.server) == "0"), "nobody is left in backup mode");
}

#[test]
fn a_backup_that_takes_too_long_stays_failed() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    old.call("pgpre", &[], &[("backup_timeout", "2")]).exits(0);
    old.is_state("failed");
    let began = Instant::now();
    old.post().exits(1).complains("Backup failed").complains("the deadline passed");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(old.row("state"), "failed", "and is not overwritten");
    old.call("pgpre", &[], &[("backup_timeout", "soon")]).complains("backup_timeout is `soon`");
    old.call("pgpre", &[], &[("backup_timeout", "0")]).exits(0);
    old.post().exits(0);
}

#[test]
fn a_killed_holder_fails_at_once_in_the_table_too() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    old.pre().exits(0);
    kill(&old.holder(), "-KILL");
    let began = Instant::now();
    let post = old.post().exits(1);
    post.complains("Backup failed").complains("is gone");
    assert!(post.stdout.is_empty(), "{post}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(old.row("state"), "failed");
    old.pre().exits(0);
    old.post().exits(0);
}

#[test]
fn a_restarted_server_fails_at_once_in_the_table_too() {
    let archive = Archive::new();
    let mut old = Old::new(&archive);
    old.pre().exits(0);
    old.server.crash();
    old.server.start_again();
    let post = old.post().exits(1);
    post.complains("Backup failed");
    old.is_state("failed");
    old.pre().exits(0);
    old.post().exits(0);
}

#[test]
fn a_stale_row_ends_nobody() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    old.pre().exits(0);
    old.post().exits(0);
    // The number in the row belongs to somebody else now.
    let mut innocent = old.server.command("psql");
    innocent.env("PGDATABASE", "postgres").args(["-XAtqc"]).arg("SELECT pg_sleep(30)");
    let mut innocent = innocent.stdout(std::process::Stdio::null()).spawn().unwrap();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'";
    assert!(within(|| old.server.sql("postgres", asleep) == "1"));
    old.server.sql(
        "postgres",
        "UPDATE backup SET state = 'running', pid = (SELECT pid FROM pg_stat_activity \
         WHERE query = 'SELECT pg_sleep(30)')",
    );
    old.pre().exits(0);
    old.post().exits(0);
    assert_eq!(old.server.sql("postgres", asleep), "1", "it sleeps on");
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

#[test]
fn a_captured_output_does_not_hang() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    let began = Instant::now();
    let mut command = old.command("pgpre", &[]);
    // `output` waits for the end of both pipes, as `$(… 2>&1)` does.
    assert!(command.output().unwrap().status.success());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    old.post().exits(0);
}

#[test]
fn a_script_that_sets_the_state_itself_is_served() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    old.pre().exits(0);
    old.server.sql("postgres", "UPDATE backup SET state = 'done'");
    old.is_state("complete");
    assert!(old.row("backup_label").starts_with("START WAL LOCATION"));
    old.post().exits(0);
}

#[test]
fn a_broken_archive_is_told_and_never_turns_good_by_itself() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    old.pre().exits(0);
    archive.break_it();
    old.server.sql("postgres", "SELECT pg_switch_wal()");
    let post = old.post().exits(1);
    post.complains("Backup failed").complains("the archiver fails with");
    assert_eq!(old.row("state"), "failed");
    archive.mend();
    old.server.sql("postgres", "SELECT pg_switch_wal()");
    thread::sleep(Duration::from_secs(3));
    assert_eq!(old.row("state"), "failed");
}

#[test]
fn an_existing_table_needs_no_right_to_make_one() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    old.pre().exits(0);
    old.post().exits(0);
    old.server.sql(
        "postgres",
        "CREATE ROLE few LOGIN; GRANT SELECT, INSERT, UPDATE ON backup TO few; GRANT EXECUTE ON \
         FUNCTION pg_backup_start(text, bool), pg_backup_stop(bool) TO few",
    );
    let few = [("PGUSER", "few"), ("PGDATABASE", "postgres")];
    old.call("pgpre", &[], &few).exits(0);
    old.call("pgpost", &[], &few).exits(0);
    assert_eq!(old.row("state"), "complete");
}

#[test]
fn nobody_there_is_said_at_once_whatever_the_directory() {
    let archive = Archive::new();
    let mut old = Old::new(&archive);
    old.server.stop();
    old.pre().exits(1).complains("cannot connect");
    old.server.start_again();
    let mut command = old.command("pgpre", &[]);
    assert!(command.current_dir("/").output().unwrap().status.success());
    old.post().exits(0);
}

#[test]
fn label_and_map_are_put_where_they_are_wanted() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    old.pre().exits(0);
    let (label, map) = (old.sandbox.path("l"), old.sandbox.path("m"));
    let arguments = ["--label-file", label.to_str().unwrap(), "--map-file", map.to_str().unwrap()];
    let post = old.call("pgpost", &arguments, &[]).exits(0);
    assert_eq!(fs::read_to_string(label).unwrap(), post.stdout);
    assert!(!map.exists(), "there are no tablespaces");
}

#[test]
fn what_cannot_be_told_is_a_failure() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    let full = |name: &str| {
        let output = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = old.command(name, &[]).stdout(output).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(complaint.contains("cannot write the output"), "{complaint}");
    };
    // Who was told of a failure does not end the backup: nothing stays behind.
    full("pgpre");
    assert!(within(|| sessions(&old.server) == "0"), "nobody is left in backup mode");
    old.pre().exits(0);
    full("pgpost");
    old.post().exits(0).says("START WAL LOCATION");
}

#[test]
fn a_reader_that_has_gone_leaves_the_backup_to_post() {
    let archive = Archive::new();
    let old = Old::new(&archive);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = old.command("pgpre", &[]).stdout(writer).status().unwrap();
    assert!(status.success(), "{status}");
    old.post().exits(0);
}
