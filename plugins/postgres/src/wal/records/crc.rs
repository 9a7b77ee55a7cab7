//! CRC-32C, as records of WAL have it.

use crc_fast::{CrcAlgorithm::Crc32Iscsi, Digest, checksum_combine};

/// The checksum of some bytes; to begin with, of none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Crc(u32);

impl Crc {
    /// Returns the checksum of those bytes with these behind them.
    #[must_use]
    pub(super) fn then(self, bytes: &[u8]) -> Self {
        // The state is the checksum before its bits are turned.
        let mut digest = Digest::new_with_init_state(Crc32Iscsi, u64::from(!self.0));
        digest.update(bytes);
        Self::of(digest.finalize())
    }

    /// Returns the checksum of those bytes with others behind them, of which
    /// only the checksum and the number are known.
    #[must_use]
    pub(super) fn with(self, behind: Self, length: u64) -> Self {
        if length == 0 {
            return self;
        }
        Self::of(checksum_combine(Crc32Iscsi, self.0.into(), behind.0.into(), length))
    }

    /// Returns it as a record has it.
    pub(super) fn value(self) -> u32 {
        self.0
    }

    fn of(value: u64) -> Self {
        // It has 32 bits.
        Self(u32::try_from(value).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(Crc::default().then(b"123456789").value(), 0xE306_9283);
        assert_eq!(Crc::default().then(&[0; 32]).value(), 0x8A91_36AA);
    }

    proptest! {
        #[test]
        fn parts_make_a_whole(one: Vec<u8>, two: Vec<u8>) {
            let whole = Crc::default().then(&[one.as_slice(), &two].concat());
            prop_assert_eq!(Crc::default().then(&one).then(&two), whole);
            let behind = Crc::default().then(&two);
            prop_assert_eq!(Crc::default().then(&one).with(behind, two.len() as u64), whole);
        }
    }
}
