//! A position in the write-ahead log.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{SegmentSize, WalError};

/// A position in the write-ahead log: bytes since its beginning.
///
/// Shown as PostgreSQL does, such as `16/B374D848`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Lsn(u64);

impl Lsn {
    /// The beginning; also what PostgreSQL writes where there is no position
    /// (`InvalidXLogRecPtr`).
    pub const ZERO: Self = Self(0);
    /// The last position there can be.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes a position of a number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the bytes since the beginning of the log.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Tells whether this is a position at all, not [`Lsn::ZERO`].
    pub const fn is_valid(self) -> bool {
        self.0 != 0
    }

    /// Returns the position so many bytes later, if there is one.
    pub fn checked_add(self, bytes: u64) -> Option<Self> {
        self.0.checked_add(bytes).map(Self)
    }

    /// Returns the position so many bytes earlier, if there is one.
    pub fn checked_sub(self, bytes: u64) -> Option<Self> {
        self.0.checked_sub(bytes).map(Self)
    }

    /// Returns how many bytes lie between an earlier position and this one;
    /// negative if `earlier` is in fact later.
    pub fn distance_from(self, earlier: Self) -> i128 {
        i128::from(self.0) - i128::from(earlier.0)
    }

    /// Returns the number of the segment this position is in, counted from 0
    /// over the whole log. A boundary belongs to the segment it begins.
    pub fn segment_number(self, size: SegmentSize) -> u64 {
        self.0 / size.bytes()
    }

    /// Returns how far into its segment the position is, in bytes.
    pub fn offset(self, size: SegmentSize) -> u64 {
        self.0 % size.bytes()
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

impl TryFrom<String> for Lsn {
    type Error = WalError;

    fn try_from(text: String) -> Result<Self, WalError> {
        text.parse()
    }
}

impl FromStr for Lsn {
    type Err = WalError;

    /// Reads what `pg_lsn` reads: no sign, no blank, at most eight digits on
    /// either side.
    fn from_str(text: &str) -> Result<Self, WalError> {
        let bad = || WalError::BadLsn { text: text.to_owned() };
        let (high, low) = text.split_once('/').ok_or_else(bad)?;
        let half = |it: &str| hex32(it).ok_or_else(bad);
        Ok(Self((u64::from(half(high)?) << 32) | u64::from(half(low)?)))
    }
}

/// Reads one to eight hexadecimal digits and nothing else.
pub(super) fn hex32(text: &str) -> Option<u32> {
    let digits = (1..=8).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_hexdigit());
    if digits { u32::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_position_is_refused() {
        for text in ["", "/", "1/", "/1", "1", "+1/2", "1/-2", " 1/2", "1/2 ", "1/2/3", "0x1/2"] {
            assert!(text.parse::<Lsn>().is_err(), "{text:?}");
        }
        assert!("100000000/0".parse::<Lsn>().is_err(), "nine digits");
        assert!("1_0/0".parse::<Lsn>().is_err());
        assert!("٣/0".parse::<Lsn>().is_err());
        assert_eq!("FFFFFFFF/FFFFFFFF".parse::<Lsn>().unwrap(), Lsn::MAX);
    }

    #[test]
    fn a_boundary_belongs_to_the_segment_it_begins() {
        let lsn = Lsn::new(SegmentSize::DEFAULT.bytes());
        assert_eq!(
            (lsn.segment_number(SegmentSize::DEFAULT), lsn.offset(SegmentSize::DEFAULT)),
            (1, 0)
        );
    }

    proptest! {
        #[test]
        fn positions_survive_their_text(bytes: u64) {
            let lsn = Lsn::new(bytes);
            prop_assert_eq!(lsn.to_string().parse::<Lsn>().unwrap(), lsn);
            prop_assert_eq!(lsn.to_string().to_lowercase().parse::<Lsn>().unwrap(), lsn);
        }

        #[test]
        fn segment_and_offset_make_up_the_position(bytes: u64, exponent in 20u32..=30) {
            let size = SegmentSize::new(1 << exponent).unwrap();
            let lsn = Lsn::new(bytes);
            prop_assert_eq!(lsn.segment_number(size) * size.bytes() + lsn.offset(size), bytes);
        }

        #[test]
        fn distances_undo_sums(bytes in 0..u64::MAX / 2, more in 0..u64::MAX / 2) {
            let (a, b) = (Lsn::new(bytes), Lsn::new(bytes).checked_add(more).unwrap());
            prop_assert_eq!(b.distance_from(a), i128::from(more));
            prop_assert_eq!(a.distance_from(b), -i128::from(more));
            prop_assert_eq!(b.checked_sub(more), Some(a));
        }
    }
}
