//! Days, as backups are filed under them.

use std::fmt;

use hayloft_plugin_api::{LocalTime, Weekday};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(Date);

impl Day {
    /// Reads `2026-11-17` or `2026/11/17`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(['-', '/']);
        let mut number = |digits: usize| {
            let part = parts.next()?;
            let right = part.len() == digits && part.bytes().all(|it| it.is_ascii_digit());
            right.then(|| part.parse::<i16>().ok()).flatten()
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        if parts.next().is_some() {
            return None;
        }
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok().map(Self)
    }

    /// Reads what a user may say: also `today` and `yesterday`.
    pub(crate) fn of_user(text: &str, now: &LocalTime) -> Option<Self> {
        let today = || Self::parse(&now.day_path());
        match text {
            "today" => today(),
            "yesterday" => today().and_then(|it| it.0.yesterday().ok()).map(Self),
            _ => Self::parse(text),
        }
    }

    /// Returns the day of a moment, by the local clock.
    pub(crate) fn of_moment(seconds: i64) -> Option<Self> {
        let moment = Timestamp::from_second(seconds).ok()?;
        Some(Self(moment.to_zoned(TimeZone::system()).date()))
    }

    /// Returns `2026/11/17`, as directories and keys have it.
    pub(crate) fn path(self) -> String {
        format!("{:04}/{:02}/{:02}", self.0.year(), self.0.month(), self.0.day())
    }

    pub(crate) fn is(self, weekday: Weekday) -> bool {
        use jiff::civil::Weekday as Jiff;
        let this = match self.0.weekday() {
            Jiff::Monday => Weekday::Monday,
            Jiff::Tuesday => Weekday::Tuesday,
            Jiff::Wednesday => Weekday::Wednesday,
            Jiff::Thursday => Weekday::Thursday,
            Jiff::Friday => Weekday::Friday,
            Jiff::Saturday => Weekday::Saturday,
            Jiff::Sunday => Weekday::Sunday,
        };
        this == weekday
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_days_are_days() {
        for (text, expected) in [
            ("2026-11-17", Some("2026/11/17")),
            ("2026/02/28", Some("2026/02/28")),
            ("2026/02/29", None),
            ("2026/11", None),
            ("2026/11/17/x", None),
            ("26/11/17", None),
            ("2026/1/7", None),
            ("", None),
        ] {
            let day = Day::parse(text).map(Day::path);
            assert_eq!(day.as_deref(), expected, "{text}");
        }
        assert!(Day::parse("2026-11-17").unwrap().is(Weekday::Tuesday));
    }
}
