//! Checksums that can be put together from those of parts.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

/// The checksums that stores keep of whole objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) crc64: u64,
    pub(crate) crc32c: u32,
    pub(crate) length: u64,
}

const CRC64: CrcAlgorithm = CrcAlgorithm::Crc64Nvme;
const CRC32C: CrcAlgorithm = CrcAlgorithm::Crc32Iscsi;

impl Sum {
    pub(crate) fn of(pieces: &[Bytes]) -> Self {
        let (mut long, mut short) = (Digest::new(CRC64), Digest::new(CRC32C));
        for piece in pieces {
            long.update(piece);
            short.update(piece);
        }
        let length = pieces.iter().map(|it| it.len() as u64).sum();
        Self { crc64: long.finalize(), crc32c: narrow(short.finalize()), length }
    }

    /// Returns the sum of what this one is about and then what `next` is about.
    pub(crate) fn then(self, next: Self) -> Self {
        let short = (u64::from(self.crc32c), u64::from(next.crc32c));
        Self {
            crc64: checksum_combine(CRC64, self.crc64, next.crc64, next.length),
            crc32c: narrow(checksum_combine(CRC32C, short.0, short.1, next.length)),
            length: self.length + next.length,
        }
    }
}

/// A checksum of 32 bits comes in the lower half.
fn narrow(crc: u64) -> u32 {
    u32::try_from(crc & u64::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_parts_make_the_sum_of_the_whole() {
        let content: Vec<u8> = (0..100_000_u32).map(|it| (it * 7 % 251) as u8).collect();
        let whole = Sum::of(&[content.clone().into()]);
        for cut in [0, 1, 4096, 99_999, 100_000] {
            let (a, b) = content.split_at(cut);
            let parts = Sum::of(&[a.to_vec().into()]).then(Sum::of(&[b.to_vec().into()]));
            assert_eq!(parts, whole, "{cut}");
        }
        let check = Sum::of(&[Bytes::from_static(b"1234"), Bytes::from_static(b"56789")]);
        assert_eq!((check.crc32c, check.crc64), (0xe306_9283, 0xae8b_1486_0a79_9888));
    }
}
