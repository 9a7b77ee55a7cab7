//! The `<mysql>` section: dumps of databases.

use super::databases::{Given, port, timeout};
use crate::{
    cedar::{
        Cause, Located, Place, Text,
        reader::{Findings, Reader},
        section::{Context, Section},
    },
    config::Duration,
};

/// Which `MySQL` or `MariaDB` databases are dumped, and how. All but the
/// first five fields is ours.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Mysql {
    /// The user to log in as.
    pub user: Text,
    /// The password. `Debug` does not show it.
    pub password: Text,
    /// `none`, `gzip`, `bzip2` or another compressor's name.
    pub compress_mode: Text,
    /// Whether all databases are dumped.
    pub all: bool,
    /// The databases to dump otherwise.
    pub databases: Vec<Located<String>>,
    /// A file with the password.
    pub password_file: Text,
    /// A program that prints the password.
    pub password_command: Text,
    /// The server's host.
    pub host: Text,
    /// The server's port, from 1 to 65535.
    pub port: Option<Located<i64>>,
    /// The path of the server's socket.
    pub socket: Text,
    /// An option file that the programs read besides their own; absolute.
    pub options_file: Text,
    /// Whether each database is dumped in one transaction, without locks.
    pub single_transaction: bool,
    /// Whether stored routines are dumped.
    pub routines: Option<bool>,
    /// Whether events are dumped.
    pub events: Option<bool>,
    /// Whether triggers are dumped.
    pub triggers: Option<bool>,
    /// Whether the server begins new log files; absent is yes.
    pub flush_logs: Option<bool>,
    /// With `all`: whether each database gets a file of its own.
    pub file_per_database: bool,
    /// With `all`: databases to leave out.
    pub exclude: Vec<Located<String>>,
    /// How many databases are dumped at the same time; from 1.
    pub parallel: Option<Located<i64>>,
    /// How long one dump may take; no limit if absent.
    pub timeout: Option<Located<Duration>>,
    /// Further arguments of the dump program, one each.
    pub options: Vec<Located<String>>,
    /// Where the section is.
    pub place: Place,
}

/// The password is not shown.
impl std::fmt::Debug for Mysql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mysql")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("compress_mode", &self.compress_mode)
            .field("all", &self.all)
            .field("databases", &self.databases)
            .finish_non_exhaustive()
    }
}

impl Section for Mysql {
    const NAME: &'static str = "mysql";

    fn read(reader: &Reader<'_>) -> Self {
        Self {
            user: reader.text("user"),
            password: reader.text("password"),
            compress_mode: reader.compress_mode(),
            all: reader.boolean("all"),
            databases: reader.texts("database"),
            password_file: reader.text("password_file"),
            password_command: reader.text("password_command"),
            host: reader.text("host"),
            port: port(reader),
            socket: reader.absolute("socket", Cause::PathNotAbsolute),
            options_file: reader.absolute("options_file", Cause::PathNotAbsolute),
            single_transaction: reader.boolean("single_transaction"),
            routines: reader.optional_boolean("routines"),
            events: reader.optional_boolean("events"),
            triggers: reader.optional_boolean("triggers"),
            flush_logs: reader.optional_boolean("flush_logs"),
            file_per_database: reader.boolean("file_per_database"),
            exclude: reader.texts("exclude"),
            parallel: reader.integer("parallel", Some((1, Cause::OutOfRange))),
            timeout: timeout(reader),
            options: reader.texts("option"),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        let given = Given {
            compress_mode: self.compress_mode.is_some(),
            all: self.all,
            databases: &self.databases,
        };
        given.validate(findings, &self.place);
    }
}
