//! Values of parameters: what the server makes of their text.
//!
//! The rules are those of `guc.c`: `parse_bool`, `parse_int`, `parse_real`
//! and the tables of units.

use thiserror::Error;

use super::number::{round_half_even, strtod, strtol};

/// Why a parameter cannot have a value.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Neither yes nor no.
    #[error("a Boolean is needed: on, off, true, false, yes, no, 1 or 0")]
    NotBoolean,
    /// Not one of the values there are.
    #[error("one of {} is needed", values.join(", "))]
    NotOneOf {
        /// The values, as the server lists them.
        values: Vec<String>,
    },
    /// No number.
    #[error("a number is needed")]
    NotANumber,
    /// A whole number beyond 32 bits.
    #[error("the number is beyond what an integer can hold")]
    TooLarge,
    /// A unit although the parameter has none.
    #[error("the number has no unit")]
    NoUnit,
    /// An unknown unit; units have small and capital letters.
    #[error("the unit must be one of {units}")]
    BadUnit {
        /// The units there are.
        units: &'static str,
    },
    /// Not a multiple of what it must be one of.
    #[error("a multiple of {of} is needed")]
    NotAMultiple {
        /// Of what, in the parameter's unit.
        of: i32,
    },
    /// Below or above what is allowed, in the parameter's own unit.
    #[error("{value}{unit} is outside of {lowest} to {highest}{unit}")]
    OutOfRange {
        /// The value, in the parameter's unit.
        value: f64,
        /// The unit; nothing for those that have none.
        unit: String,
        /// The lowest value.
        lowest: f64,
        /// The highest value.
        highest: f64,
    },
}

impl Eq for ValueError {}

/// A value that was understood, in the parameter's own unit.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A Boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i32),
    /// A number.
    Real(f64),
    /// Anything else, as it was given.
    Text(Vec<u8>),
}

const MEMORY_UNITS: &str = "B, kB, MB, GB, TB";
const TIME_UNITS: &str = "us, ms, s, min, h, d";

