//! A whole file, line by line.

use std::borrow::Cow;

use super::{
    line::{Line, LineKind},
    name::canonical_name,
};

/// The content of one file. What is not edited stays as it is, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    pub(super) lines: Vec<Line>,
}

impl Document {
    /// Reads any content; what the server would not take is
    /// [`LineKind::Invalid`].
    pub fn parse(content: &[u8]) -> Self {
        let lines = content.split_inclusive(|it| *it == b'\n');
        Self { lines: lines.map(|it| Line::parse(it.to_vec())).collect() }
    }

    /// Returns the content.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(Line::bytes).copied().collect()
    }

    /// Returns the lines, with their numbers (from 1).
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Returns the settings, with the numbers of their lines. Directives and
    /// comments are none.
    pub fn settings(&self) -> impl DoubleEndedIterator<Item = (usize, &Line)> {
        self.lines().filter(|(_, line)| line.kind() == LineKind::Setting)
    }

    /// Returns the settings of one parameter, in any spelling, under its old
    /// names too.
    pub fn settings_of(
        &self,
        name: impl AsRef<[u8]>,
    ) -> impl DoubleEndedIterator<Item = (usize, &Line)> {
        let name = canonical_name(name);
        self.settings()
            .filter(move |(_, line)| line.name().is_some_and(|it| canonical_name(it) == name))
    }

    /// Returns the value that counts in this file, includes aside: the last.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<Cow<'_, [u8]>> {
        self.settings_of(name).next_back().and_then(|(_, line)| line.value())
    }

    /// Returns the numbers of the lines the server would not take. One is
    /// enough for it to load nothing of the file.
    pub fn invalid_lines(&self) -> impl Iterator<Item = usize> {
        self.lines().filter(|(_, it)| it.kind() == LineKind::Invalid).map(|(number, _)| number)
    }

    /// Returns the line end that new lines get: that of the last line that
    /// has one.
    pub(super) fn ending(&self) -> &'static [u8] {
        let last = self.lines.iter().rev().map(Line::ending).find(|it| !it.is_empty());
        if last == Some(b"\r\n") { b"\r\n" } else { b"\n" }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_setting_counts_whatever_its_spelling() {
        let document =
            Document::parse(b"work_mem = 1MB\nPORT 5433\nSort_Mem='2MB'\n#work_mem = 3MB\n");
        assert_eq!(document.get("WORK_MEM").as_deref(), Some(&b"2MB"[..]));
        assert_eq!(document.get("port").as_deref(), Some(&b"5433"[..]));
        assert_eq!(document.get("nosuch"), None);
        assert_eq!(document.settings_of("work_mem").map(|it| it.0).collect::<Vec<_>>(), [1, 3]);
    }

    proptest! {
        #[test]
        fn every_content_stays_as_it_is(content: Vec<u8>) {
            prop_assert_eq!(Document::parse(&content).to_bytes(), content);
        }

        #[test]
        fn text_with_line_ends_stays_as_it_is(content in "[a-z'#= \r\n\\\\]{0,200}") {
            let document = Document::parse(content.as_bytes());
            prop_assert_eq!(document.to_bytes(), content.as_bytes());
        }
    }
}
