//! A server that was restored, and runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use hayloft_tests::postgres::Postgres;

use super::ground::{Ground, wait_for};

/// Its port: only the name of a socket.
const PORT: &str = "54330";

/// A restored server; it is stopped when this is dropped.
pub(crate) struct Restored<'a> {
    original: &'a Postgres,
    data: PathBuf,
}

impl<'a> Restored<'a> {
    /// Restores below the ground, with these further words.
    pub(crate) fn restore(ground: &'a Ground, name: &str, more: &[&str]) -> Self {
        let data = ground.path(name);
        let words = [&["restore", "main", data.to_str().unwrap()], more].concat();
        ground.pg(&words).exits(0);
        Self { original: &ground.server, data }
    }

    /// Takes what was restored already.
    pub(crate) fn at(ground: &'a Ground, name: &str) -> Self {
        Self { original: &ground.server, data: ground.path(name) }
    }

    /// Starts it, and waits until it has recovered and works.
    pub(crate) fn promoted(self) -> Self {
        self.start(true);
        wait_for("the end of the recovery", || {
            self.try_sql("SELECT pg_is_in_recovery()").as_deref() == Some("f")
        });
        self
    }

    /// Starts it, and waits until it has reached its target and pauses.
    pub(crate) fn paused(self) -> Self {
        self.start(true);
        wait_for("the target", || {
            self.try_sql("SELECT pg_get_wal_replay_pause_state()").as_deref() == Some("paused")
        });
        self
    }

    /// Starts it; tells whether that worked.
    pub(crate) fn start(&self, expected: bool) {
        let socket = self.socket();
        fs::create_dir_all(&socket).unwrap();
        give_like(&self.data, &socket);
        let options = format!(
            "-c port={PORT} -c unix_socket_directories={} -c listen_addresses=",
            socket.display()
        );
        let mut command = self.original.unprivileged("pg_ctl");
        command.args(["start", "-w", "-t", "240", "-D"]).arg(&self.data);
        command.arg("-l").arg(socket.join("log")).arg("-o").arg(options);
        let output = command.output().unwrap();
        let log = fs::read_to_string(socket.join("log")).unwrap_or_default();
        assert_eq!(output.status.success(), expected, "{log}");
    }

    fn socket(&self) -> PathBuf {
        let mut name = self.data.as_os_str().to_owned();
        name.push("-s");
        name.into()
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Prepares a program that finds it.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = self.original.command(name);
        command.env("PGHOST", self.socket()).env("PGPORT", PORT).env("PGDATABASE", "postgres");
        command
    }

    fn psql(&self, sql: &str) -> Command {
        let mut command = self.program("psql");
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        command
    }

    /// Runs SQL in a database.
    pub(crate) fn sql_in(&self, database: &str, sql: &str) -> String {
        let output = self.psql(sql).env("PGDATABASE", database).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn try_sql(&self, sql: &str) -> Option<String> {
        let output = self.psql(sql).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// Runs SQL.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let output = self.psql(sql).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn stop(&self) {
        let mut command = self.original.unprivileged("pg_ctl");
        command.args(["stop", "-w", "-m", "fast", "-D"]).arg(&self.data);
        command.output().unwrap();
    }

    /// Stops it and checks the checksums of all its pages.
    pub(crate) fn is_sound(&self) {
        self.stop();
        let mut command = self.original.unprivileged("pg_checksums");
        let output = command.args(["--check", "-D"]).arg(&self.data).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn give_like(model: &Path, path: &Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    if rustix::process::geteuid().is_root() {
        let meta = fs::metadata(model).unwrap();
        chown(path, Some(meta.uid()), Some(meta.gid())).unwrap();
    }
}
