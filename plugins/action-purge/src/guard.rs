//! What must not be removed, however old it is.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::age::Date;

/// Knows the directories that mean something to a backup run.
///
/// All paths are real ones, without links in them; [`Guard::resolve`] makes
/// them so.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Where days are staged.
    pub staging: Option<PathBuf>,
    /// Where archives wait to be staged.
    pub collect: Vec<PathBuf>,
    /// The indicators that a staged day must have before it may go, such as
    /// `cback.store`. Empty if nothing stores days.
    pub required: Vec<String>,
    /// Today as a path below the staging directory, `YYYY/MM/DD`.
    pub today: PathBuf,
    /// Directories that stay even when they are empty.
    pub fixed: BTreeSet<PathBuf>,
}

/// What a directory is to the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A day in the staging directory.
    Day,
    /// A directory that archives are collected in.
    Collect,
    /// Any other directory.
    Plain,
}

/// Why a directory is kept with everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The day is staged, but this indicator is missing.
    NotStored(String),
    /// Not all of the day was staged, so nothing stored it.
    NotComplete,
    /// What was collected has not been staged.
    NotStaged,
    /// Another file system is mounted there.
    Mounted,
}

impl Guard {
    /// Makes all paths real ones. Those that do not exist are dropped: there
    /// is nothing to protect in them.
    #[must_use]
    pub fn resolve(self) -> Self {
        let real = |path: &PathBuf| path.canonicalize().ok();
        Self {
            staging: self.staging.as_ref().and_then(real),
            collect: self.collect.iter().filter_map(real).collect(),
            fixed: self.fixed.iter().filter_map(real).collect(),
            ..self
        }
    }

    /// Returns what the directory `path` is.
    pub fn role(&self, path: &Path) -> Role {
        if self.is_day(path) {
            Role::Day
        } else if self.collect.iter().any(|it| it == path) {
            Role::Collect
        } else {
            Role::Plain
        }
    }

    /// Returns the directories above `path` that decide over it too, `path`
    /// itself left out.
    pub fn deciding_ancestors<'a>(&self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        path.ancestors().skip(1).filter(|it| self.role(it) != Role::Plain)
    }

    /// Tells whether the directory stays even when it is empty: a configured
    /// one, today's, and what is in today's.
    pub fn is_fixed(&self, path: &Path) -> bool {
        let today = self.staging.as_ref().map(|it| it.join(&self.today));
        self.fixed.contains(path)
            || self.staging.as_deref() == Some(path)
            || self.collect.iter().any(|it| it == path)
            || today.is_some_and(|it| path.starts_with(it))
    }

    /// Returns how many days ago what is at `path` was staged, if it lies in the
    /// directory of a day.
    pub fn days_since_staging(&self, path: &Path) -> Option<u64> {
        let below = path.strip_prefix(self.staging.as_ref()?).ok()?;
        let day: PathBuf = below.iter().take(3).collect();
        let today = Date::read(self.today.to_str()?)?;
        Some(Date::read(day.to_str()?)?.days_until(today))
    }

    fn is_day(&self, path: &Path) -> bool {
        let Some(below) = self.staging.as_ref().and_then(|it| path.strip_prefix(it).ok()) else {
            return false;
        };
        let parts: Vec<_> = below.iter().map(OsStr::as_encoded_bytes).collect();
        let lengths: Vec<_> = parts.iter().map(|it| it.len()).collect();
        lengths == [4, 2, 2] && parts.concat().iter().all(u8::is_ascii_digit)
    }
}

/// What the indicators in a directory say.
#[derive(Debug, Clone, Default)]
pub struct Indicators {
    /// The names that begin with `cback.`.
    pub names: BTreeSet<String>,
    /// Whether `cback.stage` is older than `cback.collect`, so that it speaks
    /// of an earlier collect.
    pub stage_is_stale: bool,
    /// Whether there are files that are no indicators, of a day without
    /// `cback.stage`.
    pub unmarked: bool,
}

