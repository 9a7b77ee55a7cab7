//! The names of backups.

use std::{fmt, str::FromStr};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use jiff::{Timestamp, ToSpan, civil, tz::TimeZone};
use serde::{Serialize, Serializer};

/// How many characters an id has.
const LENGTH: usize = 15;
/// Where the `T` is.
const MIDDLE: usize = 8;

/// The id of a backup, as Barman makes it: the local time at which it was
/// begun, `YYYYMMDDTHHMMSS`. Ids are in the order of those times.
///
/// What has this form is an id, even if there is no such day: whoever made it,
/// it names a directory of the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BackupId([u8; LENGTH]);

impl BackupId {
    /// Returns the id of a backup that is begun at `now`, in a zone.
    ///
    /// An id says nothing of its zone, so an hour of autumn comes twice, and
    /// clocks are set back: `newest` is the newest id that there is, and the
    /// new one comes after it in any case.
    pub(crate) fn choose(now: Timestamp, zone: &TimeZone, newest: Option<Self>) -> Self {
        let local = Self::of(now.to_zoned(zone.clone()).datetime());
        match newest {
            Some(newest) if newest >= local => newest.following(),
            _ => local,
        }
    }

    /// Returns the id of that second of a clock on the wall.
    pub(crate) fn of(time: civil::DateTime) -> Self {
        let text = time.strftime("%Y%m%dT%H%M%S").to_string();
        // Years before 1 are beyond every clock.
        text.parse().unwrap_or(Self(*b"00010101T000000"))
    }

    /// Returns the time that it says; nothing if there is no such day.
    pub(crate) fn time(self) -> Option<civil::DateTime> {
        let number = |from: usize, to: usize| {
            self.0[from..to].iter().fold(0_i16, |sum, it| sum * 10 + i16::from(it - b'0'))
        };
        let small = |from: usize| i8::try_from(number(from, from + 2)).unwrap_or(-1);
        let date = civil::Date::new(number(0, 4), small(4), small(6)).ok()?;
        let time = civil::Time::new(small(9), small(11), small(13), 0).ok()?;
        Some(date.to_datetime(time))
    }

    /// Returns the id of the second that follows.
    fn following(self) -> Self {
        let next = self.time().and_then(|it| it.checked_add(1.second()).ok()).map(Self::of);
        next.filter(|it| *it > self).unwrap_or_else(|| self.counted())
    }

    /// Returns the next id that has the form of one.
    fn counted(mut self) -> Self {
        for digit in self.0.iter_mut().rev().filter(|it| **it != b'T') {
            if *digit < b'9' {
                *digit += 1;
                return self;
            }
            *digit = b'0';
        }
        Self(*b"99999999T999999")
    }

    fn text(&self) -> &str {
        // Digits and a T.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for BackupId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::new(ErrorKind::NOT_FOUND, format!("`{text}` is no id of a backup"));
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| bad())?;
        let good = |(i, it): (usize, &u8)| {
            if i == MIDDLE { *it == b'T' } else { it.is_ascii_digit() }
        };
        if bytes.iter().enumerate().all(good) { Ok(Self(bytes)) } else { Err(bad()) }
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl fmt::Debug for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for BackupId {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::{Offset, TimeZone};
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> BackupId {
        text.parse().unwrap()
    }

    #[test]
    fn ids_have_the_form_of_barmans() {
        let cases = [
            ("20260101T010203", Some("2026-01-01T01:02:03")),
            ("00010101T000000", Some("0001-01-01T00:00:00")),
            // No such day, but such a directory.
            ("20261332T256161", None),
        ];
        for (text, time) in cases {
            assert_eq!(id(text).to_string(), text);
            assert_eq!(id(text).time().map(|it| it.to_string()).as_deref(), time, "{text}");
        }
        for text in [
            "",
            "2026",
            "20260101T01020",
            "20260101T0102034",
            "20260101t010203",
            "latest",
            "20260101 010203",
            "2026O101T010203",
            "20260101T01020\u{e4}",
            "../../../../etc",
        ] {
            let error = text.parse::<BackupId>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NOT_FOUND, "{text}");
        }
    }

    #[test]
    fn an_id_is_the_local_time() {
        let now: Timestamp = "2026-07-01T22:59:58.9Z".parse().unwrap();
        let east = TimeZone::fixed(Offset::from_seconds(5400).unwrap());
        let cases = [
            (&TimeZone::UTC, None, "20260701T225958"),
            (&east, None, "20260702T002958"),
            (&TimeZone::UTC, Some("20260701T225957"), "20260701T225958"),
            // Begun in the same second, before an hour that came twice, by a
            // clock that went wrong, by hand.
            (&TimeZone::UTC, Some("20260701T225958"), "20260701T225959"),
            (&TimeZone::UTC, Some("20260701T235959"), "20260702T000000"),
            (&TimeZone::UTC, Some("20991231T235959"), "21000101T000000"),
            (&TimeZone::UTC, Some("99991231T235959"), "99991231T235960"),
            (&TimeZone::UTC, Some("20269999T999999"), "20270000T000000"),
        ];
        for (zone, newest, expected) in cases {
            let chosen = BackupId::choose(now, zone, newest.map(id));
            assert_eq!(chosen, id(expected), "{newest:?}");
        }
    }

    proptest! {
        #[test]
        fn a_new_id_comes_after_all_others(
            newest in "[0-9]{8}T[0-9]{5}[0-8]", at in 0_i64..4_000_000_000, offset in -50_000..50_000_i32,
        ) {
            let zone = TimeZone::fixed(Offset::from_seconds(offset).unwrap());
            let now = Timestamp::from_second(at).unwrap();
            let alone = BackupId::choose(now, &zone, None);
            prop_assert_eq!(alone.time().map(BackupId::of), Some(alone));
            prop_assert!(BackupId::choose(now, &zone, Some(id(&newest))) > id(&newest));
        }
    }
}
