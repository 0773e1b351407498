//! Rows of text in columns as wide as they have to be. Knows nothing of what stands in them.

use std::fmt::Write as _;

use crate::log::plain;

/// One line for each row, each begun by `indent`. Cells are made plain: guests name some of what stands in them.
pub fn table<const COLUMNS: usize>(indent: &str, rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    let rows: Vec<_> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| plain(cell)))
        .collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
