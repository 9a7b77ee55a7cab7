//! Text that people read, the same in all plugins.

use std::fmt::Write;

/// Returns a number of bytes with a unit, in powers of 1000: `17 bytes`,
/// `3.1 MB`.
///
/// ```
/// assert_eq!(hayloft_plugin_api::text::size(12_345_678), "12.3 MB");
/// ```
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Returns a name or path on one line: it cannot forge a line of a log or move
/// a terminal's cursor. Control characters are escaped as in Rust, bytes that
/// are not UTF-8 are `\xe9`.
///
/// ```
/// assert_eq!(hayloft_plugin_api::text::one_line("a\nb"), "a\\nb");
/// ```
pub fn one_line(name: impl AsRef<[u8]>) -> String {
    let name = name.as_ref();
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
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
    fn sizes_have_one_digit_behind_the_point() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (1_250_000_000, "1.2 GB"),
            (1_530_000_000, "1.5 GB"),
            (12_345_678_901, "12.3 GB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(one_line("/a\nb\u{1b}[2Jä"), "/a\\nb\\u{1b}[2Jä");
        assert_eq!(one_line("it's\none"), "it's\\none");
        assert_eq!(one_line(b"/lat\xe9"), "/lat\\xe9");
    }
}
