//! The number of a timeline.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

use super::WalError;

/// The number of a timeline, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimelineId(NonZeroU32);

impl TimelineId {
    /// The timeline that `initdb` begins with.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// Makes a timeline of its number; there is none with number 0.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(it) => Some(Self(it)),
            None => None,
        }
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for TimelineId {
    /// Shows it in decimal; file names have it in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TimelineId {
    type Err = WalError;

    /// Reads decimal digits.
    fn from_str(text: &str) -> Result<Self, WalError> {
        let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let number = if digits { text.parse().ok().and_then(Self::new) } else { None };
        number.ok_or_else(|| WalError::BadTimeline { text: text.to_owned() })
    }
}

/// Which timeline a recovery is to follow: `recovery_target_timeline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetTimeline {
    /// The one that was current when the backup was made.
    Current,
    /// The newest one in the archive.
    Latest,
    /// This one.
    Id(TimelineId),
}

impl fmt::Display for TargetTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("current"),
            Self::Latest => f.write_str("latest"),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl FromStr for TargetTimeline {
    type Err = WalError;

    fn from_str(text: &str) -> Result<Self, WalError> {
        match text {
            "current" => Ok(Self::Current),
            "latest" => Ok(Self::Latest),
            _ => text.parse().map(Self::Id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_is_a_number_from_one() {
        assert_eq!("1".parse::<TimelineId>().unwrap(), TimelineId::FIRST);
        assert_eq!("4294967295".parse::<TimelineId>().unwrap().get(), u32::MAX);
        for text in ["0", "", "-1", "+1", "4294967296", "x", " 1"] {
            assert!(text.parse::<TimelineId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_target_is_a_word_or_a_number() {
        for text in ["current", "latest", "7"] {
            assert_eq!(text.parse::<TargetTimeline>().unwrap().to_string(), text);
        }
        assert!("Latest".parse::<TargetTimeline>().is_err());
    }
}
