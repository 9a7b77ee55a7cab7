//! Paths as people see them.

use std::fmt::Write;

/// Returns a path on one line: a name cannot forge a line of a log or move a
/// terminal's cursor.
pub(crate) fn shown(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Returns a member's path on one line, absolute.
pub(crate) fn absolute(path: &[u8]) -> String {
    format!("/{}", shown(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(shown("/a\nb\u{1b}[2Jä".as_bytes()), "/a\\nb\\u{1b}[2Jä");
        assert_eq!(shown(b"/lat\xe9"), "/lat\\xe9");
    }
}
