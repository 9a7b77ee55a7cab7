//! Directories of days in the staging area.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, LocalTime, Result};
use jiff::civil::Date;

use crate::files;

/// Says that a day is staged.
pub const STAGED: &str = "cback.stage";
/// Says that a day is stored.
pub const STORED: &str = "cback.store";
/// Says that the large files of a day are split.
pub const SPLIT: &str = "cback.split";
/// Says that the files of a day are encrypted.
pub const ENCRYPTED: &str = "cback.encrypt";
/// Says that a day is uploaded.
pub const UPLOADED: &str = "cback.amazons3";

/// A directory of the staging area, three levels below its root, such as
/// `YYYY/MM/DD`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// `YYYY/MM/DD`, as text from which the bytes can be had back.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
}

impl Day {
    /// Tells whether the day has this indicator.
    pub fn has(&self, indicator: &str) -> bool {
        self.path.join(indicator).symlink_metadata().is_ok_and(|it| it.is_file())
    }
}

/// Returns all days whose directories have the form `YYYY/MM/DD`, oldest
/// first.
///
/// # Errors
///
/// If a directory cannot be read.
pub fn dated(root: &Path) -> Result<Vec<Day>> {
    let mut days = Vec::new();
    for year in numbered(root, 4)? {
        for month in numbered(&root.join(&year), 2)? {
            for day in numbered(&root.join(&year).join(&month), 2)? {
                let name = format!("{year}/{month}/{day}");
                days.push(Day { path: root.join(&name), name });
            }
        }
    }
    days.sort();
    Ok(days)
}

/// Returns all days as Cedar Backup's extensions see them: every directory
/// three levels below the root whatever its name, unless it begins with a dot.
/// They are sorted, links are passed over.
///
/// # Errors
///
/// If a directory cannot be read.
pub fn all(root: &Path) -> Result<Vec<Day>> {
    let mut level = vec![PathBuf::new()];
    for _ in 0..3 {
        let mut below = Vec::new();
        for relative in level {
            let directory = root.join(&relative);
            let failed = |error: io::Error| {
                Error::from(error).context(format!("cannot read {}", directory.display()))
            };
            for entry in fs::read_dir(&directory).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                if !hidden && entry.file_type().is_ok_and(|it| it.is_dir()) {
                    below.push(relative.join(entry.file_name()));
                }
            }
        }
        level = below;
    }
    let day = |it: PathBuf| Day { name: files::key(&it), path: root.join(it) };
    let mut days: Vec<Day> = level.into_iter().map(day).collect();
    days.sort();
    Ok(days)
}

/// The day that is to be worked on, and those that nobody has worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The day.
    pub day: Day,
    /// Whether it is not today's.
    pub crossed_midnight: bool,
    /// Days before yesterday that are staged and lack the indicator.
    pub older: Vec<Day>,
}

/// Chooses the day as Cedar Backup does: the first of today, yesterday and
/// tomorrow that is staged and lacks `indicator`; with `full` today, whether
/// it has the indicator or not.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] if there is none.
pub fn choose(root: &Path, now: &LocalTime, full: bool, indicator: &str) -> Result<Choice> {
    let to_number = |it: u8| i8::try_from(it).unwrap_or_default();
    let today = Date::new(now.year, to_number(now.month), to_number(now.day))?;
    let around = [Some(today), today.yesterday().ok(), today.tomorrow().ok()];
    let tried = if full { &around[..1] } else { &around[..] };
    let name = |it: &Date| format!("{:04}/{:02}/{:02}", it.year(), it.month(), it.day());
    let pending = |it: &Day| it.has(STAGED) && (full || !it.has(indicator));
    let mut days = tried.iter().flatten().map(|it| {
        let name = name(it);
        Day { path: root.join(&name), name }
    });
    let yesterday = around[1].as_ref().map(name).unwrap_or_default();
    let Some(day) = days.find(pending) else { return Err(nothing_pending(root, full, indicator)) };
    let older = |it: &Day| it.name < yesterday && it.has(STAGED) && !it.has(indicator);
    let older = dated(root)?.into_iter().filter(older).collect();
    Ok(Choice { crossed_midnight: day.name != name(&today), day, older })
}

fn nothing_pending(root: &Path, full: bool, indicator: &str) -> Error {
    let root = root.display();
    let (message, hint) = if full {
        (format!("today is not staged below {root}"), format!("--full needs today's {STAGED}"))
    } else {
        (
            format!("none of today, yesterday and tomorrow below {root} is staged and pending"),
            format!("a day is, if it has {STAGED} and no {indicator}; --full takes today again"),
        )
    };
    Error::new(ErrorKind::NOT_FOUND, message).hint(hint)
}

/// Returns the directories whose names are numbers of `digits` digits.
fn numbered(directory: &Path, digits: usize) -> Result<Vec<String>> {
    let failed = |error: io::Error| {
        Error::from(error).context(format!("cannot read {}", directory.display()))
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let number = name.len() == digits && name.bytes().all(|it| it.is_ascii_digit());
        if number && entry.path().is_dir() {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::Weekday;

    use super::*;

    fn area(days: &[(&str, &[&str])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (day, indicators) in days {
            fs::create_dir_all(root.path().join(day)).unwrap();
            for it in *indicators {
                fs::write(root.path().join(day).join(it), "").unwrap();
            }
        }
        root
    }

    fn on(year: i16, month: u8, day: u8) -> LocalTime {
        LocalTime {
            year,
            month,
            day,
            hour: 1,
            minute: 0,
            second: 0,
            weekday: Weekday::Monday,
            unix_seconds: 0,
            nanoseconds: 0,
        }
    }

    #[test]
    fn every_directory_three_levels_down_is_a_day() {
        let root = area(&[("2026/11/17", &[]), ("a/b/c/d", &[]), (".x/1/2", &[]), ("1/2", &[])]);
        fs::write(root.path().join("1/2/file"), "").unwrap();
        std::os::unix::fs::symlink("2026", root.path().join("link")).unwrap();
        let names: Vec<_> = all(root.path()).unwrap().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["2026/11/17", "a/b/c"]);
    }

    #[test]
    fn today_comes_before_yesterday_and_tomorrow() {
        type Case =
            (&'static [(&'static str, &'static [&'static str])], bool, Option<&'static str>);
        const DONE: &[&str] = &[STAGED, UPLOADED];
        let cases: [(Case, usize); 7] = [
            (
                (
                    &[("2026/03/01", &[STAGED]), ("2026/02/28", &[STAGED])],
                    false,
                    Some("2026/03/01"),
                ),
                0,
            ),
            ((&[("2026/03/01", DONE), ("2026/02/28", &[STAGED])], false, Some("2026/02/28")), 0),
            ((&[("2026/03/02", &[STAGED])], false, Some("2026/03/02")), 0),
            ((&[("2026/03/01", DONE)], false, None), 0),
            ((&[("2026/03/01", DONE), ("2026/02/27", &[STAGED])], true, Some("2026/03/01")), 1),
            ((&[("2026/02/28", &[STAGED])], true, None), 0),
            ((&[("2026/03/01", &[])], false, None), 0),
        ];
        for ((days, full, expected), older) in cases {
            let root = area(days);
            let chosen = choose(root.path(), &on(2026, 3, 1), full, UPLOADED);
            let name = chosen.as_ref().map(|it| it.day.name.as_str());
            assert_eq!(name.ok(), expected, "{days:?}");
            assert_eq!(chosen.map_or(0, |it| it.older.len()), older, "{days:?}");
        }
    }
}
