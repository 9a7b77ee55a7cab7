//! Text that may be in any encoding, or in none.
//!
//! Paths are bytes, and names that all databases share are in the encoding of
//! the database in which they were made. Sent as text, they would be converted
//! from the encoding of the database that we are in, which fails if they are
//! not in it; so they are asked for in hexadecimal digits.

use std::fmt::Write as _;

/// The SQL for the bytes of a text, as hexadecimal digits.
pub(super) fn as_hex(text: &str) -> String {
    let doubled = format!(
        "pg_catalog.replace({text}, pg_catalog.chr(92), pg_catalog.repeat(pg_catalog.chr(92), 2))"
    );
    format!("pg_catalog.encode({doubled}::pg_catalog.bytea, 'hex')")
}

/// Reads hexadecimal digits; nothing for what is none.
pub(super) fn of_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let digits = str::from_utf8(pair).ok()?;
        let whole = digits.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
        if whole { u8::from_str_radix(digits, 16).ok() } else { None }
    });
    pairs.collect()
}

/// Returns bytes as text: those that are no UTF-8 as `\xe9`.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_were_sent() {
        let cases = [
            ("", Some(&b""[..])),
            ("6c61", Some(b"la")),
            ("e9ff", Some(b"\xe9\xff")),
            ("6", None),
            ("6g", None),
            ("+6", None),
            ("é", None),
        ];
        for (digits, expected) in cases {
            assert_eq!(of_hex(digits).as_deref(), expected, "{digits}");
        }
    }

    #[test]
    fn what_is_no_text_is_shown_all_the_same() {
        let cases = [(&b"/a"[..], "/a"), ("/é".as_bytes(), "/é"), (b"/lat\xe9n", "/lat\\xe9n")];
        for (bytes, expected) in cases {
            assert_eq!(shown(bytes), expected);
        }
    }
}
