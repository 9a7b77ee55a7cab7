//! Pages of relations, and their checksums.
//!
//! Source of the facts: `storage/checksum_impl.h` and `storage/bufpage.h` of
//! PostgreSQL 13 to 18.

use crate::wal::Lsn;

/// Bytes in a page, unless the server was built otherwise.
pub const PAGE: usize = 8192;
/// Where the checksum is.
const SUM_AT: usize = 8;
/// Where the header says where the free space ends; nothing does so in a page
/// that was never used.
const UPPER_AT: usize = 14;
/// How many sums are made side by side.
const LANES: usize = 32;
const PRIME: u32 = 16_777_619;
const BASE: [u32; LANES] = [
    0x5B1F_36E9,
    0xB852_5960,
    0x02AB_50AA,
    0x1DE6_6D2A,
    0x79FF_467A,
    0x9BB9_F8A3,
    0x217E_7CD2,
    0x83E1_3D2C,
    0xF8D4_474F,
    0xE39E_B970,
    0x42C6_AE16,
    0x9932_16FA,
    0x7B09_3B5D,
    0x98DA_FF3C,
    0xF718_902A,
    0x0B1C_9CDB,
    0xE58F_764B,
    0x1876_36BC,
    0x5D7B_3BB1,
    0xE73D_E7DE,
    0x92BE_C979,
    0xCCA6_C0B2,
    0x304A_0979,
    0x85AA_43D4,
    0x7831_25BB,
    0x6CA8_EAA2,
    0xE407_EAC6,
    0x4B5C_FC3E,
    0x9FBF_8C76,
    0x15CA_20BE,
    0xF2CA_9FD3,
    0x959B_D756,
];

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageState {
    /// It was never used.
    New,
    /// Its checksum is right.
    Good,
    /// Its checksum is wrong: it is damaged, or is being written.
    Wrong {
        /// The position that the page itself says it was last changed at.
        changed_at: Lsn,
    },
}

impl PageState {
    /// Judges a page of a relation of a cluster with checksums; `block` is its
    /// number in the whole fork, not in its file.
    pub fn of(page: &[u8], block: u32) -> Self {
        let half =
            |at: usize| page.get(at..at + 2).map_or(0, |it| u16::from_le_bytes([it[0], it[1]]));
        if half(UPPER_AT) == 0 && page.iter().all(|it| *it == 0) {
            return Self::New;
        }
        if checksum(page, block) == half(SUM_AT) {
            return Self::Good;
        }
        let word = |at: usize| u64::from(u32::from_le_bytes(array(page, at)));
        Self::Wrong { changed_at: Lsn::new(word(0) << 32 | word(4)) }
    }
}

/// Returns the checksum that a page should have.
pub fn checksum(page: &[u8], block: u32) -> u16 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "only here is it known what the processor can do")]
        // SAFETY: the processor has what the function needs.
        return unsafe { checksum_avx2(page, block) };
    }
    portable_checksum(page, block)
}

/// The same with wide registers: four times as fast, since SSE2 cannot multiply
/// 32-bit words.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn checksum_avx2(page: &[u8], block: u32) -> u16 {
    portable_checksum(page, block)
}

#[expect(clippy::inline_always, reason = "it is compiled for the processor of who calls it")]
#[inline(always)]
fn portable_checksum(page: &[u8], block: u32) -> u16 {
    let mut sums = BASE;
    for (at, row) in page.chunks_exact(LANES * 4).enumerate() {
        let mut words = [0_u32; LANES];
        for (word, bytes) in words.iter_mut().zip(row.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        if at == 0 {
            // The sum itself counts as nothing.
            words[SUM_AT / 4] &= 0xFFFF_0000;
        }
        mix(&mut sums, &words);
    }
    mix(&mut sums, &[0; LANES]);
    mix(&mut sums, &[0; LANES]);
    let folded = sums.iter().fold(0, |all, it| all ^ it) ^ block;
    u16::try_from(folded % 65_535 + 1).unwrap_or(u16::MAX)
}

#[expect(clippy::inline_always, reason = "it is compiled for the processor of who calls it")]
#[inline(always)]
fn mix(sums: &mut [u32; LANES], words: &[u32; LANES]) {
    for (sum, word) in sums.iter_mut().zip(words) {
        let mixed = *sum ^ word;
        *sum = mixed.wrapping_mul(PRIME) ^ (mixed >> 17);
    }
}

fn array(page: &[u8], at: usize) -> [u8; 4] {
    page.get(at..at + 4).and_then(|it| it.try_into().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(mut page: Vec<u8>, block: u32) -> Vec<u8> {
        let sum = checksum(&page, block);
        page[SUM_AT..SUM_AT + 2].copy_from_slice(&sum.to_le_bytes());
        page
    }

    #[test]
    fn a_page_that_was_never_used_has_no_checksum() {
        assert_eq!(PageState::of(&[0; PAGE], 7), PageState::New);
    }

    #[test]
    fn the_position_of_the_last_change_is_told() {
        let mut page = vec![1; PAGE];
        page[..8].copy_from_slice(&[1, 0, 0, 0, 0x28, 0, 0, 5]);
        let changed_at = Lsn::new(0x1_0500_0028);
        assert_eq!(PageState::of(&page, 0), PageState::Wrong { changed_at });
    }

    #[test]
    fn flipped_bits_and_a_page_in_another_place_are_found() {
        let mut state = 1_u64;
        let page = (0..PAGE).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u8::try_from(state >> 56).unwrap()
        });
        let page = signed(page.collect(), 131_073);
        assert_eq!(PageState::of(&page, 131_073), PageState::Good);
        assert_eq!(portable_checksum(&page, 131_073), checksum(&page, 131_073));
        assert_ne!(PageState::of(&page, 131_072), PageState::Good);
        for bit in (0..PAGE * 8).step_by(997) {
            let mut flipped = page.clone();
            flipped[bit / 8] ^= 1_u8 << (bit % 8);
            assert_ne!(PageState::of(&flipped, 131_073), PageState::Good, "{bit}");
        }
    }
}
