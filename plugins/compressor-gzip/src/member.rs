//! What a gzip member looks like, RFC 1952.

use std::io::Write;

/// The length of a header without optional fields.
const PLAIN_HEADER: usize = 10;
/// The header's flag for an extra field.
const HAS_EXTRA: u8 = 4;
/// Our extra field of members that are not the last one: its length, and in
/// it one subfield, `HL`, with nothing in it. Readers pass over subfields
/// that they do not know.
const MORE_FOLLOW: [u8; 6] = [4, 0, b'H', b'L', 0, 0];
/// How much of a member must be known to tell whether more follow.
pub(crate) const HEAD: usize = PLAIN_HEADER + MORE_FOLLOW.len();

/// Writes a header: no name, no time, made on Unix.
pub(crate) fn write_header(out: &mut Vec<u8>, more_follow: bool) {
    let flags = if more_follow { HAS_EXTRA } else { 0 };
    out.extend_from_slice(&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]);
    if more_follow {
        out.extend_from_slice(&MORE_FOLLOW);
    }
}

/// Writes what comes after the compressed data.
pub(crate) fn write_trailer(out: &mut Vec<u8>, content: &[u8]) -> std::io::Result<()> {
    out.write_all(&libdeflater::crc32(content).to_le_bytes())?;
    // The length modulo 2^32: its lowest four bytes.
    out.write_all(&content.len().to_le_bytes()[..4])
}

/// Tells whether a member that begins like this is one of several. Only our
/// own encoder says so; of other members nobody knows.
pub(crate) fn more_follow(head: &[u8]) -> bool {
    head.len() >= HEAD && head[3] & HAS_EXTRA != 0 && head[PLAIN_HEADER..HEAD] == MORE_FOLLOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_found_where_it_was_written_and_nowhere_else() {
        let (mut marked, mut plain) = (Vec::new(), Vec::new());
        write_header(&mut marked, true);
        write_header(&mut plain, false);
        assert!(more_follow(&marked));
        assert!(!more_follow(&plain));
        assert!(!more_follow(&marked[..HEAD - 1]));
        plain.extend_from_slice(&MORE_FOLLOW);
        assert!(!more_follow(&plain), "compressed data that looks like the mark");
    }
}
