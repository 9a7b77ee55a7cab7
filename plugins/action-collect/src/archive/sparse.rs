//! The map of a sparse file, GNU's format 1.0: decimal numbers, a line each,
//! in front of the data, filled up to a whole block.

use std::io::{self, Read};

use super::{ArchiveError, Segment, writer::BLOCK};

/// No file has more pieces than this; a map that says so is damaged.
const MOST: u64 = 1 << 26;

/// Returns the map of a file of `size` bytes. GNU tar wants a last segment
/// that ends where the file does.
pub(super) fn map(segments: &[Segment], size: u64) -> Vec<u8> {
    let ends = segments.last().is_some_and(|it| it.offset + it.length == size);
    let last = (!ends).then_some(Segment { offset: size, length: 0 });
    let mut out = format!("{}\n", segments.len() + usize::from(!ends)).into_bytes();
    for Segment { offset, length } in segments.iter().chain(&last) {
        out.extend_from_slice(format!("{offset}\n{length}\n").as_bytes());
    }
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

/// Reads a map from the start of a member's data; returns it with the number
/// of bytes it took.
pub(super) fn read(data: &mut impl Read, size: u64) -> Result<(Vec<Segment>, u64), ArchiveError> {
    let mut lines = Lines { data, block: [0; BLOCK], used: BLOCK, taken: 0 };
    let count = lines.number()?;
    if count > MOST {
        return Err(ArchiveError::damaged("a sparse file has too many pieces"));
    }
    let mut segments: Vec<Segment> = Vec::new();
    let mut end = 0;
    for _ in 0..count {
        let (offset, length) = (lines.number()?, lines.number()?);
        let next = offset.checked_add(length).filter(|&it| offset >= end && it <= size);
        end = next.ok_or_else(|| ArchiveError::damaged("a sparse file's map is wrong"))?;
        if length > 0 {
            segments.push(Segment { offset, length });
        }
    }
    Ok((segments, lines.taken))
}

struct Lines<'a, R> {
    data: &'a mut R,
    block: [u8; BLOCK],
    used: usize,
    taken: u64,
}

impl<R: Read> Lines<'_, R> {
    fn byte(&mut self) -> io::Result<u8> {
        if self.used == BLOCK {
            self.data.read_exact(&mut self.block)?;
            self.used = 0;
            self.taken += BLOCK as u64;
        }
        self.used += 1;
        Ok(self.block[self.used - 1])
    }

    fn number(&mut self) -> Result<u64, ArchiveError> {
        let mut value: Option<u64> = None;
        loop {
            let byte = self.byte()?;
            if byte == b'\n'
                && let Some(value) = value
            {
                return Ok(value);
            }
            value = byte
                .is_ascii_digit()
                .then(|| value.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(byte - b'0')))
                .flatten();
            if value.is_none() {
                return Err(ArchiveError::damaged("a sparse file's map is no list of numbers"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn a_file_that_is_one_hole_has_a_map() {
        let map = map(&[], 10_000);
        assert!(map.starts_with(b"1\n10000\n0\n\0"), "{map:?}");
        assert_eq!(read(&mut map.as_slice(), 10_000).unwrap(), (vec![], 512));
    }

    proptest! {
        #[test]
        fn a_map_survives(pieces in vec((0u64..1 << 40, 1u64..1 << 40), 0..200)) {
            let mut end = 0;
            let segments: Vec<_> = pieces
                .iter()
                .map(|&(gap, length)| {
                    let offset = end + gap;
                    end = offset + length;
                    Segment { offset, length }
                })
                .collect();
            let bytes = map(&segments, end + 7);
            let taken = bytes.len() as u64;
            prop_assert_eq!(read(&mut bytes.as_slice(), end + 7).unwrap(), (segments, taken));
        }

        #[test]
        fn any_bytes_are_a_map_or_not(data in vec(any::<u8>(), 0..1200), size in any::<u64>()) {
            let _ = read(&mut data.as_slice(), size);
        }
    }
}
