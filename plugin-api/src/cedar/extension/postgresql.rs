//! The `<postgresql>` section: dumps of databases.

use super::databases::{Given, port, timeout};
use crate::{
    cedar::{
        Cause, Located, Place, Text,
        reader::{Findings, Reader},
        section::{Context, Section},
    },
    config::Duration,
};

/// Which PostgreSQL databases are dumped, and how. All but the first four
/// fields is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Postgresql {
    /// The user to log in as.
    pub user: Text,
    /// `none`, `gzip`, `bzip2` or another compressor's name.
    pub compress_mode: Text,
    /// Whether all databases are dumped.
    pub all: bool,
    /// The databases to dump otherwise.
    pub databases: Vec<Located<String>>,
    /// The server's host or socket directory.
    pub host: Text,
    /// The server's port, from 1 to 65535.
    pub port: Option<Located<i64>>,
    /// The name of a connection service.
    pub service: Text,
    /// A file with the password, or in the format of `.pgpass`; absolute.
    pub password_file: Text,
    /// `plain`, `custom` or `directory`; absent is `plain`.
    pub format: Text,
    /// How many connections dump one database, with `directory`; from 1.
    pub jobs: Option<Located<i64>>,
    /// How many databases are dumped at the same time; from 1.
    pub parallel: Option<Located<i64>>,
    /// Whether roles and tablespaces are dumped into a file of their own.
    pub globals: Option<bool>,
    /// With `all`: databases to leave out.
    pub exclude: Vec<Located<String>>,
    /// Only these schemas, as patterns of `pg_dump`.
    pub schemas: Vec<Located<String>>,
    /// Schemas to leave out.
    pub exclude_schemas: Vec<Located<String>>,
    /// Only these tables.
    pub tables: Vec<Located<String>>,
    /// Tables to leave out.
    pub exclude_tables: Vec<Located<String>>,
    /// Tables whose rows are left out.
    pub exclude_table_data: Vec<Located<String>>,
    /// How long one dump may take; no limit if absent.
    pub timeout: Option<Located<Duration>>,
    /// Further arguments of the dump program, one each.
    pub options: Vec<Located<String>>,
    /// Where the section is.
    pub place: Place,
}

impl Section for Postgresql {
    const NAME: &'static str = "postgresql";

    fn read(reader: &Reader<'_>) -> Self {
        let count = |name| reader.integer(name, Some((1, Cause::OutOfRange)));
        let formats = ["plain", "custom", "directory"];
        Self {
            user: reader.text("user"),
            compress_mode: reader.compress_mode(),
            all: reader.boolean("all"),
            databases: reader.texts("database"),
            host: reader.text("host"),
            port: port(reader),
            service: reader.text("service"),
            password_file: reader.absolute("password_file", Cause::PathNotAbsolute),
            format: reader.one_of("format", Cause::DumpFormat, &formats),
            jobs: count("jobs"),
            parallel: count("parallel"),
            globals: reader.optional_boolean("globals"),
            exclude: reader.texts("exclude"),
            schemas: reader.texts("schema"),
            exclude_schemas: reader.texts("exclude_schema"),
            tables: reader.texts("table"),
            exclude_tables: reader.texts("exclude_table"),
            exclude_table_data: reader.texts("exclude_table_data"),
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
