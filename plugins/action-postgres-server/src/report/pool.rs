//! The days that Cedar Backup's actions have staged and stored.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Host, Result};
use hayloft_staging::{
    day::{self, Day, STAGED, STORED, UPLOADED},
    files,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::{Light, chain};

/// How old the newest day may be before somebody should look: it may be staged
/// late on the next one.
const MOST_DAYS: i64 = 1;

/// The staging area.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Pool {
    /// Its directory.
    pub(crate) directory: PathBuf,
    /// Its days, oldest first.
    pub(crate) days: Vec<PoolDay>,
    /// What somebody should look at.
    pub(crate) alarms: Vec<String>,
}

/// A day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PoolDay {
    /// Which it is, as `2026-11-30`.
    pub(crate) date: String,
    /// The peers that have something there.
    pub(crate) peers: Vec<String>,
    /// How many files there are.
    pub(crate) files: u64,
    /// Bytes of them.
    pub(crate) bytes: u64,
    /// Whether everything was staged.
    pub(crate) staged: bool,
    /// Whether it was stored, or uploaded.
    pub(crate) stored: bool,
}

impl PoolDay {
    /// Tells how good it is.
    pub(crate) fn light(&self) -> Light {
        match (self.staged, self.stored) {
            (_, true) => Light::Good,
            (true, false) => Light::Busy,
            (false, false) => Light::Bad,
        }
    }

    /// Returns when it was.
    pub(crate) fn at(&self) -> Option<Timestamp> {
        let date: Date = self.date.parse().ok()?;
        date.to_zoned(TimeZone::system()).ok().map(|it| it.timestamp())
    }
}

/// Looks at the staging area, if there is one.
///
/// # Errors
///
/// If the work is to end.
pub(crate) fn pool(host: &Host, now: Timestamp) -> Result<Option<Pool>> {
    let staging = host.settings().ok().and_then(|it| it.staging_dir);
    let Some(directory) = staging.filter(|it| it.is_absolute()) else { return Ok(None) };
    let (mut days, mut alarms) = (Vec::new(), Vec::new());
    match day::dated(&directory) {
        Ok(found) => {
            for it in &found {
                host.check_cancelled()?;
                match look(it) {
                    Ok(day) => days.push(day),
                    Err(error) => alarms.push(format!("{} cannot be read: {error}", it.name)),
                }
            }
        }
        Err(error) => alarms.push(chain(&error)),
    }
    let today = now.to_zoned(TimeZone::system()).date();
    alarms.extend(judge(&days, today));
    Ok(Some(Pool { directory, days, alarms }))
}

fn look(day: &Day) -> Result<PoolDay> {
    let walk = files::walk(&day.path)?;
    Ok(PoolDay {
        date: day.name.replace('/', "-"),
        peers: peers(&day.path)?,
        files: walk.files.len() as u64,
        bytes: walk.files.iter().map(|it| it.identity.size).sum(),
        staged: day.has(STAGED),
        stored: day.has(STORED) || day.has(UPLOADED),
    })
}

fn peers(day: &Path) -> Result<Vec<String>> {
    let mut peers = Vec::new();
    for entry in fs::read_dir(day)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            peers.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    peers.sort();
    Ok(peers)
}

/// What is overdue: no day of late, and days that are not what they should be.
/// Today's may be under way.
fn judge(days: &[PoolDay], today: Date) -> Vec<String> {
    let mut alarms = Vec::new();
    let date = |it: &PoolDay| it.date.parse::<Date>().ok();
    match days.iter().filter(|it| it.staged).filter_map(date).max() {
        None => alarms.push("no day is staged".to_owned()),
        Some(newest) => {
            let age = i64::from((today - newest).get_days());
            if age > MOST_DAYS {
                alarms.push(format!("overdue: the newest staged day is {age} days old"));
            }
        }
    }
    let earlier = || days.iter().filter(|it| date(it).is_some_and(|it| it < today));
    for (what, count) in [
        ("not staged", earlier().filter(|it| it.light() == Light::Bad).count()),
        ("staged and not stored", earlier().filter(|it| it.light() == Light::Busy).count()),
    ] {
        if count > 0 {
            let days = if count == 1 { "day is" } else { "days are" };
            alarms.push(format!("{count} {days} {what}"));
        }
    }
    alarms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_are_late_or_not_stored_are_told() {
        let day = |date: &str, staged, stored| PoolDay {
            date: date.to_owned(),
            peers: Vec::new(),
            files: 0,
            bytes: 0,
            staged,
            stored,
        };
        let today: Date = "2026-03-01".parse().unwrap();
        let cases = [
            (vec![], vec!["no day is staged"]),
            (vec![day("2026-02-28", true, true)], vec![]),
            (vec![day("2026-02-28", true, true), day("2026-03-01", false, false)], vec![]),
            (
                vec![day("2026-02-27", true, true)],
                vec!["overdue: the newest staged day is 2 days old"],
            ),
            (
                vec![day("2026-02-27", false, false), day("2026-02-28", true, false)],
                vec!["1 day is not staged", "1 day is staged and not stored"],
            ),
        ];
        for (days, expected) in cases {
            assert_eq!(judge(&days, today), expected, "{days:?}");
        }
    }
}
