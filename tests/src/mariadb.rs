//! A scratch `MariaDB` server for tests: never one that is already there.
//!
//! [`Mariadb::start`] makes a data directory in a private directory below the
//! temporary directory and starts a server on it that listens on a socket in
//! that directory, and on a port if asked. Dropping it ends the server and
//! removes everything; should the test process die without that, a watchdog
//! does. For root, the server runs under the account `hayloft-scratch`.

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose server does not work must fail, and say why"
)]

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::postgres::{
    account::Account,
    place::{Place, free_port},
};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ends the server and removes its directory when its standard input ends
/// without a word, which is when the test process has died.
const WATCHDOG: &str = r#"
trap "" HUP INT TERM
read -r word && exit 0
kill -KILL "$1"
tries=0
while kill -0 "$1" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries+1)); done
rm -rf -- "$2"
"#;

/// A running scratch server; ended and removed when dropped.
#[derive(Debug)]
pub struct Mariadb {
    server: Option<(Child, Child)>,
    // Invariant: declared, hence dropped, after the server.
    place: Place,
    account: Account,
    port: Option<u16>,
}

impl Mariadb {
    /// Starts a server that is reached through its socket.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Starts a server that is reached through a port of 127.0.0.1 too.
    pub fn with_port() -> Self {
        Self::with(Some(free_port()))
    }

    fn with(port: Option<u16>) -> Self {
        let account = Account::find_or_make();
        let place = Place::make(&account);
        let mut it = Self { server: None, place, account, port };
        it.install();
        it.start_again();
        it
    }

    fn install(&self) {
        let mut command = self.unprivileged("mariadb-install-db");
        command.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
        command.arg("--skip-test-db").arg(format!("--datadir={}", self.data_dir().display()));
        command.arg(self.private_tmpdir());
        succeed(&mut command);
    }

    /// Starts the server after [`Mariadb::stop`].
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "the server runs already");
        let mut command = self.unprivileged("mariadbd");
        command.arg("--no-defaults").arg(format!("--datadir={}", self.data_dir().display()));
        command.arg(format!("--socket={}", self.socket().display()));
        command.arg(format!("--pid-file={}", self.directory().join("pid").display()));
        command.arg(self.private_tmpdir());
        // What is committed outlives the process, though not the machine.
        command.args(["--skip-log-bin", "--innodb-flush-log-at-trx-commit=2"]);
        command.args(["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M"]);
        match self.port {
            Some(port) => command.arg("--bind-address=127.0.0.1").arg(format!("--port={port}")),
            None => command.arg("--skip-networking"),
        };
        let log = File::create(self.directory().join("log")).expect("the directory is writable");
        let errors = log.try_clone().expect("a descriptor can be copied");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let process = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", WATCHDOG, "watchdog", &process.id().to_string()]);
        watchdog.arg(self.directory()).stdin(Stdio::piped());
        watchdog.stdout(Stdio::null()).stderr(Stdio::null());
        let watchdog = watchdog.spawn().expect("sh can be started");
        self.server = Some((process, watchdog));
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let began = Instant::now();
        loop {
            let mut command = self.client("mariadb-admin", "root");
            let output = command.arg("ping").output().unwrap_or_else(|e| panic!("{e}"));
            if output.status.success() {
                return;
            }
            let ended = self.server.as_mut().is_none_or(|(it, _)| {
                // Whether it still runs cannot be found out: as good as ended.
                !matches!(it.try_wait(), Ok(None))
            });
            if ended || began.elapsed() > PATIENCE {
                let log = fs::read(self.directory().join("log")).unwrap_or_default();
                panic!("the server did not start:\n{}", String::from_utf8_lossy(&log));
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server at once, as a power cut would; the data stay.
    pub fn stop(&mut self) {
        let Some((mut process, mut watchdog)) = self.server.take() else { return };
        // It may have ended by itself.
        let _ = process.kill();
        let _ = process.wait();
        if let Some(mut input) = watchdog.stdin.take() {
            let _ = input.write_all(b"done\n");
        }
        let _ = watchdog.wait();
    }

    /// Returns the private directory that holds everything of the server.
    pub fn directory(&self) -> &Path {
        self.place.path()
    }

    /// Servers sweep temporary tables out of theirs, also those of others.
    fn private_tmpdir(&self) -> String {
        format!("--tmpdir={}", self.directory().display())
    }

    fn data_dir(&self) -> PathBuf {
        self.directory().join("data")
    }

    /// Returns the path of the socket.
    pub fn socket(&self) -> PathBuf {
        self.directory().join("socket")
    }

    /// Returns the port of 127.0.0.1; 0 if there is none.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(0)
    }

    /// Prepares a client program that reaches this server and no other.
    pub fn client(&self, program: &str, user: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--no-defaults").arg(format!("--user={user}"));
        command.arg(format!("--socket={}", self.socket().display()));
        command.env_remove("MYSQL_HOST").env_remove("MYSQL_PWD").stdin(Stdio::null());
        command
    }

    /// Runs SQL, one statement or several, and returns what the last one
    /// says: rows one a line, fields separated by tabs, no header.
    pub fn sql(&self, sql: &str) -> String {
        let output = self.run_sql(sql.as_bytes());
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// Runs what a dump program wrote.
    pub fn restore(&self, dump: &[u8]) {
        self.run_sql(dump);
    }

    fn run_sql(&self, sql: &[u8]) -> Output {
        let mut command = self.client("mariadb", "root");
        command.args(["--batch", "--skip-column-names", "--default-character-set=utf8mb4"]);
        let mut input = tempfile::tempfile().expect("there is room for a temporary file");
        input.write_all(sql).expect("there is room for a temporary file");
        std::io::Seek::rewind(&mut input).expect("a file has a beginning");
        succeed(command.stdin(input))
    }

    fn unprivileged(&self, program: &str) -> Command {
        // Debian has the server where the PATH of ordinary users does not lead.
        let found = ["/usr/sbin", "/usr/libexec", "/usr/local/sbin"]
            .map(|it| Path::new(it).join(program))
            .into_iter()
            .find(|it| it.is_file());
        let mut command = Command::new(found.unwrap_or_else(|| program.into()));
        self.account.become_in(&mut command);
        command.current_dir(self.directory());
        command
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        self.stop();
    }
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "this test needs MariaDB's server and clients ({error}: {command:?}): install them, \
             on Debian with `apt-get install mariadb-server`"
        )
    });
    assert!(
        output.status.success(),
        "{command:?} failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_server_answers_and_leaves_nothing_behind() {
        let mut server = Mariadb::start();
        server.sql("CREATE DATABASE x; CREATE TABLE x.t (a TEXT CHARACTER SET utf8mb4)");
        server.sql("INSERT INTO x.t VALUES ('größe')");
        server.stop();
        server.start_again();
        assert_eq!(server.sql("SELECT a FROM x.t"), "größe");
        let directory = server.directory().to_owned();
        drop(server);
        assert!(!directory.exists());
    }
}
