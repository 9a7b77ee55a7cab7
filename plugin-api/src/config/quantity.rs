//! Sizes and spans of time, as people write them.

use std::{fmt, str::FromStr, time};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes, written as `1048576`, `64 MB`, `2.5GB` or `10 MiB`.
///
/// Units are powers of 1024, whether with or without `i`, as Cedar Backup
/// reads `KB`, `MB` and `GB`; case does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A span of time, written as `90` (seconds), `90s`, `15m` or `15min`, `2h`,
/// `7d`, `4 weeks`, `250ms`, `1h 30min`.
///
/// Units are systemd's (`systemd.time(7)`), but for months and years, which
/// are not all of one length: `ms`, `s`, `min` (`m`), `h`, `d`, `w`, and their
/// longer names. Case matters, since `M` is a month there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub time::Duration);

const BYTE_UNITS: [(&str, f64); 5] = [
    ("k", 1024.0),
    ("m", 1_048_576.0),
    ("g", 1_073_741_824.0),
    ("t", 1_099_511_627_776.0),
    ("p", 1_125_899_906_842_624.0),
];

/// The names of each unit, and its seconds.
const TIME_UNITS: [(&[&str], f64); 7] = [
    (&["us", "µs", "usec"], 0.000_001),
    (&["ms", "msec"], 0.001),
    (&["s", "sec", "second", "seconds"], 1.0),
    (&["m", "min", "minute", "minutes"], 60.0),
    (&["h", "hr", "hour", "hours"], 3600.0),
    (&["d", "day", "days"], 86_400.0),
    (&["w", "week", "weeks"], 604_800.0),
];

impl ByteSize {
    /// Returns the number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Duration {
    /// Returns it as the standard library's type.
    pub fn get(self) -> time::Duration {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size such as `1048576`, `64 MB` or `2.5 GB`");
        let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
        let unit = unit.to_ascii_lowercase();
        let prefix = unit.strip_suffix('b').unwrap_or(&unit);
        let prefix = prefix.strip_suffix('i').filter(|it| !it.is_empty()).unwrap_or(prefix);
        let factor = match prefix {
            "" => 1.0,
            prefix => factor(&BYTE_UNITS, prefix).ok_or_else(wrong)?,
        };
        let bytes = number * factor;
        if !(0.0..=MOST_BYTES).contains(&bytes) {
            return Err(format!("`{text}` is too large a size"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was just checked, and a part of a byte is nothing"
        )]
        let bytes = bytes as u64;
        Ok(Self(bytes))
    }
}

/// 2^62: far above any size, and exact as a floating-point number.
const MOST_BYTES: f64 = 4_611_686_018_427_387_904.0;

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a span of time such as `90`, `90s`, `15min`, `2h` or `7d`");
        let mut rest = text.trim();
        let mut seconds = 0.0;
        while !rest.is_empty() {
            let (number, behind) = number_and_unit(rest).ok_or_else(wrong)?;
            let end = behind.find(|c: char| c.is_ascii_digit() || c.is_whitespace());
            let (unit, more) = behind.split_at(end.unwrap_or(behind.len()));
            let alone = rest == text.trim() && more.is_empty();
            seconds += number * seconds_of(unit, alone).ok_or_else(wrong)?;
            rest = more.trim_start();
        }
        if text.trim().is_empty() {
            return Err(wrong());
        }
        time::Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| wrong())
    }
}

/// Returns the seconds of a unit; without one, a number that is `alone` is of
/// seconds.
fn seconds_of(unit: &str, alone: bool) -> Option<f64> {
    if unit.is_empty() {
        return alone.then_some(1.0);
    }
    TIME_UNITS.iter().find(|(names, _)| names.contains(&unit)).map(|it| it.1)
}

fn factor(units: &[(&str, f64)], unit: &str) -> Option<f64> {
    units.iter().find(|(name, _)| *name == unit).map(|&(_, factor)| factor)
}

/// Splits `2.5 GB`; only digits and at most one point make a number.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KB", "MB", "GB", "TB", "PB"];
        let mut unit = 0;
        let mut value = self.0;
        while unit < units.len() && value >= 1024 && value.is_multiple_of(1024) {
            value /= 1024;
            unit += 1;
        }
        match unit {
            0 => write!(f, "{value}"),
            unit => write!(f, "{value} {}", units[unit - 1]),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_every_unit_and_nonsense_is_refused() {
        let cases = [
            ("0", Some(0)),
            (" 64 MB ", Some(64 << 20)),
            ("64mib", Some(64 << 20)),
            ("2.5 GB", Some(2_684_354_560)),
            ("1K", Some(1024)),
            ("10 B", Some(10)),
            ("-1", None),
            ("", None),
            ("MB", None),
            ("1 XB", None),
            ("1..2", None),
            ("1e3", None),
            ("99999999999 PB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<ByteSize>().ok().map(ByteSize::bytes), expected, "{text}");
        }
    }

    #[test]
    fn spans_of_time_are_read_with_every_unit() {
        let cases = [
            ("90", Some(90_000)),
            ("250ms", Some(250)),
            ("1.5 m", Some(90_000)),
            ("2h", Some(7_200_000)),
            ("7d", Some(604_800_000)),
            ("15min", Some(900_000)),
            ("15 minutes", Some(900_000)),
            (" 1h 30min ", Some(5_400_000)),
            ("1h30min5s", Some(5_405_000)),
            ("2 weeks 1 day", Some(1_296_000_000)),
            ("500us", Some(0)),
            ("0", Some(0)),
            ("", None),
            ("1h 30", None),
            ("5 10", None),
            ("90 90s", None),
            ("h", None),
            ("1.2.3s", None),
            ("-5s", None),
            ("5M", None),
            ("1 day ago", None),
            ("1h,", None),
            ("fast", None),
            ("5 x", None),
            ("99999999999999999999w", None),
        ];
        for (text, expected) in cases {
            let parsed = text.parse::<Duration>().ok().map(|it| it.get().as_millis());
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back_the_same() {
        for bytes in [0, 1, 1023, 1024, 1536, 64 << 20, 3 << 40, u64::from(u32::MAX)] {
            assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
        for millis in [0, 1, 999, 1000, 90_500] {
            let span = Duration(time::Duration::from_millis(millis));
            assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
