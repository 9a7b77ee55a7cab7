//! What a dump begins and ends with.

use std::collections::VecDeque;

/// How much of the beginning is kept, in bytes.
const HEAD: usize = 64;
/// How much of the end is kept, in bytes: the last line of a complete dump
/// is followed by little more.
const TAIL: usize = 1024;

/// Watches a stream pass.
#[derive(Debug, Default)]
pub struct Watch {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    bytes: u64,
}

impl Watch {
    /// Looks at the next piece of the stream.
    pub fn see(&mut self, piece: &[u8]) {
        let missing = HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(&piece[..missing.min(piece.len())]);
        let last = &piece[piece.len().saturating_sub(TAIL)..];
        let excess = (self.tail.len() + last.len()).saturating_sub(TAIL);
        self.tail.drain(..excess.min(self.tail.len()));
        self.tail.extend(last);
        self.bytes += piece.len() as u64;
    }

    /// Returns the number of bytes seen.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tells whether the stream began with `text`, of at most 64 bytes.
    pub fn begins_with(&self, text: &[u8]) -> bool {
        self.head.starts_with(text)
    }

    /// Tells whether `text` is among the last 1024 bytes.
    pub fn ends_around(&self, text: &[u8]) -> bool {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        tail.windows(text.len().max(1)).any(|it| it == text)
    }

    /// Tells whether the last line that is not empty begins with `text`; of a
    /// line of more than 1024 bytes the beginning is not known.
    pub fn last_line_begins_with(&self, text: &[u8]) -> bool {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let last = tail.trim_ascii_end();
        let begin = last.iter().rposition(|it| *it == b'\n').map(|it| it + 1);
        let whole = if self.bytes > TAIL as u64 { None } else { Some(0) };
        begin.or(whole).is_some_and(|it| last[it..].starts_with(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn the_last_line_is_found() {
        let long = format!("END{}", "x".repeat(1021));
        let longer = format!("x{long}");
        let cases = [
            ("", false),
            ("END", true),
            ("x\nEND of it\n\n", true),
            ("END\nx\n", false),
            ("x END\n", false),
            (&long, true),
            (&longer, false),
        ];
        for (text, expected) in cases {
            let mut watch = Watch::default();
            watch.see(text.as_bytes());
            assert_eq!(watch.last_line_begins_with(b"END"), expected, "{text:.20}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_stream_is_cut(
            before in 0_usize..3000, cut in 1_usize..2000, rest in any::<bool>(),
        ) {
            let mut text = b"HEAD".to_vec();
            text.extend(vec![b'x'; before]);
            text.extend_from_slice(b"\n-- the end\n");
            if rest {
                text.extend_from_slice(&[b'y'; 1025]);
            }
            let mut watch = Watch::default();
            text.chunks(cut).for_each(|piece| watch.see(piece));
            prop_assert_eq!(watch.ends_around(b"\n-- the end\n"), !rest);
            prop_assert_eq!(watch.begins_with(b"HEAD"), true);
            prop_assert_eq!(watch.bytes(), text.len() as u64);
        }
    }
}
