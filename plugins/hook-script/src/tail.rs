//! What a program writes: every line to the log, the last ones kept.

use std::collections::VecDeque;

/// How many lines are kept, as many as Cedar Backup shows.
const LINES: usize = 10;
/// Where a line is cut, in bytes.
const LONGEST_LINE: usize = 4 << 10;

/// The last lines. Memory does not depend on how much is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    /// The line that is not complete yet.
    current: Vec<u8>,
}

impl Tail {
    /// Takes what was written, in any encoding.
    pub(crate) fn push(&mut self, bytes: &[u8], mut log: impl FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(&mut log),
                byte if self.current.len() < LONGEST_LINE => self.current.push(*byte),
                _ => {}
            }
        }
    }

    /// Ends a last line without a line break.
    pub(crate) fn finish(&mut self, mut log: impl FnMut(&str)) {
        if !self.current.is_empty() {
            self.end_line(&mut log);
        }
    }

    fn end_line(&mut self, log: &mut impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.current).trim_end().to_owned();
        self.current.clear();
        if line.is_empty() {
            return;
        }
        log(&line);
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Returns the last lines, oldest first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_lines_are_kept_and_all_are_logged() {
        let (mut tail, mut logged) = (Tail::default(), Vec::new());
        let written: String = (0..25).flat_map(|n| [n.to_string(), " \r\n\n".into()]).collect();
        for piece in written.as_bytes().chunks(3) {
            tail.push(piece, |line| logged.push(line.to_owned()));
        }
        tail.push(b"\xff last", |line| logged.push(line.to_owned()));
        tail.finish(|line| logged.push(line.to_owned()));
        assert_eq!(logged.len(), 26);
        let kept: Vec<_> = tail.lines().collect();
        assert_eq!(kept, ["16", "17", "18", "19", "20", "21", "22", "23", "24", "\u{fffd} last"]);
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut tail = Tail::default();
        tail.push(&vec![b'x'; 100_000], |_| {});
        tail.finish(|_| {});
        assert_eq!(tail.lines().next().map(str::len), Some(LONGEST_LINE));
    }
}
