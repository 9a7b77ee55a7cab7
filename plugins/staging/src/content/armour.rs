//! Reads encrypted files that are armoured: written as text between two lines.

use std::io::{self, BufRead, Read};

use base64::{Engine, engine::general_purpose::STANDARD};

/// What an armoured `OpenPGP` message is called.
pub(super) const OPENPGP: &str = "PGP MESSAGE";
/// What an armoured age file is called.
pub(super) const AGE: &str = "AGE ENCRYPTED FILE";

/// No line is longer, in bytes.
const LONGEST: u64 = 1000;

/// Returns what a file says that it is, if it begins as an armoured one.
pub(super) fn label(head: &[u8]) -> Option<&'static str> {
    [OPENPGP, AGE]
        .into_iter()
        .find(|it| head.starts_with(format!("-----BEGIN {it}-----").as_bytes()))
}

/// Returns the first `most` bytes of what an armoured file holds, or a few
/// more; `None` if there is anything else in it. It may be cut off.
///
/// # Errors
///
/// If it cannot be read.
pub(super) fn read(
    mut text: impl BufRead,
    label: &str,
    most: usize,
) -> io::Result<Option<Vec<u8>>> {
    let end = format!("-----END {label}-----");
    let mut place = Place::Before;
    let mut digits = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        text.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        let Some(next) = place.next(line.trim_ascii_end(), label, end.as_bytes()) else {
            return Ok(None);
        };
        place = next;
        if place == Place::Body && digits.len() / 4 * 3 < most {
            digits.extend_from_slice(line.trim_ascii_end());
        }
    }
    digits.truncate(digits.len() / 4 * 4);
    Ok(STANDARD.decode(digits).ok())
}

/// What the last line was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// There was none.
    Before,
    /// The first line, or one that says something about what follows.
    Head,
    /// The empty line after the head.
    Gap,
    /// A line of base64.
    Body,
    /// The checksum after the body.
    Checksum,
    /// The last line.
    End,
}

impl Place {
    /// Returns what a line is that follows; `None` if it may not follow.
    fn next(self, line: &[u8], label: &str, end: &[u8]) -> Option<Self> {
        let is_field = || line.windows(2).any(|it| it == b": ") && line.is_ascii();
        match self {
            Self::Before => Some(Self::Head),
            Self::Head if line.is_empty() => Some(Self::Gap),
            Self::Head if label == OPENPGP => is_field().then_some(Self::Head),
            Self::End => line.is_empty().then_some(Self::End),
            _ if line == end => Some(Self::End),
            Self::Body if line.len() == 5 && line[0] == b'=' => Some(Self::Checksum),
            Self::Head | Self::Gap | Self::Body => is_body(line).then_some(Self::Body),
            Self::Checksum => None,
        }
    }
}

fn is_body(line: &[u8]) -> bool {
    let text = line.trim_ascii_end();
    let digits = text.iter().rposition(|it| *it != b'=').map_or(0, |it| it + 1);
    let base64 = |it: &u8| it.is_ascii_alphanumeric() || b"+/".contains(it);
    (1..=96).contains(&digits) && text.len() - digits <= 2 && text[..digits].iter().all(base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(text: &str) -> Option<Vec<u8>> {
        let label = label(text.as_bytes())?;
        read(text.as_bytes(), label, 100).unwrap()
    }

    #[test]
    fn what_is_armoured_is_read_and_nothing_else_may_be_there() {
        const BEGIN: &str = "-----BEGIN PGP MESSAGE-----";
        const END: &str = "-----END PGP MESSAGE-----";
        const AGE: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
        let cases = [
            (format!("{BEGIN}\n\naGF5\n{END}\n"), Some(&b"hay"[..])),
            (format!("{BEGIN}\r\nVersion: 1\r\n\r\naGF5\r\n=abcd\r\n{END}\r\n\r\n"), Some(b"hay")),
            (format!("{AGE}\naGF5\n-----END AGE ENCRYPTED FILE-----"), Some(b"hay")),
            // A part of a file that was split.
            (format!("{BEGIN}\n\naGF5\naGF"), Some(b"hay")),
            (format!("{BEGIN}\n\naGF5\n{END}\nclear\n"), None),
            (format!("{BEGIN}\n\naGF5\nclear text\n{END}\n"), None),
            (format!("{BEGIN}\nclear text\n\naGF5\n{END}\n"), None),
            (format!("{BEGIN}\n\naGF5\n=abcd\naGF5\n{END}\n"), None),
            (format!("{BEGIN}\n\n{}\n{END}\n", "a".repeat(2000)), None),
            ("-----BEGIN PGP SIGNED MESSAGE-----\n\naGF5\n".to_owned(), None),
        ];
        for (text, expected) in cases {
            assert_eq!(inside(&text).as_deref(), expected, "{text}");
        }
    }
}
