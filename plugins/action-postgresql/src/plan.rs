//! Which files a run makes.

use hayloft_plugin_api::text::one_line;
use std::{collections::BTreeSet, fmt};

use crate::{
    names,
    settings::{Format, Settings},
};

/// What goes into one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// Everything, by `pg_dumpall`.
    Cluster,
    /// Roles and tablespaces.
    Globals,
    /// One database.
    Database(String),
}

/// For messages.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => write!(f, "all databases"),
            Self::Globals => write!(f, "the roles and tablespaces"),
            Self::Database(name) => write!(f, "database `{}`", one_line(name)),
        }
    }
}

/// One file to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dump {
    /// What goes into it.
    pub content: Content,
    /// How.
    pub format: Format,
    /// Its name, without the compressor's suffix.
    pub file: String,
    /// The names that it has in other formats.
    pub former: Vec<String>,
}

impl Dump {
    /// Returns the names of its file in every format.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.file).chain(&self.former).map(String::as_str)
    }
}

/// Returns the files that `settings` ask for. `listed` are all databases of
/// the server, where [`Settings::all`] is set and one file does not do.
pub(crate) fn plan(settings: &Settings, listed: &[String]) -> Vec<Dump> {
    let text = |content, file| Dump { content, format: Format::Plain, file, former: Vec::new() };
    if settings.is_one_file() {
        return vec![text(Content::Cluster, names::cluster_file())];
    }
    let mut dumps = Vec::new();
    let globals = settings.has_globals_file();
    if globals {
        dumps.push(text(Content::Globals, names::globals_file()));
    }
    let wanted = if settings.all { listed } else { settings.databases.as_slice() };
    let mut seen = BTreeSet::new();
    let wanted = wanted.iter().filter(|it| !settings.exclude.contains(it));
    for database in wanted.filter(|it| seen.insert(it.as_str())) {
        let file = |it: Format| names::database_file(database, it.extension(), globals);
        let others = Format::ALL.into_iter().filter(|it| *it != settings.format);
        dumps.push(Dump {
            file: file(settings.format),
            former: others.map(file).collect(),
            content: Content::Database(database.clone()),
            format: settings.format,
        });
    }
    dumps
}

/// Returns the databases that are to be left out but are not there: most
/// likely misspelt.
pub(crate) fn unknown_exclusions<'a>(settings: &'a Settings, listed: &[String]) -> Vec<&'a str> {
    let unknown = settings.exclude.iter().filter(|it| !listed.contains(it));
    unknown.map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(settings: &Settings, listed: &[&str]) -> Vec<String> {
        let listed: Vec<_> = listed.iter().map(ToString::to_string).collect();
        plan(settings, &listed).into_iter().map(|it| it.file).collect()
    }

    fn databases(names: &[&str]) -> Settings {
        let databases = names.iter().map(ToString::to_string).collect();
        Settings { databases, ..Settings::default() }
    }

    #[test]
    fn a_configuration_of_cedar_backup_makes_its_files() {
        let all = Settings { all: true, ..Settings::default() };
        assert_eq!(files(&all, &[]), ["postgresqldump.txt"]);
        assert_eq!(
            files(&databases(&["b", "a", "b"]), &[]),
            ["postgresqldump-b.txt", "postgresqldump-a.txt"]
        );
    }

    #[test]
    fn other_formats_and_exclusions_make_a_file_for_each_database_and_the_globals() {
        let custom = Settings { all: true, format: Format::Custom, ..Settings::default() };
        assert_eq!(
            files(&custom, &["a", "globals"]),
            [
                "postgresqldump-globals.txt",
                "postgresqldump-a.dump",
                "postgresqldump-%67lobals.dump"
            ]
        );
        let but_b = Settings { all: true, exclude: vec!["b".into()], ..Settings::default() };
        assert_eq!(
            files(&but_b, &["a", "b"]),
            ["postgresqldump-globals.txt", "postgresqldump-a.txt"]
        );
        assert_eq!(unknown_exclusions(&but_b, &["a".into()]), ["b"]);
    }

    #[test]
    fn the_globals_can_be_asked_for_and_left_out() {
        let with = Settings { globals: Some(true), ..databases(&["a"]) };
        assert_eq!(files(&with, &[]), ["postgresqldump-globals.txt", "postgresqldump-a.txt"]);
        let without =
            Settings { globals: Some(false), format: Format::Directory, ..databases(&["a"]) };
        assert_eq!(files(&without, &[]), ["postgresqldump-a.dir.tar"]);
    }
}
