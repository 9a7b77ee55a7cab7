//! Archives as PostgreSQL writes them: the plain format `ustar`.

use std::io::{self, Read};

const BLOCK: usize = 512;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A link.
    Link,
}

/// What is known of a member; its content follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Its path.
    pub(super) name: String,
    /// What it is.
    pub(super) kind: Kind,
    /// Its bytes.
    pub(super) size: u64,
    /// The permission bits.
    pub(super) mode: u32,
    /// When it was changed last, in seconds since 1970.
    pub(super) modified: i64,
}

/// Reads the next header; `None` at the end of the archive.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] for what is none, and those of `from`.
pub(super) fn next(from: &mut impl Read) -> io::Result<Option<Header>> {
    let mut block = [0; BLOCK];
    match from.read_exact(&mut block) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    if block.iter().all(|it| *it == 0) {
        return Ok(None);
    }
    parse(&block).map(Some).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the server sent a damaged archive")
    })
}

/// Returns how many bytes follow a content of that size, to fill a block.
pub(super) fn padding(size: u64) -> u64 {
    let over = size % BLOCK as u64;
    if over == 0 { 0 } else { BLOCK as u64 - over }
}

fn parse(block: &[u8; BLOCK]) -> Option<Header> {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
        .sum();
    if number(&block[148..156])? != sum {
        return None;
    }
    let (name, prefix) = (text(&block[..100])?, text(&block[345..500])?);
    let kind = match block[156] {
        b'0' | 0 => Kind::File,
        b'5' => Kind::Directory,
        b'1' | b'2' => Kind::Link,
        _ => return None,
    };
    let size = if kind == Kind::File { number(&block[124..136])? } else { 0 };
    Some(Header {
        name: if prefix.is_empty() { name } else { format!("{prefix}/{name}") },
        kind,
        size,
        mode: u32::try_from(number(&block[100..108])? & 0o7777).ok()?,
        modified: i64::try_from(number(&block[136..148])?).ok()?,
    })
}

fn text(field: &[u8]) -> Option<String> {
    let end = field.iter().position(|it| *it == 0).unwrap_or(field.len());
    String::from_utf8(field[..end].to_vec()).ok()
}

/// Octal digits, or, behind a byte with the highest bit, a number of bytes.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        return rest.iter().try_fold(u64::from(first & 0x7F), |sum, it| {
            sum.checked_mul(256)?.checked_add(u64::from(*it))
        });
    }
    let digits = str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(name: &str, size: &str, kind: u8) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0100600");
        block[124..124 + size.len()].copy_from_slice(size.as_bytes());
        block[136..147].copy_from_slice(b"15000000000");
        block[156] = kind;
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|it| u64::from(*it)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    #[test]
    fn members_are_read() {
        let file = next(&mut &member("base/1/112", "00000020000", b'0')[..]).unwrap().unwrap();
        assert_eq!((file.name.as_str(), file.size, file.mode), ("base/1/112", 8192, 0o600));
        assert_eq!(next(&mut &[0; BLOCK][..]).unwrap(), None);
        assert_eq!((padding(0), padding(512), padding(513)), (0, 0, 511));
        let mut damaged = member("x", "1", b'0');
        damaged[0] = b'y';
        assert!(next(&mut &damaged[..]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = next(&mut &bytes[..]);
        }
    }
}
