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
    memo: HashMap<u64, Vec<u8>>,
    /// A key, or a key and its value.
    pending: Vec<Vec<u8>>,
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
                let text = unescape(self.line()?)?;
                self.push(text)?;
            }
            b'p' => {
                let number = self.number()?;
                // The first one is the dictionary itself.
                if let Some(text) = self.pending.last() {
                    self.memo.insert(number, text.clone());
                }
            }
            b'g' => {
                let number = self.number()?;
                let text = self.memo.get(&number)?.clone();
                self.push(text)?;
            }
            b's' => {
                let (value, key) = (self.pending.pop()?, self.pending.pop()?);
                found.insert(key, sha1(&value)?);
            }
            b'.' => return self.pending.is_empty().then_some(true),
            _ => return None,
        }
        Some(false)
    }

    fn push(&mut self, text: Vec<u8>) -> Option<()> {
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
            (b"(dp0\nV\\u12\n", 5),
            (b"(dp0\ng7\n", 5),
            (b"(dp0\n.x", 6),
            (b"\x80\x04}.", 1),
        ];
        for &(data, position) in cases {
            let shown = String::from_utf8_lossy(data);
            assert_eq!(read_cedar_digest(data), Err(CedarDigest { position }), "{shown:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_digest_or_not(data in vec(any::<u8>(), 0..200)) {
            let _ = read_cedar_digest(&data);
            let _ = read_cedar_digest(&[b"(dp0\n".as_slice(), &data].concat());
        }

        #[test]
        fn a_path_of_any_bytes_survives(path in "[^\n\\\\\u{0}]{1,30}") {
            // As Python writes it: Latin-1 as it is, everything else escaped.
            let mut text = b"(dp0\nV".to_vec();
            for c in path.chars() {
                match u32::from(c) {
                    it if it < 256 => text.push(it.to_le_bytes()[0]),
                    it if it < 0x10000 => text.extend(format!("\\u{it:04x}").bytes()),
                    it => text.extend(format!("\\U{it:08x}").bytes()),
                }
            }
            text.extend(format!("\nV{A}\ns.").bytes());
            prop_assert!(read_cedar_digest(&text).unwrap().contains_key(path.as_bytes()));
        }
    }
}
