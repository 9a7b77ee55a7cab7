//! Lines and columns of places in a text.

use std::cell::Cell;

use hayloft_plugin_api::Position;

/// Turns offsets into lines and columns. Offsets mostly grow, so each search
/// goes on from the one before.
#[derive(Debug)]
pub(super) struct Positions<'t> {
    text: &'t str,
    last: Cell<(usize, u32, u32)>,
}

impl<'t> Positions<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, last: Cell::new((0, 1, 1)) }
    }

    /// Returns the place of a byte. Line ends are LF, CR LF and CR; a byte
    /// order mark is no column.
    pub(super) fn at(&self, offset: usize) -> Position {
        let (mut from, mut line, mut column) = self.last.get();
        if offset < from {
            (from, line, column) = (0, 1, 1);
        }
        let end = offset.min(self.text.len());
        let mut characters = self.text[from..].char_indices().peekable();
        while let Some((index, c)) = characters.next() {
            if from + index >= end {
                break;
            }
            let ends_line = match c {
                '\n' => true,
                '\r' => characters.peek().is_none_or(|(_, next)| *next != '\n'),
                _ => false,
            };
            if ends_line {
                line = line.saturating_add(1);
                column = 1;
            } else if c != '\r' && !(c == '\u{feff}' && from + index == 0) {
                column = column.saturating_add(1);
            }
        }
        self.last.set((end, line, column));
        Position { line, column }
    }

    /// Returns how many bytes of blanks there are from `offset` on.
    pub(super) fn blanks(&self, offset: usize) -> usize {
        let rest = self.text.get(offset..).unwrap_or_default();
        rest.len() - rest.trim_start().len()
    }
}

/// Returns the byte at which a place begins; the end of the text if there is
/// no such place.
pub(super) fn offset(text: &str, position: Position) -> usize {
    let (mut line, mut column) = (1, 1);
    let mut characters = text.char_indices().peekable();
    while let Some((index, c)) = characters.next() {
        if index == 0 && c == '\u{feff}' {
            continue;
        }
        if line > position.line || line == position.line && column >= position.column {
            return index;
        }
        let ends_line = match c {
            '\n' => true,
            '\r' => characters.peek().is_none_or(|(_, next)| *next != '\n'),
            _ => false,
        };
        if ends_line {
            // The column is beyond the end of its line.
            if line == position.line {
                return index;
            }
            line += 1;
            column = 1;
        } else if c != '\r' {
            column += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_every_usual_way() {
        let text = "\u{feff}ab\r\ncé\rd\ne";
        let positions = Positions::new(text);
        let cases = [("a", 1, 1), ("b", 1, 2), ("c", 2, 1), ("é", 2, 2), ("d", 3, 1), ("e", 4, 1)];
        for (character, line, column) in cases {
            let index = text.find(character).unwrap();
            let position = Position { line, column };
            assert_eq!(positions.at(index), position, "{character}");
            assert_eq!(offset(text, position), index, "{character}");
        }
        // Backwards as well, and beyond the end.
        assert_eq!(positions.at(3), Position { line: 1, column: 1 });
        assert_eq!(positions.at(1000), Position { line: 4, column: 2 });
        assert_eq!(offset(text, Position { line: 9, column: 9 }), text.len());
    }
}
