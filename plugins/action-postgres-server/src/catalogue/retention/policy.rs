//! Retention policies.

use std::{fmt, str::FromStr};

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de};

use super::{Candidate, Report, barman, generations};

/// How long backups are to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// `REDUNDANCY n`: so many backups.
    Redundancy(u32),
    /// `RECOVERY WINDOW OF n DAYS`: recovery is possible to any time in it.
    Window(u32, Unit),
    /// `GFS n DAILY n WEEKLY n MONTHLY n YEARLY`: the newest backup of each of
    /// so many days, weeks, months and years.
    Generations(Generations),
}

/// The unit of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 24 hours.
    Days,
    /// 7 days.
    Weeks,
    /// 31 days, as Barman counts.
    Months,
}

/// Grandfather, father, son: of how many days, weeks, months and years a
/// backup is to be kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generations {
    /// Days.
    pub daily: u32,
    /// Weeks, from Monday.
    pub weekly: u32,
    /// Months.
    pub monthly: u32,
    /// Years.
    pub yearly: u32,
}

impl Generations {
    fn counts(&self) -> [(u32, &'static str); 4] {
        [
            (self.daily, "DAILY"),
            (self.weekly, "WEEKLY"),
            (self.monthly, "MONTHLY"),
            (self.yearly, "YEARLY"),
        ]
    }
}

impl Policy {
    /// Returns how long a window lasts; nothing for other policies.
    pub(crate) fn window(self) -> Option<SignedDuration> {
        let Self::Window(count, unit) = self else { return None };
        let days = i64::from(count)
            * match unit {
                Unit::Days => 1,
                Unit::Weeks => 7,
                Unit::Months => 31,
            };
        Some(SignedDuration::from_hours(24 * days))
    }

    /// Says of each backup what is to become of it.
    pub(crate) fn report(
        self,
        backups: &[Candidate],
        minimum: u32,
        now: jiff::Timestamp,
    ) -> Report {
        let mut report = match self {
            Self::Redundancy(count) => barman::redundancy(backups, count, minimum),
            Self::Window(..) => {
                let window = self.window().unwrap_or_default();
                // A window that reaches back before all time has everything in it.
                let point = now.checked_sub(window).unwrap_or(jiff::Timestamp::MIN);
                barman::window(backups, point, minimum)
            }
            Self::Generations(counts) => generations::report(backups, counts, minimum),
        };
        // Barman marks full backups only.
        for it in backups.iter().filter(|it| it.parent.is_some() && it.is_done()) {
            if let Some(keep) = it.keep {
                report.say(it.id, keep.into(), format!("it is marked: keep {keep}"));
            }
        }
        report
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_ascii_uppercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let parsed = match words.as_slice() {
            ["REDUNDANCY", count] => number(count).map(Self::Redundancy),
            ["RECOVERY", "WINDOW", "OF", count, unit] => {
                number(count).zip(unit_of(unit)).map(|(count, unit)| Self::Window(count, unit))
            }
            ["GFS", rest @ ..] => generations_of(rest).map(Self::Generations),
            _ => None,
        };
        parsed.ok_or_else(|| {
            format!(
                "`{}` is no retention policy: REDUNDANCY 3, RECOVERY WINDOW OF 4 WEEKS (or DAYS, \
                 or MONTHS), GFS 7 DAILY 4 WEEKLY 12 MONTHLY 3 YEARLY",
                text.trim()
            )
        })
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|it| it.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn unit_of(text: &str) -> Option<Unit> {
    match text {
        "DAY" | "DAYS" => Some(Unit::Days),
        "WEEK" | "WEEKS" => Some(Unit::Weeks),
        "MONTH" | "MONTHS" => Some(Unit::Months),
        _ => None,
    }
}

/// Each once, in any order, and not all of them nothing.
fn generations_of(words: &[&str]) -> Option<Generations> {
    let (mut counts, mut seen) = (Generations::default(), Vec::new());
    let (pairs, []) = words.as_chunks::<2>() else { return None };
    for [count, generation] in pairs {
        let place = match *generation {
            "DAILY" => &mut counts.daily,
            "WEEKLY" => &mut counts.weekly,
            "MONTHLY" => &mut counts.monthly,
            "YEARLY" => &mut counts.yearly,
            _ => return None,
        };
        *place = number(count)?;
        if seen.contains(generation) {
            return None;
        }
        seen.push(generation);
    }
    (counts != Generations::default()).then_some(counts)
}

impl fmt::Display for Policy {
    /// Shows it as Barman does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redundancy(count) => write!(f, "REDUNDANCY {count}"),
            Self::Window(count, unit) => {
                let unit = match unit {
                    Unit::Days => "DAYS",
                    Unit::Weeks => "WEEKS",
                    Unit::Months => "MONTHS",
                };
                write!(f, "RECOVERY WINDOW OF {count} {unit}")
            }
            Self::Generations(generations) => {
                f.write_str("GFS")?;
                let some = generations.counts().into_iter().filter(|it| it.0 > 0);
                some.into_iter().try_for_each(|(count, name)| write!(f, " {count} {name}"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn policies_are_read_as_barman_reads_them() {
        for case in crate::catalogue::tests::vectors("retention_parse") {
            let text = case["in"].as_str().unwrap();
            let found = text.parse::<Policy>().ok().map(|it| it.to_string());
            assert_eq!(found.as_deref(), case["out"]["ok"].as_str(), "{text:?}");
        }
    }

    #[test]
    fn generations_are_ours() {
        let cases = [
            (
                "GFS 7 DAILY 4 WEEKLY 12 MONTHLY 3 YEARLY",
                Some("GFS 7 DAILY 4 WEEKLY 12 MONTHLY 3 YEARLY"),
            ),
            ("gfs  3 yearly 1 daily", Some("GFS 1 DAILY 3 YEARLY")),
            ("GFS 0 DAILY 2 WEEKLY", Some("GFS 2 WEEKLY")),
            ("GFS", None),
            ("GFS 0 DAILY", None),
            ("GFS 7", None),
            ("GFS DAILY 7", None),
            ("GFS 7 DAILY 8 DAILY", None),
            ("GFS -7 DAILY", None),
            ("GFS 7 HOURLY", None),
            ("REDUNDANCY 99999999999", None),
            ("REDUNDANCY +3", None),
            ("RECOVERY WINDOW OF 7", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let found = text.parse::<Policy>();
            assert_eq!(found.as_ref().ok().map(ToString::to_string).as_deref(), expected, "{text}");
            if let Err(why) = found {
                assert!(why.contains("REDUNDANCY 3, RECOVERY WINDOW"), "{why}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_policy_comes_back(count: u32, counts in prop::array::uniform4(0_u32..9)) {
            let [daily, weekly, monthly, yearly] = counts;
            let generations = Generations { daily, weekly, monthly, yearly };
            for policy in [
                Policy::Redundancy(count),
                Policy::Window(count, Unit::Days),
                Policy::Window(count, Unit::Months),
                Policy::Generations(Generations { daily: daily + 1, ..generations }),
            ] {
                prop_assert_eq!(policy.to_string().parse(), Ok(policy));
            }
        }
    }
}