impl Guard {
    /// Decides whether a directory is to be kept with everything in it.
    pub fn keeps(&self, role: Role, found: &Indicators) -> Option<Reason> {
        let has = |name: &str| found.names.contains(name);
        match role {
            Role::Day if has("cback.stage") || found.unmarked => {
                let missing = self.required.iter().find(|it| !has(it))?;
                let complete = has("cback.stage").then(|| Reason::NotStored(missing.clone()));
                complete.or(Some(Reason::NotComplete))
            }
            Role::Collect if has("cback.collect") => {
                (!has("cback.stage") || found.stage_is_stale).then_some(Reason::NotStaged)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard {
            staging: Some("/s".into()),
            collect: vec!["/c".into()],
            required: vec!["cback.store".into()],
            today: "2026/11/17".into(),
            fixed: BTreeSet::from(["/p".into()]),
        }
    }

    #[test]
    fn days_are_known_by_their_place_and_form() {
        let cases = [
            ("/s/2026/11/17", Role::Day),
            ("/s/2026/11", Role::Plain),
            ("/s/2026/11/17/box", Role::Plain),
            ("/s/2026/11/1x", Role::Plain),
            ("/s/202/611/17", Role::Plain),
            ("/t/2026/11/17", Role::Plain),
            ("/c", Role::Collect),
            ("/c/x", Role::Plain),
        ];
        for (path, role) in cases {
            assert_eq!(guard().role(Path::new(path)), role, "{path}");
        }
    }

    #[test]
    fn a_day_is_kept_until_it_is_stored_and_a_collection_until_it_is_staged() {
        let not_stored = Some(Reason::NotStored("cback.store".into()));
        let cases: [(Role, &[&str], bool, Option<Reason>); 9] = [
            (Role::Day, &["cback.stage"], false, not_stored),
            (Role::Day, &["cback.stage", "cback.store"], false, None),
            (Role::Day, &[], false, None),
            (Role::Day, &["cback.store"], false, None),
            (Role::Collect, &["cback.collect"], false, Some(Reason::NotStaged)),
            (Role::Collect, &["cback.collect", "cback.stage"], false, None),
            (Role::Collect, &["cback.collect", "cback.stage"], true, Some(Reason::NotStaged)),
            (Role::Collect, &[], false, None),
            (Role::Plain, &["cback.stage", "cback.collect"], true, None),
        ];
        for (role, names, stage_is_stale, expected) in cases {
            let names = names.iter().map(ToString::to_string).collect();
            let found = Indicators { names, stage_is_stale, unmarked: false };
            assert_eq!(guard().keeps(role, &found), expected, "{role:?} {found:?}");
        }
    }

    #[test]
    fn a_day_that_was_staged_in_part_is_kept_if_something_stores_days() {
        let found = |names: &[&str]| Indicators {
            names: names.iter().map(ToString::to_string).collect(),
            unmarked: true,
            ..Indicators::default()
        };
        let nothing_stores = Guard { required: Vec::new(), ..guard() };
        assert_eq!(guard().keeps(Role::Day, &found(&[])), Some(Reason::NotComplete));
        // A purge that was interrupted goes on.
        assert_eq!(guard().keeps(Role::Day, &found(&["cback.store"])), None);
        assert_eq!(nothing_stores.keeps(Role::Day, &found(&[])), None);
    }

    #[test]
    fn what_lies_in_a_day_is_as_old_as_the_day() {
        let cases = [
            ("/s/2026/11/10", Some(7)),
            ("/s/2026/11/10/box/x", Some(7)),
            ("/s/2026/11", None),
            ("/s/2026/13/10", None),
            ("/s/2026/11/1x/y", None),
            ("/t/2026/11/10", None),
        ];
        for (path, days) in cases {
            assert_eq!(guard().days_since_staging(Path::new(path)), days, "{path}");
        }
    }

    #[test]
    fn configured_directories_and_those_of_today_stay_when_empty() {
        let cases = [
            ("/s", true),
            ("/c", true),
            ("/p", true),
            ("/s/2026/11/17", true),
            ("/s/2026/11/17/box", true),
            ("/s/2026/11/16", false),
            ("/s/2026/11", false),
            ("/q", false),
        ];
        for (path, fixed) in cases {
            assert_eq!(guard().is_fixed(Path::new(path)), fixed, "{path}");
        }
    }
}
