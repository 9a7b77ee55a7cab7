//! By what a message is known again.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Line ends at the end of a message beyond that are part of it.
const MOST_LINE_ENDS: usize = 64 << 10;

/// The first half of a SHA-256 of a message, without what programs change in
/// it and without the line ends at its end: those come with the next message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest([u8; 16]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|it| write!(f, "{it:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Digest {
    /// Reads it back as it is displayed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let mut bytes = [0; 16];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

/// Makes a [`Digest`] bit by bit.
#[derive(Clone, Default)]
pub(crate) struct Hasher {
    hash: Sha256,
    line_ends: Vec<u8>,
}

impl Hasher {
    /// Adds a piece of the message.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        let is_end = |it: &u8| matches!(it, b'\n' | b'\r');
        let text = piece.iter().rposition(|it| !is_end(it)).map_or(0, |it| it + 1);
        if text > 0 {
            self.hash.update(&self.line_ends);
            self.line_ends.clear();
            self.hash.update(&piece[..text]);
        }
        self.line_ends.extend_from_slice(&piece[text..]);
        if self.line_ends.len() > MOST_LINE_ENDS {
            self.hash.update(&self.line_ends);
            self.line_ends.clear();
        }
    }

    /// Returns the digest of everything that was added.
    pub(crate) fn finish(self) -> Digest {
        let whole = self.hash.finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        Digest(half)
    }
}

#[cfg(test)]
pub(crate) fn of(text: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.add(text);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn only_line_ends_at_the_end_do_not_matter() {
        assert_eq!(of(b"a\nb"), of(b"a\nb\r\n\n\n"));
        assert_ne!(of(b"a\nb"), of(b"a\n\nb"));
        assert_ne!(of(b"a"), of(b"\na"));
        assert_eq!(of(b""), of(b"\n"));
    }

    #[test]
    fn a_digest_is_read_back() {
        let it = of(b"x");
        assert_eq!(Digest::parse(&it.to_string()), Some(it));
        for bad in ["", "00", &"0".repeat(31), &"x".repeat(32), &"ä".repeat(16)] {
            assert_eq!(Digest::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_text_is_cut(text in "[ab\r\n]{0,40}", cut in 1_usize..9, more in any::<bool>()) {
            let mut hasher = Hasher::default();
            text.as_bytes().chunks(cut).for_each(|it| hasher.add(it));
            if more {
                hasher.add(b"\n");
            }
            prop_assert_eq!(hasher.finish(), of(text.as_bytes()));
        }
    }
}
