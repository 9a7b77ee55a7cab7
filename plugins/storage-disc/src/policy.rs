//! Decisions that need no drive: what a disc is called, whose it is, and when
//! a new one is begun.

use hayloft_plugin_api::{Error, LocalTime, Result};

use crate::media::{Media, approximate};

/// How the labels of all discs begin that are for backups.
pub const LABEL_PREFIX: &str = "CEDAR BACKUP";

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// Returns the label of a disc that is written on that day, such as
/// `CEDAR BACKUP 17-NOV-2026`.
pub fn label(now: &LocalTime) -> String {
    let month = MONTHS[usize::from(now.month.clamp(1, 12)) - 1];
    format!("{LABEL_PREFIX} {:02}-{month}-{:04}", now.day, now.year)
}

/// Makes sure that a disc is one for backups. A disc that is written once may
/// have no label yet; an empty one is a label that somebody else gave it.
///
/// # Errors
///
/// What is wrong with the label.
pub fn check_label(media: Media, label: Option<&str>) -> Result<()> {
    let label = label.map(str::trim_end);
    let wrong = match label {
        Some(label) if label.starts_with(LABEL_PREFIX) => return Ok(()),
        None if !media.is_rewritable() => return Ok(()),
        Some("") => "the disc has not been initialized: its label is empty".to_owned(),
        Some(label) => format!("the disc has not been initialized: its label is {label:?}"),
        None => "the disc has not been initialized: it has no label".to_owned(),
    };
    let error = Error::msg(wrong);
    Err(if media.is_rewritable() {
        error.hint("if this is the right disc, erase it and label it with the action initialize")
    } else {
        error.hint("put in a new disc, or one that backups were written to")
    })
}

/// `<blank_behavior>`: when a new disc is begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blanking {
    /// Whether it is begun on any day, not only on the week's first.
    pub daily: bool,
    /// It is begun if the room is not more than this many times what is to be
    /// written.
    pub factor: f64,
}

/// Whether everything that is on the disc goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NewDisc {
    /// It does.
    Yes,
    /// It does not: what is written is appended.
    No,
    /// It does if there is little room, see [`is_tight`].
    IfTight(f64),
}

/// Decides whether a run begins a new disc.
pub fn new_disc(full: bool, start_of_week: bool, blanking: Option<Blanking>) -> NewDisc {
    match blanking {
        _ if full => NewDisc::Yes,
        None if start_of_week => NewDisc::Yes,
        Some(it) if it.daily || start_of_week => NewDisc::IfTight(it.factor),
        _ => NewDisc::No,
    }
}

/// Tells whether the room is so little that a new disc is begun.
pub fn is_tight(free: u64, required: u64, factor: f64) -> bool {
    approximate(free) / (1.0 + approximate(required)) <= factor
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::Weekday;

    use super::*;

    fn on(year: i16, month: u8, day: u8) -> LocalTime {
        LocalTime {
            year,
            month,
            day,
            hour: 2,
            minute: 0,
            second: 0,
            weekday: Weekday::Tuesday,
            unix_seconds: 0,
            nanoseconds: 0,
        }
    }

    #[test]
    fn a_disc_is_labelled_with_its_day() {
        assert_eq!(label(&on(2026, 11, 17)), "CEDAR BACKUP 17-NOV-2026");
        assert_eq!(label(&on(2027, 1, 3)), "CEDAR BACKUP 03-JAN-2027");
        assert!(label(&on(2026, 12, 31)).len() <= 32, "it must fit into a volume identifier");
    }

    #[test]
    fn only_discs_for_backups_are_written() {
        let cases = [
            (Media::CdRw80, Some("CEDAR BACKUP 17-NOV-2026"), true),
            (Media::CdRw80, Some("CEDAR BACKUP"), true),
            (Media::CdRw80, Some("HOLIDAYS"), false),
            (Media::CdRw80, Some("   "), false),
            (Media::CdRw80, None, false),
            (Media::DvdPlusRw, None, false),
            (Media::CdR80, None, true),
            (Media::CdR80, Some(""), false),
            (Media::DvdPlusR, Some("   "), false),
            (Media::DvdPlusR, Some("HOLIDAYS"), false),
            (Media::DvdPlusR, Some("CEDAR BACKUP 17-NOV-2026"), true),
        ];
        for (media, label, good) in cases {
            assert_eq!(check_label(media, label).is_ok(), good, "{media} {label:?}");
        }
    }

    #[test]
    fn a_new_disc_is_begun_when_the_configuration_says_so() {
        let daily = Some(Blanking { daily: true, factor: 1.3 });
        let weekly = Some(Blanking { daily: false, factor: 1.3 });
        let cases = [
            (true, false, None, NewDisc::Yes),
            (true, false, weekly, NewDisc::Yes),
            (false, true, None, NewDisc::Yes),
            (false, false, None, NewDisc::No),
            (false, false, daily, NewDisc::IfTight(1.3)),
            (false, true, daily, NewDisc::IfTight(1.3)),
            (false, false, weekly, NewDisc::No),
            (false, true, weekly, NewDisc::IfTight(1.3)),
        ];
        for (full, start, blanking, expected) in cases {
            assert_eq!(new_disc(full, start, blanking), expected);
        }
    }

    #[test]
    fn little_room_is_measured_by_what_is_written() {
        let cases = [
            (1000, 99, 10.0, true),
            (1001, 99, 10.0, false),
            (0, 0, 0.0, true),
            (1, 0, 0.0, false),
            (u64::MAX, 0, f64::INFINITY, true),
            (0, 1, f64::NAN, false),
        ];
        for (free, required, factor, tight) in cases {
            assert_eq!(is_tight(free, required, factor), tight, "{free} {required} {factor}");
        }
    }
}
