//! Cedar Backup's state of an increment, read once when there is none of ours.
//!
//! It is a pickle, protocol 0, of a dictionary from path to SHA-1. A pickle
//! can run programs; this reader knows the five instructions that such a
//! dictionary needs and refuses every other.

use std::collections::HashMap;

use thiserror::Error;

/// Why a digest file cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not a Cedar Backup digest file (at byte {position})")]
pub struct CedarDigest {
    /// Where it is not as it must be.
    pub position: usize,
}

/// Reads a digest file: absolute paths, and the SHA-1 of each.
///
/// # Errors
///
/// [`CedarDigest`] if there is anything in it that such a file does not have.
pub fn read_cedar_digest(data: &[u8]) -> Result<HashMap<Vec<u8>, [u8; 20]>, CedarDigest> {
    let mut parser = Parser { data, position: 0, memo: HashMap::new(), pending: Vec::new() };
    let mut found = HashMap::new();
    parser.run(&mut found).ok_or(CedarDigest { position: parser.position }).map(|()| found)
}

struct Parser<'a> {
    data: &'a [u8],
    position: usize,
    /// What was remembered under a number, as it stands in the data.
    memo: HashMap<u64, &'a [u8]>,
    /// A key, or a key and its value, as they stand in the data.
    pending: Vec<&'a [u8]>,
}

impl<'a> Parser<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.data[self.position..];
        let end = rest.iter().position(|&b| b == b'\n')?;
        self.position += end + 1;
        Some(&rest[..end])
    }

    fn number(&mut self) -> Option<u64> {
        std::str::from_utf8(self.line()?).ok()?.parse().ok()
    }

    fn run(&mut self, found: &mut HashMap<Vec<u8>, [u8; 20]>) -> Option<()> {
        for expected in *b"(d" {
            (self.byte()? == expected).then_some(())?;
        }
        loop {
            let start = self.position;
            let done = self.instruction(found);
            if done.is_none() {
                self.position = start;
            }
            if done? {
                return (self.position == self.data.len()).then_some(());
            }
        }
    }

    /// Follows one instruction; tells whether it was the last.
    fn instruction(&mut self, found: &mut HashMap<Vec<u8>, [u8; 20]>) -> Option<bool> {
        match self.byte()? {
            b'V' => {
                let text = self.line()?;
                self.push(text)?;
            }
            b'p' => {
                let number = self.number()?;
                // The first one is the dictionary itself.
                if let Some(text) = self.pending.last() {
                    self.memo.insert(number, text);
                }
            }
            b'g' => {
                let number = self.number()?;
                let text = self.memo.get(&number).copied()?;
                self.push(text)?;
            }
            b's' => {
                let (value, key) = (self.pending.pop()?, self.pending.pop()?);
                found.insert(unescape(key)?, sha1(value)?);
            }
            b'.' => return self.pending.is_empty().then_some(true),
            _ => return None,
        }
        Some(false)
    }

    fn push(&mut self, text: &'a [u8]) -> Option<()> {
        self.pending.push(text);
        (self.pending.len() <= 2).then_some(())
    }
}

