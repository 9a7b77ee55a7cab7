//! What an edit changes, for people to read.

use similar::TextDiff;

/// Returns the difference between two contents of a file in the unified
/// format, with three lines around; empty if they are the same. Any bytes
/// will do, and `patch` takes the result.
pub(crate) fn unified(name: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    if old == new {
        return Vec::new();
    }
    let diff = TextDiff::from_lines(old, new);
    let mut text = [b"--- ", name, b"\n+++ ", name, b"\n"].concat();
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        // Writing to memory cannot fail.
        let _ = hunk.to_writer(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_shows_any_bytes() {
        let diff = unified(b"a.conf", b"1\n2\xff\n3", b"1\n2\xfe\r\n3");
        assert_eq!(
            diff,
            b"--- a.conf\n+++ a.conf\n@@ -1,3 +1,3 @@\n 1\n-2\xff\n+2\xfe\r\n 3\n\\ No newline at end of file\n"
        );
        assert!(unified(b"a", b"x", b"x").is_empty());
    }
}
