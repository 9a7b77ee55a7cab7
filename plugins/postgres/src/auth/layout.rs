//! How a line is laid out, and how to lay out another one like it.

use super::{line::Logical, word::Fields};

/// What a field is for; fields of the same slot stand below each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The kind of connection, or the name of a map.
    First,
    /// The databases, or the system's user.
    Second,
    /// The roles.
    Third,
    /// The address.
    Address,
    /// The mask of the address.
    Mask,
    /// The method.
    Method,
    /// An option.
    Option,
}

/// Indent, columns and separators of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    indent: Vec<u8>,
    /// Slot and column of each field, in their order.
    columns: Vec<(Slot, usize)>,
    separator: Separator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// One blank between fields, wherever that leads.
    Single,
    /// As many blanks as lead to the column.
    Blanks,
    /// As many tabs as lead to the column.
    Tabs,
}

const TAB: usize = 8;

fn column(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |at, it| if *it == b'\t' { at / TAB * TAB + TAB } else { at + 1 })
}

impl Layout {
    /// The layout of the file that `initdb` writes.
    pub(crate) fn usual(slots: &[(Slot, usize)]) -> Self {
        Self { indent: Vec::new(), columns: slots.to_vec(), separator: Separator::Blanks }
    }

    /// Takes the layout of a line.
    pub(crate) fn of(line: &Logical, fields: &Fields, slots: &[Slot]) -> Self {
        let starts = fields.fields.iter().map(|it| it.span.start);
        let columns: Vec<_> =
            slots.iter().copied().zip(starts.clone().map(|it| column(&line.text[..it]))).collect();
        let gaps = fields.fields.windows(2).map(|it| &line.text[it[0].span.end..it[1].span.start]);
        let gaps: Vec<&[u8]> = gaps.collect();
        let separator = if gaps.iter().any(|it| it.contains(&b'\t')) {
            Separator::Tabs
        } else if gaps.iter().all(|it| it.len() <= 1) {
            Separator::Single
        } else {
            Separator::Blanks
        };
        let indent = line.text[..starts.min().unwrap_or(0)].to_vec();
        Self { indent, columns, separator }
    }

    /// Takes columns for slots that this layout lacks from another one.
    pub(crate) fn fill_from(&mut self, other: &Self) {
        for (slot, column) in &other.columns {
            if !self.columns.iter().any(|it| it.0 == *slot) {
                self.columns.push((*slot, *column));
            }
        }
    }

    /// Writes fields in this layout, without a line end.
    pub(crate) fn write(&self, fields: &[(Slot, Vec<u8>)]) -> Vec<u8> {
        let mut text = self.indent.clone();
        for (number, (slot, field)) in fields.iter().enumerate() {
            if number > 0 {
                let by_slot = self.columns.iter().find(|it| it.0 == *slot && *slot != Slot::Option);
                let target = by_slot.or_else(|| self.columns.get(number)).map_or(0, |it| it.1);
                self.pad(&mut text, target);
            }
            text.extend(field);
        }
        text
    }

    fn pad(&self, text: &mut Vec<u8>, target: usize) {
        let at = column(text);
        let missing = target.saturating_sub(at);
        match self.separator {
            Separator::Single => text.push(b' '),
            Separator::Blanks => text.extend(vec![b' '; missing.max(1)]),
            Separator::Tabs => {
                text.push(b'\t');
                while column(text) < target {
                    text.push(b'\t');
                }
            }
        }
    }
}
