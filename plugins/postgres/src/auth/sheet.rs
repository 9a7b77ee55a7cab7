//! A file as lines that can be inserted, replaced and removed; everything
//! else stays as it is, to the byte.

use std::ops::Range;

use super::{
    layout::{Layout, Slot},
    line::{Logical, logical},
    word::{Field, Fields, fields},
};

/// The content of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    content: Vec<u8>,
    major: u32,
    // Invariant: derived from `content`.
    lines: Vec<(Logical, Fields)>,
}

impl Sheet {
    pub(crate) fn parse(content: &[u8], major: u32) -> Self {
        let lines = logical(content, major).into_iter();
        let lines = lines.map(|line| {
            let fields = fields(&line.text, major);
            (line, fields)
        });
        Self { content: content.to_vec(), major, lines: lines.collect() }
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Returns the lines as the server sees them, empty ones and comments
    /// included, by their index.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &Logical, &Fields)> {
        self.lines.iter().enumerate().map(|(index, (line, fields))| (index, line, fields))
    }

    /// Puts a new line before the line with this index, or at the end.
    pub(crate) fn insert(&mut self, index: usize, text: &[u8], ending: &[u8]) {
        let at = match self.lines.get(index) {
            Some((line, _)) => self.start_of(line.lines.start),
            None => self.content.len(),
        };
        let mut new = Vec::new();
        if at > 0 && self.content[at - 1] != b'\n' {
            new.extend(ending);
            // The last line asked for a continuation and there was none.
            let last = self.content.strip_suffix(b"\r").unwrap_or(&self.content);
            if self.major >= 14 && last.ends_with(b"\\") {
                new.extend(ending);
            }
        }
        new.extend(text);
        new.extend(ending);
        self.splice(at..at, &new);
    }

    /// Removes a line with all its continuations.
    pub(crate) fn remove(&mut self, index: usize) {
        let lines = self.lines[index].0.lines.clone();
        let range = self.start_of(lines.start)..self.start_of(lines.end);
        self.splice(range, b"");
    }

    /// Puts other fields into a line; gaps, comment and line end stay.
    /// `slots` tells what the old fields were.
    pub(crate) fn replace(&mut self, index: usize, slots: &[Slot], new: &[(Slot, Vec<u8>)]) {
        let (line, fields) = &self.lines[index];
        let same_shape = slots.len() == fields.fields.len()
            && new.iter().map(|it| it.0).take(slots.len()).eq(slots.iter().copied());
        let Some(last) = fields.fields.last() else { return };
        let text = if same_shape {
            self.refilled(line, &fields.fields, new)
        } else {
            Layout::of(line, fields, slots).write(new)
        };
        let start = if same_shape {
            Self::raw(line, &fields.fields[0].span).start
        } else {
            self.start_of(line.lines.start)
        };
        let end = Self::raw(line, &last.span).end;
        self.splice(start..end, &text);
    }

    /// The new fields with the old gaps between them.
    fn refilled(&self, line: &Logical, old: &[Field], new: &[(Slot, Vec<u8>)]) -> Vec<u8> {
        let mut text = Vec::new();
        let mut grown = 0isize;
        for (number, (_, field)) in new.iter().enumerate() {
            let gap: Vec<u8> = match old.get(number) {
                _ if number == 0 => Vec::new(),
                Some(it) => {
                    let before = Self::raw(line, &old[number - 1].span).end;
                    fitted(&self.content[before..Self::raw(line, &it.span).start], grown)
                }
                None => b" ".to_vec(),
            };
            text.extend(gap);
            grown = 0;
            if let Some(it) = old.get(number) {
                let raw = &self.content[Self::raw(line, &it.span)];
                // What means the same stays as it was written.
                let same = fields(field, self.major).fields;
                let keeps = same.len() == 1 && same[0].words == it.words;
                text.extend(if keeps { raw } else { field });
                if !keeps {
                    grown = field.len().cast_signed() - raw.len().cast_signed();
                }
            } else {
                text.extend(field);
            }
        }
        text
    }

    fn splice(&mut self, range: Range<usize>, new: &[u8]) {
        let content = [&self.content[..range.start], new, &self.content[range.end..]].concat();
        *self = Self::parse(&content, self.major);
    }

    /// Where in the content a part of a line's text is.
    fn raw(line: &Logical, span: &Range<usize>) -> Range<usize> {
        let start = line.offsets[span.start];
        start..line.offsets.get(span.end.wrapping_sub(1)).map_or(start, |it| it + 1)
    }

    fn start_of(&self, number: usize) -> usize {
        let lines = self.content.split_inclusive(|it| *it == b'\n');
        lines.take(number).map(<[u8]>::len).sum()
    }

    /// Returns the line end of the line with this index, or of the file.
    pub(crate) fn ending(&self, index: usize) -> &'static [u8] {
        let end =
            self.lines.get(index).map_or(self.content.len(), |it| self.start_of(it.0.lines.end));
        let before = &self.content[..end];
        let text = before.strip_suffix(b"\n").unwrap_or_else(|| {
            let at = before.iter().rposition(|it| *it == b'\n').unwrap_or(0);
            &before[..at]
        });
        if text.ends_with(b"\r") { b"\r\n" } else { b"\n" }
    }

    /// Returns where a new line goes so that comments directly above a line
    /// stay with it.
    pub(crate) fn above(&self, index: usize) -> usize {
        let is_comment = |it: &&(Logical, Fields)| {
            it.1.fields.is_empty() && it.0.text.trim_ascii_start().starts_with(b"#")
        };
        index - self.lines[..index].iter().rev().take_while(is_comment).count()
    }
}

/// A gap after a field that has grown: wide ones keep the column.
fn fitted(gap: &[u8], grown: isize) -> Vec<u8> {
    if gap.len() < 3 || !gap.iter().all(|it| *it == b' ') {
        return gap.to_vec();
    }
    vec![b' '; gap.len().saturating_add_signed(-grown).max(1)]
}
