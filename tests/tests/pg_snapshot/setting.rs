//! Servers, sandboxes and calls for the tests.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use hayloft_tests::{
    Output, Sandbox,
    postgres::{Options, Postgres},
};
use serde_json::Value;

/// Something with a server `main` and a way to reach it.
pub(crate) struct Setting {
    pub(crate) server: Postgres,
    pub(crate) sandbox: Sandbox,
}

/// Where a server may put its archive: it must exist, and be the server's.
pub(crate) struct Archive(tempfile::TempDir);

impl Archive {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("hayloft-wal-").tempdir().unwrap();
        // The server runs under another account if we are root.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self) -> String {
        format!("test ! -e {0}/broken && cp %p {0}/%f", self.path().display())
    }

    /// Lets the server archive no more.
    pub(crate) fn break_it(&self) {
        fs::write(self.path().join("broken"), "").unwrap();
    }

    pub(crate) fn mend(&self) {
        fs::remove_file(self.path().join("broken")).unwrap();
    }
}

/// A server that archives.
pub(crate) fn archiving(archive: &Archive) -> Options {
    Postgres::options()
        .setting("archive_mode", "on")
        .setting("archive_command", &archive.command())
        .setting("full_page_writes", "on")
}

impl Setting {
    pub(crate) fn new(server: Postgres) -> Self {
        let sandbox = sandbox_for(&server, "");
        Self { server, sandbox }
    }

    /// Runs `hayloft pg snapshot …`.
    pub(crate) fn snapshot(&self, arguments: &[&str]) -> Output {
        snapshot(&self.sandbox, arguments)
    }

    /// Begins a session and returns what is known of it.
    pub(crate) fn begin(&self) -> Value {
        self.snapshot(&["begin", "main", "--json"]).exits(0).json()
    }

    pub(crate) fn status(&self) -> Value {
        self.snapshot(&["status", "main", "--json"]).json()
    }

    /// Waits until the session is in this state.
    pub(crate) fn reaches(&self, phase: &str) -> Value {
        let mut last = Value::Null;
        within(|| {
            last = self.status();
            last["phase"] == phase
        });
        assert_eq!(last["phase"], phase, "{last}");
        last
    }

    /// Reads a path of what the program wrote.
    pub(crate) fn file(&self, value: &Value) -> PathBuf {
        self.sandbox.expand(value.as_str().unwrap()).into()
    }

    /// The directory where the session of `main` is known.
    pub(crate) fn place(&self) -> PathBuf {
        self.sandbox.path(".local/state/hayloft/postgres/main")
    }
}

pub(crate) fn snapshot(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let all = [&["--config", "hayloft.xml", "pg", "snapshot"], arguments].concat();
    sandbox.run(&all)
}

/// A configuration with the server `main`.
pub(crate) fn sandbox_for(server: &Postgres, more: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    // What is no absolute path counts for nothing: the home directory does.
    sandbox.env("XDG_STATE_HOME", "");
    sandbox.write(
        "hayloft.xml",
        &format!(
            "<cb_config><postgres_servers><server><name>main</name>\
             <conninfo>{}</conninfo><keepalive_interval>1s</keepalive_interval>{more}\
             </server></postgres_servers></cb_config>\n",
            conninfo(server)
        ),
    );
    sandbox
}

pub(crate) fn conninfo(server: &Postgres) -> String {
    let (directory, port) = (server.socket_dir(), server.port());
    format!("host={} port={port} user=postgres dbname=postgres", directory.display())
}

/// Waits a while for something to become true.
pub(crate) fn within(mut good: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(40) {
        if good() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// Whether the server has a session that holds a backup of ours.
pub(crate) fn sessions(server: &Postgres) -> String {
    server.sql(
        "postgres",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted",
    )
}

/// Ends a process for good.
pub(crate) fn kill(pid: &Value, signal: &str) {
    let done = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(done.success());
}

/// Copies a running server's files as somebody who knows his trade does:
/// everything but the WAL, the control file last.
pub(crate) fn copy(server: &Postgres, to: &Path) {
    let script = "set -e; cd \"$1\"; mkdir -p \"$2\"; \
        tar cf - --warning=no-file-changed --warning=no-file-removed --exclude=./postmaster.* \
        --exclude=./pg_wal/* --exclude=./global/pg_control . | tar xf - -C \"$2\" || test $? -le 1; \
        mkdir -p \"$2/pg_wal\"; cp -p global/pg_control \"$2/global/\"; chmod 0700 \"$2\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, "copy"]).arg(server.data_dir()).arg(to);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Puts a copy in the place of a server's data, with what makes it a backup,
/// and starts it.
pub(crate) fn restore(server: &mut Postgres, copy: &Path, label: &Path, archive: &Path) {
    let data = server.data_dir();
    let aside = server.directory().join("before");
    fs::rename(&data, &aside).unwrap();
    let moved = Command::new("cp").arg("-a").arg(copy).arg(&data).status().unwrap();
    assert!(moved.success());
    for name in ["backup_label", "tablespace_map"] {
        if label.join(name).exists() {
            fs::copy(label.join(name), data.join(name)).unwrap();
        }
    }
    fs::write(data.join("recovery.signal"), "").unwrap();
    let owned = Command::new("chown").arg("-R").arg("--reference").arg(&aside).arg(&data).status();
    assert!(owned.unwrap().success());
    // What the archive has is what there is: a test that started with the WAL
    // of the original would show nothing.
    assert!(within(|| Command::new("rm").arg("-rf").arg(&aside).status().unwrap().success()));
    assert!(archive.is_dir());
    server.start_again();
}
