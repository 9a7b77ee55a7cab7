//! What a server is to recover to.

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::wal::{Lsn, TimelineId};
use jiff::{Timestamp, civil, tz::TimeZone};

/// What a server is to recover to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where it stops.
    pub(crate) goal: Goal,
    /// Along which timeline.
    pub(crate) timeline: Timeline,
    /// Whether it stops just before the goal.
    pub(crate) exclusive: bool,
    /// What it does then.
    pub(crate) action: Action,
}

/// Where recovery stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    /// At the end of the archive.
    End,
    /// As soon as it is consistent.
    Immediate,
    /// At a time.
    Time(Timestamp),
    /// At a position.
    Position(Lsn),
    /// At the end of a transaction.
    Transaction(u64),
    /// At a restore point.
    Name(String),
}

/// Which timeline is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timeline {
    /// The newest that the archive knows.
    Latest,
    /// That of the backup.
    Current,
    /// This one.
    Number(TimelineId),
}

/// What a server does when it has reached its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It waits, and can be read.
    Pause,
    /// It begins to work.
    Promote,
    /// It stops.
    Shutdown,
}

impl Action {
    /// Returns PostgreSQL's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Promote => "promote",
            Self::Shutdown => "shutdown",
        }
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// For any other word.
    pub(crate) fn parse(word: &str) -> Result<Self> {
        [Self::Pause, Self::Promote, Self::Shutdown]
            .into_iter()
            .find(|it| it.name() == word)
            .ok_or_else(|| {
                wrong(format!("`{word}` is no action")).hint("pause, promote or shutdown")
            })
    }
}

impl Timeline {
    /// Returns PostgreSQL's word.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Latest => "latest".to_owned(),
            Self::Current => "current".to_owned(),
            Self::Number(number) => number.get().to_string(),
        }
    }

    /// Reads it; numbers are decimal, or hexadecimal behind `0x`.
    ///
    /// # Errors
    ///
    /// For anything else.
    pub(crate) fn parse(word: &str) -> Result<Self> {
        let number = match word.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => word.parse().ok(),
        };
        match word {
            "latest" => Ok(Self::Latest),
            "current" => Ok(Self::Current),
            _ => number.and_then(TimelineId::new).map(Self::Number).ok_or_else(|| {
                wrong(format!("`{word}` is no timeline"))
                    .hint("`latest`, `current`, or a number as in the names of WAL files")
            }),
        }
    }
}

impl Goal {
    /// Reads a time. One that names no zone is that of this machine's.
    ///
    /// # Errors
    ///
    /// For what is no time, and for one that has not come yet: a server would
    /// recover to the end and then refuse to start.
    pub(crate) fn time(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Self> {
        let text = text.trim();
        let bad = || {
            wrong(format!("`{text}` is no time")).hint(
                "as `2026-11-30 14:05:00+01`, or without a zone, which is then this machine's",
            )
        };
        let time = with_zone(text).or_else(|| {
            let local: civil::DateTime = text.parse().ok()?;
            Some(local.to_zoned(zone.clone()).ok()?.timestamp())
        });
        let time = time.ok_or_else(bad)?;
        if time > now {
            return Err(wrong(format!("`{text}` has not come yet"))
                .hint("leave the target out to recover everything that is archived"));
        }
        Ok(Self::Time(time))
    }

    /// Reads a position.
    ///
    /// # Errors
    ///
    /// For what is none.
    pub(crate) fn position(text: &str) -> Result<Self> {
        let bad = |_| wrong(format!("`{text}` is no position")).hint("as `1A/2B00028`");
        text.parse().map(Self::Position).map_err(bad)
    }

    /// Reads a transaction's number.
    ///
    /// # Errors
    ///
    /// For what is none.
    pub(crate) fn transaction(text: &str) -> Result<Self> {
        let number = text.parse().ok().filter(|it: &u64| *it > 2);
        let bad = || {
            wrong(format!("`{text}` is no transaction"))
                .hint("a number as pg_current_xact_id() returns it")
        };
        number.map(Self::Transaction).ok_or_else(bad)
    }

    /// Reads the name of a restore point.
    ///
    /// # Errors
    ///
    /// For what the server would refuse.
    pub(crate) fn name(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > 63 || text.chars().any(char::is_control) {
            return Err(wrong(format!("`{text}` is no name of a restore point"))
                .hint("one to 63 bytes, as given to pg_create_restore_point()"));
        }
        Ok(Self::Name(text.to_owned()))
    }

    /// Tells whether it is a point that recovery may stop just before.
    fn can_be_excluded(&self) -> bool {
        matches!(self, Self::Time(_) | Self::Position(_) | Self::Transaction(_))
    }
}

/// Reads a time with a zone: an offset, with or without minutes, or `Z`.
fn with_zone(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // What PostgreSQL prints, and what jiff wants more of: `+01`.
    let at = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':'))?;
    let (local, offset) = text.split_at(at);
    let digits = offset.get(1..)?;
    let good = digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_digit());
    let full = format!("{}{offset}:00", local.trim_end());
    good.then(|| full.parse().ok())?
}

