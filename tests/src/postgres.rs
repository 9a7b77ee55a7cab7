//! A scratch PostgreSQL server for tests: never one that is already there.
//!
//! [`Postgres::start`] makes a cluster in a private directory below the
//! temporary directory and starts a server on it that listens on a socket in
//! that directory only. Dropping it stops the server and removes everything;
//! should the test process die without that, a watchdog does.
//!
//! PostgreSQL refuses to run as root. For root, everything runs under a user
//! without rights that is made for it, `hayloft-scratch`.
//!
//! A test that must hold for several versions of PostgreSQL starts one server
//! of each; see [`installed_versions`].

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose server does not work must fail, and say why"
)]

pub(crate) mod account;
pub(crate) mod place;
mod programs;
mod server;
mod versions;

pub use self::{
    programs::Programs,
    versions::{MAJORS, backed_up_versions, installed_versions, version},
};

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use self::{account::Account, place::Place, server::Server};

/// The port that names the socket when there is no TCP; not the usual one, so
/// that a test that forgets to say which server it means finds none.
const SOCKET_PORT: u16 = 54_329;
/// How long a server may take to notice that it is to reload.
const RELOADED: Duration = Duration::from_mins(1);
/// The superuser of every scratch cluster.
const SUPERUSER: &str = "postgres";

/// How a scratch server is to be set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    password: Option<String>,
    tcp: bool,
    settings: Vec<(String, String)>,
    initdb: Vec<String>,
    programs: Option<Programs>,
}

impl Options {
    /// Demands this password (SCRAM) of everybody, on the socket too.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Listens on 127.0.0.1 too, on a free port.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Puts a line into `postgresql.conf`; the last one of a name counts.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives `initdb` a further argument.
    #[must_use]
    pub fn initdb(mut self, argument: &str) -> Self {
        self.initdb.push(argument.to_owned());
        self
    }

    /// Takes the server of this version instead of the newest one installed.
    #[must_use]
    pub fn programs(mut self, programs: &Programs) -> Self {
        self.programs = Some(programs.clone());
        self
    }

    /// Makes the cluster and starts the server; ready when this returns.
    pub fn start(self) -> Postgres {
        Postgres::start_with(self)
    }
}

/// A running scratch server of its own; stopped and removed when dropped.
#[derive(Debug)]
pub struct Postgres {
    // Invariant: declared, hence dropped, before the directory it runs in.
    server: Option<Server>,
    place: Place,
    programs: Programs,
    account: Account,
    port: u16,
    options: Options,
}

impl Postgres {
    /// Starts a server that trusts everybody who reaches its socket.
    pub fn start() -> Self {
        Self::options().start()
    }

    /// Begins to say how the server is to be set up.
    pub fn options() -> Options {
        Options::default()
    }

    fn start_with(options: Options) -> Self {
        let programs = options.programs.clone().unwrap_or_else(Programs::find);
        let account = Account::find_or_make();
        let place = Place::make(&account);
        let mut it = Self { server: None, place, programs, account, port: SOCKET_PORT, options };
        it.initdb();
        it.start_again();
        it
    }

    fn initdb(&self) {
        let mut command = self.unprivileged("initdb");
        command.args(["--no-sync", "--encoding=UTF8", "--locale=C"]);
        command.arg(format!("--username={SUPERUSER}")).arg("-D").arg(self.data_dir());
        if let Some(password) = &self.options.password {
            let file = self.directory().join("password");
            self.write_private(&file, password);
            command.arg("--auth=scram-sha-256").arg("--pwfile").arg(&file);
        } else {
            command.arg("--auth=trust");
        }
        command.args(&self.options.initdb);
        succeed(&mut command);
    }