fn sha1(hex: &[u8]) -> Option<[u8; 20]> {
    let mut out = [0; 20];
    let (pairs, []) = hex.as_chunks::<2>() else { return None };
    if pairs.len() != out.len() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(pairs) {
        let digits = std::str::from_utf8(pair).ok().filter(|it| !it.starts_with('+'))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(out)
}

/// Turns the text of a pickle into the bytes of a path: `\uXXXX` and
/// `\UXXXXXXXX` are characters, every other byte is one of Latin-1; a lone
/// surrogate stands for a byte that is not UTF-8.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = match (byte, tail.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0,
        };
        let code = if digits == 0 {
            rest = tail;
            u32::from(byte)
        } else {
            let hex = std::str::from_utf8(tail.get(1..=digits)?).ok()?;
            rest = &tail[digits + 1..];
            u32::from_str_radix(hex, 16).ok()?
        };
        if (0xdc80..=0xdcff).contains(&code) {
            out.push(code.to_le_bytes()[0]);
        } else {
            out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const A: &str = "e2ac62c6ae7e52781e5f48486ee98f83e224ab25";

    #[test]
    fn a_digest_file_is_read() {
        let text = format!(
            "(dp0\nV/srv/caf\u{e9}\np1\nV{A}\np2\nsV/l\\udce9.txt\np3\nV{A}\np4\ns\
             V/new\\u000aline\\u005c\np5\ng4\nsV/\\U0001f600\\u20ac\nV{A}\ns."
        );
        // The file is Latin-1 outside of its escapes.
        let bytes: Vec<u8> = text.chars().map(|it| u8::try_from(it).unwrap()).collect();
        let found = read_cedar_digest(&bytes).unwrap();
        assert_eq!(found.len(), 4);
        for path in ["/srv/caf\u{e9}".as_bytes(), b"/l\xe9.txt", b"/new\nline\\", "/😀€".as_bytes()]
        {
            assert_eq!(found[path][..2], [0xe2, 0xac], "{path:?}");
        }
    }

    #[test]
    fn an_empty_one_too() {
        assert!(read_cedar_digest(b"(dp0\n.").unwrap().is_empty());
    }

    #[test]
    fn nothing_else_is_taken() {
        let cases: &[(&[u8], usize)] = &[
            (b"", 0),
            (b"(dp0\n", 5),
            (b"cos\nsystem\n(S'true'\ntR.", 1),
            (b"(dp0\ncos\nsystem\n", 5),
            (b"(dp0\nV/a\nVshort\ns.", 16),
            (b"(dp0\nV/a\nV/b\nV/c\n", 13),
            (b"(dp0\nV\\u12\nVe2ac62c6ae7e52781e5f48486ee98f83e224ab25\ns.", 53),
            (b"(dp0\nV\\ud800\nVe2ac62c6ae7e52781e5f48486ee98f83e224ab25\ns.", 55),
            (b"(dp0\nV/a\nVE2AC62C6AE7E52781E5F48486EE98F83E224AB2+\ns.", 51),
            (b"(dp0\nV/a\np18446744073709551616\n", 9),
            (b"(dp0\nV/a\np1\nI1\ns.", 12),
            (b"(dp0\nV/a\n(lp1\ns.", 9),
            (b"(dp0\nc__builtin__\neval\np1\n(V1\ntp2\nRp3\n.", 5),
            (b"(dp0\n(iposix\nsystem\n.", 5),
            (b"(dp0\n\x8c\x02/a\n.", 5),
            (b"(dp0\ng7\n", 5),
            (b"(dp0\n.x", 6),
            (b"\x80\x04}.", 1),
        ];
        for &(data, position) in cases {
            let shown = String::from_utf8_lossy(data);
            assert_eq!(read_cedar_digest(data), Err(CedarDigest { position }), "{shown:?}");
        }
    }

    #[test]
    fn real_ones_are_read() {
        let odd = read_cedar_digest(include_bytes!("../../tests/fixtures/odd-names.sha")).unwrap();
        let names: &[&[u8]] = &[
            b"plain",
            "caf\u{e9}".as_bytes(),
            "\u{20ac}uro".as_bytes(),
            "😀 smile".as_bytes(),
            b"new\nline",
            b"tab\there",
            b"cr\rhere",
            b"sub\x1achar",
            b"lat\xe9.txt",
            b"\xff\xfe",
            b"mix \xc3\xa9\xe9",
            b"end ",
            b"quote'\"",
            b"esc\x1b[31m",
            b"\x7f",
            b"\xc2\x85nel",
            "\u{2028}ls".as_bytes(),
            b"V",
            b"p1",
            b"(dp0",
            b"\xed\xa0\x80",
            b"empty",
            b"sub/deep/same1",
            b"sub/deep/same2",
        ];
        assert_eq!(odd.len(), names.len());
        for name in names {
            let path = [b"/srv/cedar/odd/", *name].concat();
            assert!(odd.contains_key(&path), "{}", String::from_utf8_lossy(name));
        }
        assert_eq!(odd[b"/srv/cedar/odd/empty".as_slice()][..2], [0xda, 0x39]);

        let many =
            read_cedar_digest(include_bytes!("../../tests/fixtures/many-files.sha")).unwrap();
        assert_eq!(many.len(), 1500);
        let path = b"/srv/cedar/many/49/file-01499.dat".as_slice();
        assert_eq!(many[path], sha1_of(b"1499"));
    }

    fn sha1_of(content: &[u8]) -> [u8; 20] {
        use sha1::Digest as _;
        sha1::Sha1::digest(content).into()
    }

    /// Writes a path as Python does: bytes that are not UTF-8 become lone
    /// surrogates; Latin-1 stays as it is but for what would end the line.
    fn escaped(path: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for chunk in path.utf8_chunks() {
            for c in chunk.valid().chars() {
                match (c, u32::from(c)) {
                    ('\0' | '\n' | '\r' | '\x1a' | '\\', it) => {
                        text.extend(format!("\\u{it:04x}").bytes());
                    }
                    (_, it) if it < 256 => text.push(it.to_le_bytes()[0]),
                    (_, it) if it < 0x10000 => text.extend(format!("\\u{it:04x}").bytes()),
                    (_, it) => text.extend(format!("\\U{it:08x}").bytes()),
                }
            }
            for byte in chunk.invalid() {
                text.extend(format!("\\udc{byte:02x}").bytes());
            }
        }
        text
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_digest_or_not(data in vec(any::<u8>(), 0..200)) {
            let _ = read_cedar_digest(&data);
            let _ = read_cedar_digest(&[b"(dp0\n".as_slice(), &data].concat());
        }

        #[test]
        fn any_cut_or_changed_byte_of_a_real_one_does_no_harm(at in 0..1835usize, byte: u8) {
            let real = include_bytes!("../../tests/fixtures/odd-names.sha");
            let cut = read_cedar_digest(&real[..at.min(real.len() - 1)]);
            prop_assert!(cut.is_err());
            let mut changed = real.to_vec();
            let at = at.min(real.len() - 1);
            changed[at] = byte;
            let _ = read_cedar_digest(&changed);
        }

        #[test]
        fn paths_of_any_bytes_survive(
            files in proptest::collection::hash_map(vec(any::<u8>(), 1..30), any::<[u8; 20]>(), 0..8),
            memo: bool,
        ) {
            let mut text = b"(dp0\n".to_vec();
            for (n, (path, sha1)) in files.iter().enumerate() {
                let put = |it: usize| if memo { format!("p{it}\n") } else { String::new() };
                let hex = sha1.iter().map(|it| format!("{it:02x}")).collect::<Vec<_>>().concat();
                text.push(b'V');
                text.extend(escaped(path));
                text.extend(format!("\n{}V{hex}\n{}s", put(2 * n + 1), put(2 * n + 2)).bytes());
            }
            text.push(b'.');
            prop_assert_eq!(read_cedar_digest(&text).unwrap(), files);
        }
    }
}
