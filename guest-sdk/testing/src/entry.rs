//! The log by its entries: each a line, with those that are indented below it. Waits for none.

use crate::process::lines::is_of;

/// A line, with those that are indented below it.
#[derive(Debug)]
pub struct Entry<'a>(&'a [String]);

/// The entries that begin after this number of lines.
pub fn entries_after(after: usize, lines: &[String]) -> impl Iterator<Item = Entry<'_>> {
    let mut begins = 0;
    lines
        .chunk_by(|_, next| next.starts_with("    "))
        .filter_map(move |lines| {
            let is_new = begins >= after;
            begins += lines.len();
            is_new.then_some(Entry(lines))
        })
}

impl Entry<'_> {
    /// Whether this logger wrote it. An empty one is any.
    pub fn is_of(&self, logger: &str) -> bool {
        is_of(&self.0[0], logger)
    }

    pub fn contains(&self, words: &str) -> bool {
        self.0.join("\n").contains(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_indented_belongs_to_the_line_above() {
        let log = [
            "[I 260101 12:00:00 general] loading a",
            "[W 260101 12:00:00 app a.wasm] one",
            "    two",
        ]
        .map(str::to_owned);
        let found = |after, logger, words| {
            entries_after(after, &log).any(|entry| entry.is_of(logger) && entry.contains(words))
        };
        assert_eq!(entries_after(0, &log).count(), 2);
        assert!(found(0, "app", "two") && found(1, "", "one\n    two"));
        // It began before.
        assert!(!found(2, "", "two"));
        assert!(!found(0, "general", "two"));
    }
}
