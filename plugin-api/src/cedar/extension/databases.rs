//! The `<mysql>` section, and what it shares with `<postgresql>`.

use crate::cedar::{
    Cause, Located, Place, Text,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// Which `MySQL` databases are dumped.
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
    /// Where the section is.
    pub place: Place,
}

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

pub(super) struct Given<'a> {
    pub(super) compress_mode: bool,
    pub(super) all: bool,
    pub(super) databases: &'a [Located<String>],
}

impl Given<'_> {
    pub(super) fn validate(&self, findings: &Findings<'_>, place: &Place) {
        if !self.compress_mode {
            findings.missing(Cause::CompressModeMissing, place);
        }
        match (self.all, self.databases) {
            (true, [first, ..]) => {
                let path = format!("{}/database", place.path);
                findings.invalid(Cause::AllWithDatabases, first, first.position, &path);
            }
            (false, []) => findings.missing(Cause::NoDatabases, place),
            _ => {}
        }
    }
}
