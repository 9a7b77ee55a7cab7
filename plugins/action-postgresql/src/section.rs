//! The `<postgresql>` section.

use std::path::PathBuf;

use hayloft_plugin_api::{Error, ErrorKind, Result, config::Duration};
use serde::Deserialize;

use crate::{
    arguments,
    settings::{Connection, Format, Selection, Settings},
};

/// The `<postgresql>` section; the first four elements are Cedar Backup's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Section {
    /// The role to connect as; libpq's own choice if there is none.
    pub user: Option<String>,
    /// The compressor: `none`, `gzip`, `bzip2` or any other that is there.
    pub compress_mode: Option<String>,
    /// Whether all databases are dumped.
    pub all: bool,
    /// The databases, if it is not all.
    pub database: Vec<String>,
    /// The host, or the directory of the socket.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// A service of `pg_service.conf`.
    pub service: Option<String>,
    /// A file with the password, or in the format of `~/.pgpass`.
    pub password_file: Option<PathBuf>,
    /// `plain` (the default), `custom` or `directory`.
    pub format: SectionFormat,
    /// How many tables of one database are dumped at once; for the directory
    /// format only.
    pub jobs: Option<u32>,
    /// How many databases are dumped at once; 2 at most if not given.
    pub parallel: Option<u32>,
    /// Whether roles and tablespaces get a file of their own.
    pub globals: Option<bool>,
    /// Databases left out of all.
    pub exclude: Vec<String>,
    /// Only these schemas, as `pg_dump --schema`.
    pub schema: Vec<String>,
    /// Not these schemas.
    pub exclude_schema: Vec<String>,
    /// Only these tables, as `pg_dump --table`.
    pub table: Vec<String>,
    /// Not these tables.
    pub exclude_table: Vec<String>,
    /// These tables without their rows.
    pub exclude_table_data: Vec<String>,
    /// The time that one dump may take.
    pub timeout: Option<Duration>,
    /// Further arguments of the dump program, such as `--no-owner`.
    pub option: Vec<String>,
}

/// The `<format>` element.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SectionFormat {
    /// SQL text.
    #[default]
    Plain,
    /// One file for `pg_restore`.
    Custom,
    /// A directory for `pg_restore`, in a tar file.
    Directory,
}

impl Section {
    /// Checks what belongs together.
    pub(crate) fn into_settings(self) -> Result<Settings> {
        let problem = self.problem();
        if let Some((message, hint)) = problem {
            return Err(Error::new(ErrorKind::CONFIGURATION, message).hint(hint));
        }
        Ok(Settings {
            connection: Connection {
                host: self.host,
                port: self.port,
                user: self.user,
                service: self.service,
                password_file: self.password_file,
            },
            compress: self.compress_mode.unwrap_or_default(),
            all: self.all,
            databases: self.database,
            exclude: self.exclude,
            format: match self.format {
                SectionFormat::Plain => Format::Plain,
                SectionFormat::Custom => Format::Custom,
                SectionFormat::Directory => Format::Directory,
            },
            jobs: self.jobs,
            parallel: self.parallel,
            globals: self.globals,
            selection: Selection {
                schemas: self.schema,
                exclude_schemas: self.exclude_schema,
                tables: self.table,
                exclude_tables: self.exclude_table,
                exclude_table_data: self.exclude_table_data,
            },
            timeout: self.timeout.map(Duration::get),
            arguments: self.option,
        })
    }

    fn problem(&self) -> Option<(String, String)> {
        let fixed = |message: &str, hint: &str| Some((message.to_owned(), hint.to_owned()));
        if self.compress_mode.is_none() {
            return fixed("<compress_mode> is missing", "write none, gzip, bzip2 or zstd");
        }
        if self.all && !self.database.is_empty() {
            return fixed(
                "there are <database> elements although <all> is Y",
                "leave out one or the other; <exclude> leaves databases out of all",
            );
        }
        if !self.all && self.database.is_empty() {
            return fixed("no database is named", "add <database> elements, or <all>Y</all>");
        }
        if self.database.iter().any(String::is_empty) {
            return fixed("a <database> is empty", "write the name of a database");
        }
        if !self.all && !self.exclude.is_empty() {
            return fixed("<exclude> goes with <all>Y</all> only", "leave it out");
        }
        if self.jobs.is_some_and(|it| it > 1) && self.format != SectionFormat::Directory {
            return fixed(
                "<jobs> goes with <format>directory</format> only",
                "change the format, or use <parallel> to dump several databases at once",
            );
        }
        if self.jobs == Some(0) || self.parallel == Some(0) {
            return fixed("<jobs> and <parallel> are at least 1", "leave out what you do not need");
        }
        self.option.iter().find_map(|option| {
            let why = arguments::refused(option)?;
            Some((format!("<option> `{option}` cannot be used"), why.to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section() -> Section {
        let database = vec!["a".to_owned()];
        Section { compress_mode: Some("gzip".into()), database, ..Section::default() }
    }

    #[test]
    fn what_does_not_belong_together_is_refused_with_a_remedy() {
        let all = || Section { all: true, database: Vec::new(), ..section() };
        let cases = [
            (Section { compress_mode: None, ..section() }, "<compress_mode> is missing"),
            (Section { all: true, ..section() }, "although <all> is Y"),
            (Section { database: Vec::new(), ..section() }, "no database is named"),
            (Section { exclude: vec!["b".into()], ..section() }, "<exclude> goes with"),
            (Section { jobs: Some(2), ..section() }, "<jobs> goes with"),
            (Section { parallel: Some(0), ..all() }, "at least 1"),
            (Section { option: vec!["-Fc".into()], ..all() }, "`-Fc` cannot be used"),
        ];
        for (section, message) in cases {
            let error = section.into_settings().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CONFIGURATION);
            assert!(error.message().contains(message), "{error}");
            assert!(error.remedy().is_some(), "{error}");
        }
        assert!(section().into_settings().is_ok());
        assert!(all().into_settings().is_ok());
    }
}
