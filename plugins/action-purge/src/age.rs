//! How old a file is, in whole days, as Cedar Backup counts.

/// Seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// Whole seconds.
    pub seconds: i64,
    /// The fraction, in nanoseconds.
    pub nanoseconds: u32,
}

/// Which of a file's times its age counts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AgeRule {
    /// The last change of the content. Reading a backup does not make it
    /// younger.
    #[default]
    Modified,
    /// The later one of the last change and the last access: what Cedar
    /// Backup does.
    Accessed,
    /// The day that a file was staged on, as the name of its directory says;
    /// for what lies elsewhere, the last change.
    Staged,
}

impl AgeRule {
    /// Returns the moment that the age counts from.
    pub fn moment(self, modified: Instant, accessed: Instant) -> Instant {
        match self {
            Self::Modified | Self::Staged => modified,
            Self::Accessed => modified.max(accessed),
        }
    }
}

/// A date as `YYYY/MM/DD` in the name of a day's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(i64);

impl Date {
    /// Reads `YYYY/MM/DD`; there is no date in anything else.
    pub fn read(text: &str) -> Option<Self> {
        const DAYS: [i64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut parts = text.split('/');
        let mut part = |digits| {
            let text = parts.next().filter(|it| it.len() == digits)?;
            let good = text.bytes().all(|it| it.is_ascii_digit());
            good.then(|| text.parse::<i64>().ok()).flatten()
        };
        let (year, month, day) = (part(4)?, part(2)?, part(2)?);
        let longest = *DAYS.get(usize::try_from(month - 1).ok()?)?;
        (parts.next().is_none() && (1..=longest).contains(&day))
            .then(|| Self(ordinal(year, month, day)))
    }

    /// Returns how many days lie between this and `today`; 0 if this is later.
    pub fn days_until(self, today: Self) -> u64 {
        u64::try_from(today.0 - self.0).unwrap_or(0)
    }
}

/// Numbers the days of the Gregorian calendar. A year begins in March here, so
/// that a leap day is its last.
fn ordinal(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day
}

/// Returns how many whole days of 86400 seconds lie between `then` and `now`;
/// 0 if `then` is in the future.
pub fn in_days(now: Instant, then: Instant) -> u64 {
    let borrow = i64::from(now.nanoseconds < then.nanoseconds);
    let seconds = now.seconds.saturating_sub(then.seconds).saturating_sub(borrow);
    u64::try_from(seconds).unwrap_or(0) / 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> Instant {
        Instant { seconds, nanoseconds }
    }

    #[test]
    fn only_whole_days_count_and_the_future_is_today() {
        let now = at(1_000_000, 500);
        let cases = [
            (at(1_000_000, 500), 0),
            (at(1_000_000 - 86_399, 0), 0),
            (at(1_000_000 - 86_400, 500), 1),
            (at(1_000_000 - 86_400, 501), 0),
            (at(1_000_000 - 86_400, 0), 1),
            (at(1_000_000 - 3 * 86_400, 0), 3),
            (at(2_000_000, 0), 0),
            (at(i64::MAX, 0), 0),
            (at(-86_400, 0), 12),
        ];
        for (then, days) in cases {
            assert_eq!(in_days(now, then), days, "{then:?}");
        }
    }

    #[test]
    fn the_name_of_a_day_has_an_age() {
        let date = |text| Date::read(text).unwrap();
        let cases = [
            ("2026/11/17", "2026/11/17", 0),
            ("2026/11/16", "2026/11/17", 1),
            ("2026/11/18", "2026/11/17", 0),
            ("2026/02/28", "2026/03/01", 1),
            ("2024/02/28", "2024/03/01", 2),
            ("1999/12/31", "2000/01/01", 1),
            ("2000/01/01", "2001/01/01", 366),
            ("2100/01/01", "2101/01/01", 365),
            ("1970/01/01", "2026/11/17", 20_774),
        ];
        for (then, today, days) in cases {
            assert_eq!(date(then).days_until(date(today)), days, "{then} {today}");
        }
        for text in ["2026/11", "2026/13/01", "2026/00/01", "2026/11/00", "2026/02/30", "26/1/1"] {
            assert_eq!(Date::read(text), None, "{text}");
        }
        for text in ["2026/11/17/", "+026/11/17", "2026/1 /17", ""] {
            assert_eq!(Date::read(text), None, "{text}");
        }
    }

    #[test]
    fn an_access_counts_only_if_asked_for() {
        let (old, new) = (at(1, 0), at(9, 0));
        assert_eq!(AgeRule::Modified.moment(old, new), old);
        assert_eq!(AgeRule::Accessed.moment(old, new), new);
        assert_eq!(AgeRule::Accessed.moment(new, old), new);
    }
}