    /// Starts the server after [`Postgres::stop`] or [`Postgres::crash`].
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "the server runs already");
        let attempts = if self.options.tcp { 5 } else { 1 };
        let mut why = String::new();
        for _ in 0..attempts {
            if self.options.tcp {
                // Somebody else may take the port before the server does.
                self.port = place::free_port();
            }
            self.write_configuration();
            let command = self.unprivileged("postgres");
            match Server::start(command, &self.data_dir(), self.directory()) {
                Ok(server) => {
                    self.server = Some(server);
                    return;
                }
                Err(log) => why = log,
            }
        }
        panic!("the scratch server did not start; its log says:\n{why}");
    }

    /// Changes a setting, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.options.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Stops the server in an orderly way; the cluster stays.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Stops the server as a power cut would; the cluster stays.
    pub fn crash(&mut self) {
        if let Some(server) = self.server.take() {
            server.crash();
        }
    }

    fn write_configuration(&self) {
        let mut text = format!(
            "# Written for this test.\n\
             listen_addresses = '{}'\n\
             port = {}\n\
             unix_socket_directories = '{}'\n\
             fsync = off\n\
             full_page_writes = off\n\
             shared_buffers = 32MB\n\
             max_connections = 40\n\
             max_wal_senders = 8\n\
             timezone = 'UTC'\n\
             log_timezone = 'UTC'\n",
            if self.options.tcp { "127.0.0.1" } else { "" },
            self.port,
            self.socket_dir().display(),
        );
        for (name, value) in &self.options.settings {
            text.push_str(name);
            text.push_str(" = '");
            text.push_str(&value.replace('\'', "''"));
            text.push_str("'\n");
        }
        self.write_private(&self.data_dir().join("postgresql.auto.conf"), &text);
    }

    fn write_private(&self, path: &Path, text: &str) {
        fs::write(path, text).expect("the scratch directory is writable");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        self.account.own(path);
    }

    /// Returns the private directory that holds everything of the server.
    pub fn directory(&self) -> &Path {
        self.place.path()
    }

    /// Returns the data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory().join("data")
    }

    /// Returns the directory of the socket: what `host` is to libpq.
    pub fn socket_dir(&self) -> PathBuf {
        self.directory().to_owned()
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the superuser's name.
    pub fn user(&self) -> &'static str {
        SUPERUSER
    }

    /// Returns the number of the server's first process; 0 if it is stopped.
    pub fn server_pid(&self) -> u32 {
        self.server.as_ref().map_or(0, Server::pid)
    }

    /// Returns the server's log so far.
    pub fn log(&self) -> String {
        server::read_log(self.directory())
    }

    /// Returns the path of a program of this server's version.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.path(name)
    }

    /// Returns the directory of the programs.
    pub fn bin_dir(&self) -> &Path {
        self.programs.directory()
    }

    /// Returns the major version, such as 15.
    pub fn major(&self) -> u32 {
        self.programs.major()
    }

    /// Makes the server read its configuration files again, and returns when
    /// new sessions are under what they say.
    pub fn reload(&self) {
        const LOADED: &str = "SELECT pg_conf_load_time()";
        let before = self.sql("postgres", LOADED);
        self.sql("postgres", "SELECT pg_reload_conf()");
        let began = Instant::now();
        while self.sql("postgres", LOADED) == before {
            assert!(began.elapsed() < RELOADED, "the server does not reload");
            sleep(Duration::from_millis(10));
        }
    }

    /// Prepares a program of this server's version, under our own user, with
    /// everything libpq needs to find this server and no other.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.program(program));
        self.point(&mut command);
        command.stdin(Stdio::null());
        command
    }

    /// Points libpq in `command` to this server.
    pub fn point(&self, command: &mut Command) {
        for name in programs::LIBPQ_VARIABLES {
            command.env_remove(name);
        }
        command.env("PGHOST", self.socket_dir());
        command.env("PGPORT", self.port.to_string());
        command.env("PGUSER", SUPERUSER);
        if let Some(password) = &self.options.password {
            command.env("PGPASSWORD", password);
        }
    }

    /// Runs SQL in a database and returns what it says: rows one a line,
    /// fields separated by `|`, no header.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut command = self.command("psql");
        command.env("PGDATABASE", database);
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let output = succeed(&mut command);
        let text = String::from_utf8(output.stdout).expect("psql answers in UTF-8");
        text.trim_end_matches('\n').to_owned()
    }

    /// Creates a database; any name will do.
    pub fn create_database(&self, name: &str) {
        self.sql("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")));
    }

    /// Creates a database if need be and fills it with pgbench's tables:
    /// 100,000 accounts, some 15 MB, for each unit of `scale`.
    pub fn pgbench(&self, database: &str, scale: u32) {
        let quoted = database.replace('\'', "''");
        let known = self.sql(
            "postgres",
            &format!("SELECT count(*) FROM pg_database WHERE datname = '{quoted}'"),
        );
        if known == "0" {
            self.create_database(database);
        }
        let mut command = self.command("pgbench");
        command.args(["--initialize", "--quiet", "--scale", &scale.to_string()]);
        // pgbench would take a bare name such as `a=b` apart.
        let quoted = database.replace('\\', "\\\\").replace('\'', "\\'");
        command.arg(format!("dbname='{quoted}'"));
        succeed(&mut command);
    }

    /// Returns the order-independent checksum of a table's content.
    pub fn checksum(&self, database: &str, table: &str) -> String {
        self.sql(
            database,
            &format!("SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {table} AS t"),
        )
    }

    /// Prepares a program under the account that the server runs under.
    pub fn unprivileged(&self, program: &str) -> Command {
        let mut command = self.command(program);
        self.account.become_in(&mut command);
        command.current_dir(self.directory());
        command
    }
}

/// Runs a program that must succeed.
fn succeed(command: &mut Command) -> Output {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("cannot start {command:?}: {error}"),
    };
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
        let server = Postgres::start();
        server.pgbench("bench", 1);
        assert_eq!(server.sql("bench", "SELECT count(*) FROM pgbench_accounts"), "100000");
        let (directory, pid) = (server.directory().to_owned(), server.server_pid());
        drop(server);
        assert!(!directory.exists());
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_watchdog_ends_the_server_of_a_test_that_was_killed() {
        let mut server = Postgres::start();
        let (directory, pid) = (server.directory().to_owned(), server.server_pid());
        // What the death of this process would do: the pipe closes.
        if let Some(it) = server.server.as_mut() {
            it.abandon();
        }
        assert!(!directory.exists());
        assert!(!Path::new(&format!("/proc/{pid}/exe")).exists());
    }

    #[test]
    fn a_password_is_demanded_if_there_is_one() {
        let server = Postgres::options().password("it's: a \\secret").tcp().start();
        assert_eq!(server.sql("postgres", "SELECT 1"), "1");
        let mut command = server.command("psql");
        command.env("PGPASSWORD", "wrong").env("PGHOST", "127.0.0.1");
        command.args(["-Xw", "-c", "SELECT 1", "postgres"]);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("password authentication failed"), "{stderr}");
    }

    #[test]
    fn a_server_comes_back_after_a_stop_and_after_a_crash() {
        let mut server = Postgres::start();
        server.sql("postgres", "CREATE TABLE t AS SELECT 1 AS a");
        server.stop();
        server.start_again();
        server.crash();
        server.start_again();
        assert_eq!(server.sql("postgres", "SELECT a FROM t"), "1");
    }
}