impl Target {
    /// Refuses what does not go together.
    ///
    /// # Errors
    ///
    /// With what does not.
    pub(crate) fn check(self) -> Result<Self> {
        if self.exclusive && !self.goal.can_be_excluded() {
            return Err(wrong("--exclusive needs a time, a position or a transaction".to_owned()));
        }
        Ok(self)
    }

    /// Returns the settings of `postgresql.conf` that say so.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("recovery_target_timeline", self.timeline.name())];
        let goal = match &self.goal {
            Goal::End => return settings,
            Goal::Immediate => ("recovery_target", "immediate".to_owned()),
            Goal::Time(time) => ("recovery_target_time", server_time(*time)),
            Goal::Position(lsn) => ("recovery_target_lsn", lsn.to_string()),
            Goal::Transaction(xid) => ("recovery_target_xid", xid.to_string()),
            Goal::Name(name) => ("recovery_target_name", name.clone()),
        };
        settings.push(goal);
        if self.goal.can_be_excluded() {
            let inclusive = if self.exclusive { "off" } else { "on" };
            settings.push(("recovery_target_inclusive", inclusive.to_owned()));
        }
        settings.push(("recovery_target_action", self.action.name().to_owned()));
        settings
    }
}

/// A time as every server reads it, to the microsecond.
fn server_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::NOT_FOUND, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        let now: Timestamp = "2026-07-02T00:00:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let cases = [
            ("2026-07-01 12:00:00+02", Some("2026-07-01 10:00:00.000000+00")),
            ("2026-07-01 12:00:00.25+02:00", Some("2026-07-01 10:00:00.250000+00")),
            ("2026-07-01T10:00:00Z", Some("2026-07-01 10:00:00.000000+00")),
            ("2026-07-01 12:00:00", Some("2026-07-01 10:00:00.000000+00")),
            ("2026-07-01 12:00:00-05", Some("2026-07-01 17:00:00.000000+00")),
            ("2026-07-02 02:00:01", None),
            ("yesterday", None),
            ("2026-13-01 12:00:00", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let found = Goal::time(text, now, &zone).ok().map(|it| match it {
                Goal::Time(time) => server_time(time),
                other => panic!("{other:?}"),
            });
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_server_is_told_one_goal_and_no_more() {
        let of = |goal, exclusive| Target {
            goal,
            timeline: Timeline::Latest,
            exclusive,
            action: Action::Promote,
        };
        let names = |target: &Target| {
            let all: Vec<_> =
                target.settings().iter().map(|it| format!("{}={}", it.0, it.1)).collect();
            all.join(" ")
        };
        assert_eq!(names(&of(Goal::End, false)), "recovery_target_timeline=latest");
        assert_eq!(
            names(&of(Goal::Transaction(700), true)),
            "recovery_target_timeline=latest recovery_target_xid=700 \
             recovery_target_inclusive=off recovery_target_action=promote"
        );
        assert!(of(Goal::Name("x".to_owned()), true).check().is_err());
        assert!(of(Goal::Transaction(700), true).check().is_ok());
        assert!(Timeline::parse("0x1A").unwrap().name() == "26");
        assert!(Timeline::parse("0").is_err() && Timeline::parse("newest").is_err());
        assert!(Goal::transaction("2").is_err() && Goal::position("x").is_err());
    }
}
