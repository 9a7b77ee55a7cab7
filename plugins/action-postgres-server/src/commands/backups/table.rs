//! Text in columns.

/// A table: rows of cells, of which the first is the head.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins one.
    pub(super) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(ToString::to_string).collect()] }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Shows it, without columns in which nothing is said, each line indented
    /// so far.
    pub(super) fn show(&self, indent: usize) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows[1..].iter().filter_map(|it| it.get(column));
            let widest = cells.map(|it| it.chars().count()).max().unwrap_or(0);
            (widest > 0).then(|| widest.max(self.rows[0][column].chars().count()))
        };
        let widths: Vec<Option<usize>> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            for (cell, width) in row.iter().zip(&widths) {
                let Some(width) = width else { continue };
                line.push_str(cell);
                let blanks = width.saturating_sub(cell.chars().count()) + 2;
                line.extend(std::iter::repeat_n(' ', blanks));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be_and_empty_ones_left_out() {
        let mut table = Table::new(&["ID", "KEEP", "NAME"]);
        table.row(vec!["long one".to_owned(), String::new(), "\u{e4}".to_owned()]);
        table.row(vec!["b".to_owned(), String::new(), String::new()]);
        assert_eq!(table.show(2), "  ID        NAME\n  long one  \u{e4}\n  b\n");
    }
}
