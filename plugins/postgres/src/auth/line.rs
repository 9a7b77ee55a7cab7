//! From lines of a file to lines as the server sees them.

use std::ops::Range;

/// A line as the server sees it: continuation lines are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logical {
    /// The lines of the file that it is made of, counted from 0.
    pub(crate) lines: Range<usize>,
    /// What the server reads, without line ends and continuation marks.
    pub(crate) text: Vec<u8>,
    /// Where in the content each byte of `text` is, and where the text ends.
    pub(crate) offsets: Vec<usize>,
}

/// Joins the lines of a content. A backslash at the end of a line continues
/// it (from 14 on), in comments too.
pub(crate) fn logical(content: &[u8], major: u32) -> Vec<Logical> {
    let mut all = Vec::new();
    let mut current = Logical { lines: 0..0, text: Vec::new(), offsets: Vec::new() };
    let (mut start, mut last_mark) = (0, 0);
    for (number, line) in content.split_inclusive(|it| *it == b'\n').enumerate() {
        // The server's text ends at a zero byte.
        let shown = line.split(|it| *it == 0).next().unwrap_or_default();
        current.text.extend(shown);
        current.offsets.extend(start..start + shown.len());
        start += line.len();
        while matches!(current.text.last(), Some(b'\n' | b'\r')) {
            current.text.pop();
            current.offsets.pop();
        }
        current.lines.end = number + 1;
        if major >= 14 && current.text.len() > last_mark && current.text.last() == Some(&b'\\') {
            current.text.pop();
            current.offsets.pop();
            last_mark = current.text.len();
            continue;
        }
        let next = Logical { lines: number + 1..number + 1, text: Vec::new(), offsets: Vec::new() };
        all.push(std::mem::replace(&mut current, next));
        last_mark = 0;
    }
    if !current.lines.is_empty() {
        all.push(current);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(content: &str, major: u32) -> Vec<(usize, String)> {
        let lines = logical(content.as_bytes(), major).into_iter();
        lines.map(|it| (it.lines.start + 1, String::from_utf8(it.text).unwrap())).collect()
    }

    #[test]
    fn lines_continue_behind_a_backslash() {
        let cases: [(&str, &[(usize, &str)]); 7] = [
            ("al\\\nl\nx", &[(1, "all"), (3, "x")]),
            ("trust\\\\\n\n", &[(1, "trust\\")]),
            ("trust\\ \nx\n", &[(1, "trust\\ "), (2, "x")]),
            ("# c \\\nrule\nx\n", &[(1, "# c rule"), (3, "x")]),
            ("a\r\nb\\\r\nc", &[(1, "a"), (2, "bc")]),
            ("a\\", &[(1, "a")]),
            ("", &[]),
        ];
        for (content, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|it| (it.0, it.1.to_owned())).collect();
            assert_eq!(texts(content, 15), expected, "{content:?}");
        }
        assert_eq!(texts("a\\\nb", 13).len(), 2);
    }

    #[test]
    fn every_byte_knows_where_it_is() {
        let content = b"ab\\\r\ncd\r\ne";
        for line in logical(content, 15) {
            for (byte, offset) in line.text.iter().zip(&line.offsets) {
                assert_eq!(content[*offset], *byte);
            }
        }
    }
}
