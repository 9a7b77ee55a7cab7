//! What time it is: read once, at the start of a command.

use std::{env, fs, path::Path};

use hayloft_plugin_api::{LocalTime, Weekday};
use jiff::{Timestamp, Zoned, civil, tz::TimeZone};

/// The file that says which zone this machine is in, see localtime(5).
const LOCAL_ZONE: &str = "/etc/localtime";

/// A moment in the zone of this machine.
#[derive(Debug, Clone)]
pub struct Moment(Zoned);

/// Why a text is no moment.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{text}` is no date or time; write 2026-11-21, 2026-11-21T02:30 or 2026-11-21T02:30:00+01:00"
)]
pub struct NoMoment {
    text: String,
}

impl Moment {
    /// Reads the clock.
    pub fn now() -> Self {
        Self(Timestamp::now().to_zoned(zone()))
    }

    /// Reads a date, a local time or a time with an offset or zone.
    ///
    /// # Errors
    ///
    /// If it is none of these.
    pub fn parse(text: &str) -> Result<Self, NoMoment> {
        let zone = zone();
        let zoned = text
            .parse::<Zoned>()
            .ok()
            .or_else(|| text.parse::<Timestamp>().ok().map(|t| t.to_zoned(zone.clone())))
            .or_else(|| text.parse::<civil::DateTime>().ok()?.to_zoned(zone.clone()).ok())
            .or_else(|| text.parse::<civil::Date>().ok()?.to_zoned(zone).ok());
        zoned.map(Self).ok_or_else(|| NoMoment { text: text.to_owned() })
    }

    /// Returns it for a plugin.
    pub fn local(&self) -> LocalTime {
        let (date, time) = (self.0.date(), self.0.time());
        LocalTime {
            year: date.year(),
            month: date.month().unsigned_abs(),
            day: date.day().unsigned_abs(),
            hour: time.hour().unsigned_abs(),
            minute: time.minute().unsigned_abs(),
            second: time.second().unsigned_abs(),
            weekday: weekday(date.weekday()),
            unix_seconds: self.0.timestamp().as_second(),
            nanoseconds: self.0.timestamp().subsec_nanosecond().unsigned_abs(),
        }
    }

    /// Returns `YYYY-MM-DDTHH:MM:SS` and the zone's abbreviation, as Cedar
    /// Backup writes them at the head of a log line.
    pub fn log_stamp(&self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%S %Z").to_string()
    }

    /// Returns it as `Tue Nov 17 02:00:00 2026 UTC`, whatever the zone of this
    /// machine.
    pub fn long_utc(&self) -> String {
        let utc = self.0.with_time_zone(TimeZone::UTC);
        utc.strftime("%a %b %d %H:%M:%S %Y UTC").to_string()
    }

    /// Returns it in RFC 3339 form with the offset.
    pub fn rfc3339(&self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// Returns `YYYYMMDDTHHMMSS` in the zone of this machine.
    pub fn compact(&self) -> String {
        self.0.strftime("%Y%m%dT%H%M%S").to_string()
    }

    /// Returns seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.0.timestamp().as_second()
    }
}

/// Returns the zone of this machine. The file is read as it is: to look its
/// name up would take a walk through all the zones that there are.
fn zone() -> TimeZone {
    let file = if env::var_os("TZ").is_some() { None } else { of_file(Path::new(LOCAL_ZONE)) };
    file.unwrap_or_else(TimeZone::system)
}

fn of_file(path: &Path) -> Option<TimeZone> {
    let real = path.canonicalize().ok()?;
    let (_, name) = real.to_str()?.split_once("/zoneinfo/")?;
    TimeZone::tzif(name, &fs::read(&real).ok()?).ok()
}

fn weekday(day: civil::Weekday) -> Weekday {
    match day {
        civil::Weekday::Monday => Weekday::Monday,
        civil::Weekday::Tuesday => Weekday::Tuesday,
        civil::Weekday::Wednesday => Weekday::Wednesday,
        civil::Weekday::Thursday => Weekday::Thursday,
        civil::Weekday::Friday => Weekday::Friday,
        civil::Weekday::Saturday => Weekday::Saturday,
        civil::Weekday::Sunday => Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_of_a_file_is_that_of_its_name() {
        let zone = of_file(Path::new("/usr/share/zoneinfo/Europe/Berlin")).unwrap();
        let named = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(zone.iana_name(), named.iana_name());
        for second in [0, 1_700_000_000, 1_750_000_000] {
            let moment = Timestamp::from_second(second).unwrap();
            let shown =
                |zone: &TimeZone| moment.to_zoned(zone.clone()).strftime("%c %Z %:z").to_string();
            assert_eq!(shown(&zone), shown(&named));
        }
        assert!(of_file(Path::new("/nonexistent")).is_none());
        assert!(of_file(Path::new("/etc/passwd")).is_none());
    }

    #[test]
    fn moments_are_read_in_all_their_forms() {
        for text in
            ["2026-11-21", "2026-11-21T02:30", "2026-11-21T02:30:00", "2026-11-21T02:30:00+01:00"]
        {
            assert_eq!(Moment::parse(text).unwrap().local().year, 2026, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "12:00"] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_long_form_is_the_same_everywhere() {
        let moment = Moment::parse("2026-11-21T02:30:00+01:00").unwrap();
        assert_eq!(moment.long_utc(), "Sat Nov 21 01:30:00 2026 UTC");
    }
}
