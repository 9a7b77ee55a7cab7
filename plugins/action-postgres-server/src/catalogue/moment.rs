//! Times as Barman writes them.

use std::fmt;

use jiff::{
    Timestamp, Zoned, civil,
    tz::{Offset, TimeZone},
};

/// A time with the offset of the clock that it was read from. It is compared
/// by the moment, whatever the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    at: Timestamp,
    offset: Offset,
}

impl Moment {
    /// Takes the time of a clock.
    pub(crate) fn of(time: &Zoned) -> Self {
        Self { at: time.timestamp(), offset: time.offset() }
    }

    /// Returns the moment.
    pub(crate) fn timestamp(self) -> Timestamp {
        self.at
    }

    /// Reads a time: that of Python's `str`, of ISO 8601, or of C's `ctime`. One
    /// that names no offset is that of a clock in `zone`.
    pub(crate) fn parse(text: &str, zone: &TimeZone) -> Option<Self> {
        let text = text.trim();
        if let Some((local, offset)) = split(text) {
            let at = offset.to_timestamp(date_time(local)?).ok()?;
            return Some(Self { at, offset });
        }
        let local = date_time(text)
            .or_else(|| civil::DateTime::strptime("%a %b %e %H:%M:%S %Y", text).ok())?;
        Some(Self::of(&local.to_zoned(zone.clone()).ok()?))
    }
}

fn date_time(text: &str) -> Option<civil::DateTime> {
    let text = text.trim_end();
    // A date alone, or with hours alone, is no time of a backup.
    text.contains(':').then(|| text.parse().ok())?
}

/// Splits the offset off, if there is one.
fn split(text: &str) -> Option<(&str, Offset)> {
    for zero in ["Z", "UTC", "GMT"] {
        if let Some(local) = text.strip_suffix(zero) {
            return Some((local, Offset::UTC));
        }
    }
    let at = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':'))?;
    let digits: String = text[at + 1..].chars().filter(|it| *it != ':').collect();
    let good = [2, 4, 6].contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
    if !good {
        return None;
    }
    let part = |from: usize| -> i32 {
        digits.get(from..from + 2).and_then(|it| it.parse().ok()).unwrap_or_default()
    };
    let seconds = part(0) * 3600 + part(2) * 60 + part(4);
    let seconds = if text[at..].starts_with('-') { -seconds } else { seconds };
    Some((&text[..at], Offset::from_seconds(seconds).ok()?))
}

impl fmt::Display for Moment {
    /// Writes it as Python's `str` does: to the microsecond, and that only if
    /// there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.offset.to_datetime(self.at);
        write!(f, "{}", local.strftime("%Y-%m-%d %H:%M:%S"))?;
        let micro = local.subsec_nanosecond() / 1000;
        if micro != 0 {
            write!(f, ".{micro:06}")?;
        }
        let (sign, seconds) = (self.offset.seconds() < 0, self.offset.seconds().unsigned_abs());
        let sign = if sign { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if seconds.is_multiple_of(60) { Ok(()) } else { write!(f, ":{:02}", seconds % 60) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_occurs() {
        let zone = TimeZone::fixed(Offset::from_seconds(7200).unwrap());
        let cases = [
            ("2026-01-02 03:04:05+01:00", "2026-01-02 03:04:05+01:00"),
            ("2026-01-02 03:05:05.123456+00:00", "2026-01-02 03:05:05.123456+00:00"),
            ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05+00:00"),
            ("2026-01-02T03:04:05.5-0330", "2026-01-02 03:04:05.500000-03:30"),
            ("2026-01-02 03:04:05+01", "2026-01-02 03:04:05+01:00"),
            ("2026-01-02 03:04:05 +01:02:03", "2026-01-02 03:04:05+01:02:03"),
            ("2026-01-02 03:04:05 UTC", "2026-01-02 03:04:05+00:00"),
            // Without an offset it is local.
            ("2026-01-02 03:04:05", "2026-01-02 03:04:05+02:00"),
            ("2026-01-02 03:04:05.000001", "2026-01-02 03:04:05.000001+02:00"),
            ("Wed Jul 23 11:00:43 2014", "2014-07-23 11:00:43+02:00"),
            ("Wed Jul  2 11:00:43 2014", "2014-07-02 11:00:43+02:00"),
        ];
        for (text, expected) in cases {
            let found = Moment::parse(text, &zone).map(|it| it.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "x", "2026-01-02", "2026-13-02 03:04:05", "2026-01-02 03:04:05+x", "+01:00"]
        {
            assert_eq!(Moment::parse(text, &zone), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn times_come_back(at in 0_i64..10_000_000_000, micro in 0_i32..1_000_000, offset in -50_000..50_000_i32) {
            let at = Timestamp::new(at, micro * 1000).unwrap();
            let moment = Moment { at, offset: Offset::from_seconds(offset).unwrap() };
            let text = moment.to_string();
            prop_assert_eq!(Moment::parse(&text, &TimeZone::UTC), Some(moment), "{}", text);
        }

        #[test]
        fn no_text_does_harm(text in ".{0,40}") {
            let _ = Moment::parse(&text, &TimeZone::UTC);
        }
    }
}
