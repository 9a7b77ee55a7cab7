//! Values that are about base backups.

use std::{fmt, str::FromStr, time};

use hayloft_plugin_api::config::Duration;
use serde::{Deserialize, Deserializer, de};

const HOUR: u64 = 3600;

/// How old something may be: as Barman writes it (`36 HOURS`, `1 DAY`, `2
/// weeks`, `1 MONTH`, of 31 days), or as any other span of time (`36h`, `7d`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(time::Duration);

impl Age {
    /// Returns it as a span of time.
    pub fn get(self) -> time::Duration {
        self.0
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [count, unit] = words.as_slice() else {
            return text.parse::<Duration>().map(|it| Self(it.get())).map_err(|_| bad(text));
        };
        let seconds = match unit.to_ascii_lowercase().as_str() {
            "hour" | "hours" => HOUR,
            "day" | "days" => 24 * HOUR,
            "week" | "weeks" => 7 * 24 * HOUR,
            "month" | "months" => 31 * 24 * HOUR,
            _ => return Err(bad(text)),
        };
        let digits = count.bytes().all(|it| it.is_ascii_digit());
        let count: Option<u64> = if digits { count.parse().ok() } else { None };
        let seconds = count.and_then(|it| it.checked_mul(seconds));
        seconds.map(|it| Self(time::Duration::from_secs(it))).ok_or_else(|| bad(text))
    }
}

fn bad(text: &str) -> String {
    format!("`{}` is no age: 36 HOURS, 1 DAY, 2 WEEKS, 1 MONTH, 36h, 7d", text.trim())
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.0.as_secs().div_ceil(HOUR);
        match (hours.is_multiple_of(24), hours) {
            (true, 24) => f.write_str("1 day"),
            (true, hours) => write!(f, "{} days", hours / 24),
            (false, 1) => f.write_str("1 hour"),
            (false, hours) => write!(f, "{hours} hours"),
        }
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_as_barman_reads_them_and_as_we_do() {
        for case in crate::catalogue::vectors("time_interval") {
            let text = case["in"].as_str().unwrap();
            let found = text.parse::<Age>().ok().map(|it| it.get().as_secs_f64());
            assert_eq!(found, case["out"]["ok"].as_f64(), "{text:?}");
        }
        let cases = [
            ("36h", Some("36 hours")),
            ("7d", Some("7 days")),
            ("1 DAY", Some("1 day")),
            ("1h", Some("1 hour")),
            ("-1 day", None),
            ("99999999999999999999 days", None),
            ("9999999999999999999 days", None),
            ("1 day ago", None),
        ];
        for (text, expected) in cases {
            let found = text.parse::<Age>().ok().map(|it| it.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
