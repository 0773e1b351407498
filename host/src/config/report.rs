//! The faults of one file while it is read, and their places. Never reads values: `section` does.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use crate::base::error::{Fault, Faults, Origin, Position};

/// Collects faults, so that reading goes on after the first.
pub(super) struct Report<'t> {
    file: &'t Path,
    /// The file's text, and then what overrides it.
    text: &'t str,
    /// The sources of what overrides the file, and where in `text` each begins.
    overriding: Vec<(usize, &'t Origin)>,
    /// Where each line begins, so that a position is found without a search through the text.
    lines: Vec<usize>,
    faults: RefCell<Vec<Fault>>,
}

impl<'t> Report<'t> {
    pub(super) fn new(
        file: &'t Path,
        text: &'t str,
        overriding: Vec<(usize, &'t Origin)>,
    ) -> Report<'t> {
        let after_breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Report {
            file,
            text,
            overriding,
            lines: std::iter::once(0).chain(after_breaks).collect(),
            faults: RefCell::default(),
        }
    }

    /// The text that spans refer to.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Line, column and length of some bytes of the text. Where there are several lines, the first counts.
    pub(super) fn position(&self, span: Range<usize>) -> Position {
        let overriding = self
            .overriding
            .partition_point(|(begin, _)| *begin <= span.start);
        if overriding > 0 {
            return Position {
                overriding,
                ..Position::WHOLE_FILE
            };
        }
        let offset = self.text.floor_char_boundary(span.start);
        let line = self.lines.partition_point(|&begin| begin <= offset);
        let begin = self.lines[line - 1];
        let end = self.text.floor_char_boundary(span.end).max(offset);
        let meant = self.text[offset..end].lines().next().unwrap_or_default();
        Position {
            line,
            column: self.text[begin..offset].chars().count() + 1,
            length: meant.chars().count(),
            overriding: 0,
        }
    }

    /// The text of a value, if it overrides one of the file.
    pub(super) fn overriding_text(&self, span: Range<usize>) -> Option<&'t str> {
        let overrides = self.position(span.clone()).overriding > 0;
        self.text.get(span).filter(|_| overrides)
    }

    /// Notes a fault at some bytes of the text.
    pub(super) fn fault(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let position = self.position(span);
        let mut fault = match self.origin(position) {
            Some(origin) => Fault::of(origin.clone(), message),
            None => Fault::at(self.file, position, message),
        };
        fault.hint = hint;
        self.faults.borrow_mut().push(fault);
    }

    fn origin(&self, position: Position) -> Option<&'t Origin> {
        let (_, origin) = self.overriding.get(position.overriding.checked_sub(1)?)?;
        Some(origin)
    }

    /// `result`, unless there is any fault.
    pub(super) fn finish<T>(self, result: T) -> Result<T, Faults> {
        let faults = self.faults.into_inner();
        if faults.is_empty() {
            Ok(result)
        } else {
            Err(Faults::new(faults))
        }
    }
}

/// The line of a fault, to be shown, unless it may contain a secret.
pub fn line_to_show(text: &str, line: usize) -> Option<&str> {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let shown = *lines.get(line.checked_sub(1)?)?;
    if is_env(shown) {
        return None;
    }
    // One secret or several may take several lines, at most to the next table.
    for line in lines.iter().rev() {
        if line.contains("cookie_secret") || has_user(line) {
            return None;
        }
        let begins = line.trim_start();
        if begins.starts_with('[') {
            // `[component."a.wasm".env]`
            return Some(shown).filter(|_| !begins.contains("env"));
        }
        if is_env(line) && line.contains('{') && !line.contains('}') {
            return None;
        }
    }
    Some(shown)
}

/// Whether a line has an environment variable of a guest: `env = { … }` or `env.A = …`.
fn is_env(line: &str) -> bool {
    let mut words = line.split(|char: char| !(char.is_alphanumeric() || char == '_'));
    words.any(|word| word == "env")
}

/// Whether a line may have a URL with a user, whose password may be in it.
fn has_user(line: &str) -> bool {
    line.contains('@') && (line.contains("://") || line.contains("proxy"))
}

/// A hint with the candidate that is most like `word`, if there is one.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    const ALIKE: f64 = 0.6;
    let (likeness, candidate) = candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(word, candidate),
                candidate,
            )
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (likeness >= ALIKE).then(|| format!("did you mean `{candidate}`?"))
}
