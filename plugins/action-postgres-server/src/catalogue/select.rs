//! Which backup is meant.

use std::str::FromStr;

use hayloft_plugin_api::{Error, ErrorKind, Result};

use super::{Backup, BackupId, BackupKind, Catalogue, Status};

/// Words that name a backup by what it is; `auto` is for restores.
const RESERVED: [&str; 8] =
    ["latest", "last", "oldest", "first", "latest-full", "last-full", "last-failed", "auto"];

/// Which backup is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The one with that id.
    Id(BackupId),
    /// The newest one whose files are all there.
    Latest,
    /// The oldest one of those.
    Oldest,
    /// The newest one of those that refers to no other.
    LatestFull,
    /// The newest one that failed.
    LastFailed,
    /// The one that the administrator called so.
    Name(String),
}

impl FromStr for Selection {
    type Err = Error;

    /// Never fails: what is no word and no id, is a name.
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "latest" | "last" => Self::Latest,
            "oldest" | "first" => Self::Oldest,
            "latest-full" | "last-full" => Self::LatestFull,
            "last-failed" => Self::LastFailed,
            _ => text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id),
        })
    }
}

/// Refuses a name for a backup that could be mistaken for something else, or
/// that would not come back from `backup.info`.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`].
pub(crate) fn check_name(name: &str) -> Result<()> {
    let why = if name.is_empty() || name.trim() != name {
        "it is empty, or begins or ends with a blank"
    } else if name.chars().any(char::is_control) {
        "it has characters that cannot be printed"
    } else if name.parse::<BackupId>().is_ok() {
        "it looks like an id"
    } else if RESERVED.contains(&name) || name == "None" {
        "it is a word that means something else"
    } else {
        return Ok(());
    };
    let message = format!("`{name}` is no name for a backup: {why}");
    Err(Error::new(ErrorKind::CONFIGURATION, message))
}

impl Catalogue {
    /// Finds the backup that is meant.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is none, or several are called so.
    pub(crate) fn find(&self, selection: &Selection) -> Result<&Backup> {
        let mut copied = self.backups.iter().filter(|it| it.state().is_copied());
        let is_full = |it: &&Backup| {
            it.info().is_some_and(|it| {
                !matches!(it.kind(), BackupKind::Incremental | BackupKind::Snapshot)
            })
        };
        let (found, what) = match selection {
            Selection::Id(id) => {
                (self.backups.iter().find(|it| it.id == *id), format!("backup {id}"))
            }
            Selection::Latest => (copied.next_back(), "backup that is whole".to_owned()),
            Selection::Oldest => (copied.next(), "backup that is whole".to_owned()),
            Selection::LatestFull => {
                (copied.rfind(is_full), "backup that is whole and full".to_owned())
            }
            Selection::LastFailed => {
                let failed = |it: &&Backup| it.state().is(Status::Failed);
                (self.backups.iter().rfind(failed), "backup that failed".to_owned())
            }
            Selection::Name(name) => (self.called(name)?, format!("backup called `{name}`")),
        };
        found.ok_or_else(|| self.none(&what))
    }

    fn called(&self, name: &str) -> Result<Option<&Backup>> {
        let is_called =
            |it: &&Backup| it.info().is_some_and(|it| it.backup_name.as_deref() == Some(name));
        let found: Vec<&Backup> = self.backups.iter().filter(is_called).collect();
        if found.len() > 1 {
            let ids: Vec<String> = found.iter().map(|it| it.id.to_string()).collect();
            let message = format!("{} backups are called `{name}`", found.len());
            return Err(Error::new(ErrorKind::NOT_FOUND, message)
                .hint(format!("name one of them: {}", ids.join(", "))));
        }
        Ok(found.first().copied())
    }

    fn none(&self, what: &str) -> Error {
        let message = format!("server {} has no {what}", self.server);
        let error = Error::new(ErrorKind::NOT_FOUND, message);
        match self.unread.first() {
            Some((storage, _)) => {
                error.hint(format!("storage {storage} could not be asked; it may have one"))
            }
            None => error.hint(format!("`hayloft pg list {}` shows all", self.server)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::backup, *};

    fn vectors(group: &str) -> Vec<serde_json::Value> {
        super::super::tests::vectors(group)
    }

    fn catalogue() -> Catalogue {
        let named = |mut it: Backup, name: &str| {
            for copy in &mut it.copies {
                if let super::super::Known::Info(info) = &mut copy.known {
                    info.backup_name = Some(name.to_owned());
                }
            }
            it
        };
        let backups = vec![
            backup("20260101T010203", Status::Done, None),
            named(backup("20260102T000000", Status::Done, None), "a"),
            named(backup("20260103T000000", Status::Failed, None), "twice"),
            named(backup("20260104T000000", Status::Done, Some("20260102T000000")), "twice"),
            backup("20260105T000000", Status::WaitingForWals, Some("20260102T000000")),
            backup("20260106T000000", Status::Failed, None),
            backup("20260107T000000", Status::Started, None),
        ];
        Catalogue { server: "main".to_owned(), backups, unread: Vec::new() }
    }

    #[test]
    fn words_mean_what_they_mean_to_barman() {
        let catalogue = catalogue();
        let stands_for = |word: &str| match word {
            "LAST" => "20260105T000000".to_owned(),
            "FIRST" => "20260101T010203".to_owned(),
            "LASTFULL" => "20260102T000000".to_owned(),
            "FAILED-ONE" => "20260106T000000".to_owned(),
            id => id.to_owned(),
        };
        for case in vectors("shortcut") {
            let word = case["in"].as_str().unwrap();
            let found = catalogue.find(&word.parse().unwrap());
            let expected = stands_for(case["out"].as_str().unwrap_or_default());
            // Barman takes every piece of the word `last-failed` for the whole
            // word, even where a backup is called so (V-07).
            let piece = "last-failed".contains(word) && !RESERVED.contains(&word);
            match (piece, word) {
                (true, "a") => assert_eq!(found.unwrap().id.to_string(), "20260102T000000"),
                (true, _) => assert_eq!(found.unwrap_err().kind(), ErrorKind::NOT_FOUND, "{word}"),
                (false, _) => assert_eq!(found.unwrap().id.to_string(), expected, "{word}"),
            }
        }
        for (word, expected) in [("oldest", "FIRST"), ("latest-full", "LASTFULL")] {
            let found = catalogue.find(&word.parse().unwrap()).unwrap();
            assert_eq!(found.id.to_string(), stands_for(expected), "{word}");
        }
    }

    #[test]
    fn what_is_not_there_or_not_clear_is_said() {
        let cases = [
            ("twice", "2 backups are called `twice`"),
            ("once", "no backup called `once`"),
            ("20261231T000000", "no backup 20261231T000000"),
            ("", "no backup called ``"),
        ];
        for (word, expected) in cases {
            let error = catalogue().find(&word.parse().unwrap()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.remedy().is_some());
        }
        let empty =
            Catalogue { server: "main".to_owned(), backups: Vec::new(), unread: Vec::new() };
        assert!(empty.find(&Selection::LastFailed).is_err());
    }

    #[test]
    fn names_are_those_that_barman_takes() {
        for case in vectors("backup_name") {
            let name = case["in"].as_str().unwrap();
            let good = !case["out"]["ok"].is_null();
            assert_eq!(check_name(name).is_ok(), good, "{name}");
        }
        // These Barman takes, and cannot read again or tell apart.
        for name in ["a\nb", " a", "a ", "None", "\u{1b}[2J"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["a", "before the upgrade", "\u{e4}", "Latest", "fail"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }
}
