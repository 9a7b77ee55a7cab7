//! Which files a run makes.

use hayloft_plugin_api::text::one_line;
use std::{collections::BTreeSet, fmt};

use hayloft_dump::encode;

use crate::settings::{Settings, Which};

/// The beginning of every file's name, Cedar Backup's.
const PREFIX: &str = "mysqldump";
/// The longest name of a database, in characters.
const LONGEST_NAME: usize = 64;
/// The longest name of a file, in bytes, with room for a temporary suffix.
const LONGEST_FILE: usize = 235;

/// What goes into one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// All databases.
    All,
    /// One database.
    Database(String),
}

/// For messages.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all databases"),
            Self::Database(name) => write!(f, "database `{}`", one_line(name)),
        }
    }
}

/// One file to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dump {
    /// What goes into it.
    pub content: Content,
    /// Its name, without the compressor's suffix: Cedar Backup's wherever
    /// Cedar Backup can make the dump. No two databases have the same one.
    pub file: String,
    /// Whether the server begins new log files with it.
    pub flush_logs: bool,
}

impl Dump {
    /// Returns why there can be no such database, or no file for it.
    pub(crate) fn complaint(&self) -> Option<String> {
        let Content::Database(name) = &self.content else { return None };
        if name.chars().count() > LONGEST_NAME {
            return Some(format!("its name is longer than {LONGEST_NAME} characters"));
        }
        if name.ends_with(' ') {
            return Some("its name ends with a blank".to_owned());
        }
        if name.chars().any(|it| it == '\0' || u32::from(it) > 0xFFFF) {
            return Some("its name has a character that no name can have".to_owned());
        }
        (self.file.len() > LONGEST_FILE)
            .then(|| "the name of its file would be too long".to_owned())
    }
}

/// Returns the files that `settings` ask for. `listed` are all databases of
/// the server, where they are asked for in files of their own.
pub(crate) fn plan(settings: &Settings, listed: &[String]) -> Vec<Dump> {
    let mut dumps: Vec<_> = match &settings.which {
        Which::AllInOne => vec![all()],
        Which::AllBut(names) => {
            listed.iter().filter(|it| !names.contains(it)).map(|it| of_database(it)).collect()
        }
        Which::Named(names) => {
            let mut seen = BTreeSet::new();
            names.iter().filter(|it| seen.insert(it.as_str())).map(|it| of_database(it)).collect()
        }
    };
    // Once a run is enough: each time, the server begins a new file.
    if let Some(first) = dumps.iter_mut().find(|it| it.complaint().is_none()) {
        first.flush_logs = settings.flush_logs;
    }
    dumps
}

fn all() -> Dump {
    Dump { content: Content::All, file: format!("{PREFIX}.txt"), flush_logs: false }
}

fn of_database(name: &str) -> Dump {
    Dump {
        content: Content::Database(name.to_owned()),
        file: format!("{PREFIX}-{}.txt", encode(name)),
        flush_logs: false,
    }
}

/// Returns the databases that are to be left out but are not there: most
/// likely misspelt.
pub(crate) fn unknown_exclusions<'a>(settings: &'a Settings, listed: &[String]) -> Vec<&'a str> {
    let Which::AllBut(names) = &settings.which else { return Vec::new() };
    names.iter().filter(|it| !listed.contains(it)).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn of(which: Which) -> Settings {
        Settings { which, ..Settings::default() }
    }

    fn files(which: Which, listed: &[&str]) -> Vec<String> {
        plan(&of(which), &strings(listed)).into_iter().map(|it| it.file).collect()
    }

    #[test]
    fn a_configuration_of_cedar_backup_makes_its_files() {
        assert_eq!(files(Which::AllInOne, &[]), ["mysqldump.txt"]);
        let names = ["b", "odd name", "--version", "../x", "b"];
        assert_eq!(
            files(Which::Named(strings(&names)), &[]),
            [
                "mysqldump-b.txt",
                "mysqldump-odd name.txt",
                "mysqldump---version.txt",
                "mysqldump-..%2Fx.txt"
            ]
        );
    }

    #[test]
    fn exclusions_make_a_file_for_each_database() {
        let but_b = || Which::AllBut(strings(&["b"]));
        assert_eq!(files(but_b(), &["a", "b", "c"]), ["mysqldump-a.txt", "mysqldump-c.txt"]);
        assert_eq!(unknown_exclusions(&of(but_b()), &strings(&["a"])), ["b"]);
    }

    #[test]
    fn the_logs_are_flushed_once() {
        let names = strings(&["blank ", "a", "b"]);
        let some = Settings { flush_logs: true, ..of(Which::Named(names)) };
        let flushed: Vec<_> = plan(&some, &[]).iter().map(|it| it.flush_logs).collect();
        assert_eq!(flushed, [false, true, false]);
        let none = Settings { flush_logs: false, ..some };
        assert!(plan(&none, &[]).iter().all(|it| !it.flush_logs));
    }

    #[test]
    fn names_that_no_database_can_have_are_refused() {
        let long = "x".repeat(64);
        let control = "\u{85}".repeat(64);
        let cases = [
            ("shop", None),
            (long.as_str(), None),
            ("größe 'it' \"b\" \n", None),
            (&format!("{long}x"), Some("64 characters")),
            ("shop ", Some("blank")),
            ("😀", Some("character")),
            (&control, Some("file")),
        ];
        for (name, expected) in cases {
            let complaint = of_database(name).complaint();
            assert_eq!(complaint.is_some(), expected.is_some(), "{name:?}");
            assert!(complaint.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }
}