/// Reads a Boolean: a beginning of a word that no other word has, or a digit.
pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    let begins = |word: &str, least: usize| {
        (least..=word.len()).contains(&text.len())
            && word.as_bytes()[..text.len()].eq_ignore_ascii_case(text)
    };
    match text {
        b"1" => Some(true),
        b"0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// Reads a whole number, in units of `unit`.
pub(super) fn integer(text: &[u8], unit: &str) -> Result<i32, ValueError> {
    // Where there are no digits the C library stops at the very beginning.
    let (mut number, mut used, overflow) = strtol(text).unwrap_or((0.0, 0, false));
    if overflow || matches!(text.get(used), Some(b'.' | b'e' | b'E')) {
        (number, used) = strtod(text).ok_or(ValueError::NotANumber)?;
    }
    if used == 0 {
        return Err(ValueError::NotANumber);
    }
    let number = round_half_even(in_base_unit(number, &text[used..], unit)?);
    if (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number) {
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        return Ok(number as i32);
    }
    Err(ValueError::TooLarge)
}

/// Reads a number, in units of `unit`.
pub(super) fn real(text: &[u8], unit: &str) -> Result<f64, ValueError> {
    let (number, used) = strtod(text).ok_or(ValueError::NotANumber)?;
    in_base_unit(number, &text[used..], unit)
}

fn in_base_unit(number: f64, rest: &[u8], base: &str) -> Result<f64, ValueError> {
    let is_blank = |it: &u8| matches!(it, b' ' | b'\t' | b'\n' | b'\r' | 11 | 12);
    let start = rest.iter().position(|it| !is_blank(it)).unwrap_or(rest.len());
    let given = &rest[start..];
    if given.is_empty() {
        return Ok(number);
    }
    if base.is_empty() {
        return Err(ValueError::NoUnit);
    }
    let end = given.iter().position(is_blank).unwrap_or(given.len());
    let (given, blanks) = given.split_at(end);
    let (table, units) = table(base);
    let bad = ValueError::BadUnit { units };
    if !blanks.iter().all(is_blank) {
        return Err(bad);
    }
    let index = table.iter().position(|it| it.0.as_bytes() == given).ok_or(bad)?;
    let number = number * table[index].1;
    // A fraction of a unit is taken in whole units of the next smaller one.
    Ok(match table.get(index + 1) {
        Some((_, smaller)) => round_half_even(number / smaller) * smaller,
        None => number,
    })
}

/// Returns the units of a kind with their worth in `base`, largest first.
fn table(base: &str) -> (Vec<(&'static str, f64)>, &'static str) {
    const MEMORY: [(&str, f64); 5] = [
        ("TB", 1_099_511_627_776.0),
        ("GB", 1_073_741_824.0),
        ("MB", 1_048_576.0),
        ("kB", 1024.0),
        ("B", 1.0),
    ];
    const TIME: [(&str, f64); 6] =
        [("d", 86_400e6), ("h", 3600e6), ("min", 60e6), ("s", 1e6), ("ms", 1e3), ("us", 1.0)];
    let digits = base.bytes().take_while(u8::is_ascii_digit).count();
    let count: f64 = base[..digits].parse().unwrap_or(1.0);
    let worth = |table: &[(&'static str, f64)]| {
        table.iter().find(|it| it.0 == &base[digits..]).map(|it| it.1 * count)
    };
    let scaled = |table: &[(&'static str, f64)], one: f64| {
        table.iter().map(|(unit, it)| (*unit, it / one)).collect()
    };
    match (worth(&MEMORY), worth(&TIME)) {
        (Some(one), _) => (scaled(&MEMORY, one), MEMORY_UNITS),
        (None, Some(one)) => (scaled(&TIME, one), TIME_UNITS),
        (None, None) => (Vec::new(), "none that are known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_beginnings_of_words() {
        let yes = ["t", "TrU", "true", "y", "yes", "on", "1", "ON"];
        let no = ["f", "FALSE", "n", "no", "of", "off", "0"];
        let neither = ["", "o", "00", "no ", " on", "truex", "2", "enable"];
        assert!(yes.iter().all(|it| boolean(it.as_bytes()) == Some(true)));
        assert!(no.iter().all(|it| boolean(it.as_bytes()) == Some(false)));
        assert!(neither.iter().all(|it| boolean(it.as_bytes()).is_none()));
    }

    #[test]
    fn whole_numbers_are_read_with_their_units() {
        let cases: [(&str, &str, Option<i32>); 29] = [
            ("4MB", "kB", Some(4096)),
            ("4 MB ", "kB", Some(4096)),
            ("4.5MB", "kB", Some(4608)),
            ("1e4", "kB", Some(10000)),
            ("1.e4", "kB", Some(10000)),
            ("0x1000", "kB", Some(4096)),
            ("0x1000kB", "kB", Some(4096)),
            ("010000", "kB", Some(4096)),
            ("+4096", "kB", Some(4096)),
            ("100.5", "", Some(100)),
            ("101.5", "", Some(102)),
            ("65537B", "kB", Some(64)),
            ("1.1GB", "MB", Some(1126)),
            ("1500us", "ms", Some(2)),
            ("0.5ms", "ms", Some(0)),
            ("90s", "min", Some(2)),
            ("5min", "ms", Some(300_000)),
            ("1.5h", "ms", Some(5_400_000)),
            ("1.5min", "s", Some(90)),
            ("128MB", "8kB", Some(16384)),
            (".5", "", Some(0)),
            ("+.5", "", None),
            ("4mb", "kB", None),
            ("5m", "ms", None),
            ("100MB", "", None),
            ("9999999999999", "kB", None),
            ("", "kB", None),
            ("x", "", None),
            ("4MB x", "kB", None),
        ];
        for (text, unit, value) in cases {
            assert_eq!(integer(text.as_bytes(), unit).ok(), value, "{text} in {unit}");
        }
    }

    #[test]
    fn numbers_may_begin_or_end_with_a_point() {
        assert_eq!(real(b".5ms", "ms").unwrap().to_bits(), 0.5f64.to_bits());
        assert_eq!(real(b"5.", "").unwrap().to_bits(), 5f64.to_bits());
        assert!(real(b"nan", "").is_err());
        assert!(real(b"1e400", "").is_err());
    }
}
