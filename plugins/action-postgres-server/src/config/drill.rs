//! The element `<drill>` of a server: how it is proved that it can be restored.

use std::{
    path::{Path, PathBuf},
    time,
};

use hayloft_plugin_api::{Result, config::Duration};
use serde::Deserialize;

use super::{Server, wrong};

/// How long nothing may happen in a replay, unless told otherwise.
const STALL: time::Duration = time::Duration::from_mins(10);
/// How many reports are kept, unless told otherwise.
const REPORTS: usize = 30;

/// `<drill>`: how a server's drill is done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Drill {
    /// Where scratch clusters are made; `postgres/NAME/drill` below the working
    /// directory if absent.
    pub directory: Option<PathBuf>,
    /// The user that the scratch server runs under, where we are root;
    /// `postgres` if absent.
    pub user: Option<String>,
    /// The directory of PostgreSQL's programs; found by the version if absent.
    pub programs: Option<PathBuf>,
    /// How long nothing may happen in a replay before it has failed; 10 min if
    /// absent.
    pub stall_timeout: Option<Duration>,
    /// What of indexes and tables is checked by PostgreSQL's extension amcheck.
    pub amcheck: Amcheck,
    /// `N`: not every row of every table is read.
    pub dump: bool,
    /// `N`: page checksums are not tested.
    pub checksums: bool,
    /// What must be so in the restored data; may be repeated.
    pub assertion: Vec<Assertion>,
    /// A setting of the scratch server, such as `shared_preload_libraries`; may
    /// be repeated.
    pub setting: Vec<DrillSetting>,
    /// How many reports are kept; 30 if absent.
    pub keep_reports: Option<usize>,
}

/// How thorough amcheck is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Amcheck {
    /// Not at all.
    None,
    /// The structure of B-tree indexes and of tables.
    Quick,
    /// And that every row of a table is in its indexes.
    #[default]
    Full,
}

/// `<assertion>`: a query whose answer must be true.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Assertion {
    /// What it is called in the report; the query if absent.
    pub name: Option<String>,
    /// The database; `postgres` if absent.
    pub database: Option<String>,
    /// The query: the first column of its first row must be true.
    pub sql: String,
}

/// `<setting>`: of the scratch server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DrillSetting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Default for Drill {
    fn default() -> Self {
        Self {
            directory: None,
            user: None,
            programs: None,
            stall_timeout: None,
            amcheck: Amcheck::default(),
            dump: true,
            checksums: true,
            assertion: Vec::new(),
            setting: Vec::new(),
            keep_reports: None,
        }
    }
}

impl Drill {
    /// Returns how long nothing may happen in a replay.
    pub fn stall_timeout(&self) -> time::Duration {
        self.stall_timeout.map_or(STALL, Duration::get)
    }

    /// Returns how many reports are kept; one at least.
    pub fn keep_reports(&self) -> usize {
        self.keep_reports.unwrap_or(REPORTS).max(1)
    }

    pub(super) fn check(&self, server: &Server) -> Result<()> {
        let name = &server.name;
        let paths = [("directory", &self.directory), ("programs", &self.programs)];
        for (element, path) in paths {
            if path.as_deref().is_some_and(|it| !Path::is_absolute(it)) {
                return Err(wrong(format!(
                    "<{element}> in <drill> of server {name} is no absolute path"
                )));
            }
        }
        for setting in &self.setting {
            let setting = &setting.name;
            if crate::drill::is_kept_closed(setting) {
                return Err(wrong(format!(
                    "`{setting}` cannot be set for a drill of server {name}"
                ))
                .hint("it is one of those that keep the scratch server apart from everything"));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "._$".contains(c);
            if setting.is_empty() || !setting.chars().all(plain) {
                return Err(wrong(format!("`{setting}` is no name of a setting (server {name})")));
            }
        }
        for assertion in &self.assertion {
            if assertion.sql.trim().is_empty() {
                return Err(wrong(format!("an <assertion> of server {name} has no query"))
                    .hint("put one into <sql> that answers true, such as SELECT count(*) > 0 …"));
            }
        }
        Ok(())
    }
}
