//! Columns for people.

use std::fmt::Write;

/// Lays out rows so that columns stand below each other; columns that `right`
/// names are aligned to the right, and the last one is not filled up.
pub(super) fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|it| it.get(column)).map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = if right.contains(&column) {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["a", "10", "ä"], ["bcd", "5", "x"]];
        let rows: Vec<_> = rows.iter().map(|it| it.map(str::to_owned).to_vec()).collect();
        assert_eq!(table(&rows, &[1]), "a    10  ä\nbcd   5  x\n");
    }
}
