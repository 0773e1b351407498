//! Faults of an app, and errors at runtime, in words for the person who can mend them. Does not decide what happens
//! next: that is up to the floors above.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a text file. Lines and columns count from 1, columns and lengths in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters of the line are meant; 0 where only the beginning is known.
    pub length: usize,
    /// 0: in the file; else the number, from 1, of what overrides it. Overrides have no lines.
    pub overriding: usize,
}

impl Position {
    /// The whole file, where no single place is to blame.
    pub const WHOLE_FILE: Position = Position::at(0, 0);

    /// A place of which only the beginning is known.
    pub const fn at(line: usize, column: usize) -> Position {
        Position {
            line,
            column,
            length: 0,
            overriding: 0,
        }
    }
}

/// The source of a value that is in no file. Shown as people wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An option and what it is for: `--set settings.debug`.
    CommandLine(String),
    /// A variable's name.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine(text) | Origin::Environment(text) => f.write_str(text),
        }
    }
}

/// One fault that its author must mend before the app can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file at fault.
    pub file: PathBuf,
    /// The source at fault in place of that file.
    pub origin: Option<Origin>,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// The column in characters, from 1; 0 where the whole file is meant.
    pub column: usize,
    /// How many characters of the line are meant; 0 where only the beginning is known.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault at one place of a file.
    pub fn at(file: &Path, position: Position, message: impl Into<String>) -> Fault {
        Fault {
            file: file.to_path_buf(),
            origin: None,
            line: position.line,
            column: position.column,
            length: position.length,
            message: message.into(),
            hint: None,
        }
    }

    /// A fault of a file as a whole.
    pub fn in_file(file: &Path, message: impl Into<String>) -> Fault {
        Fault::at(file, Position::WHOLE_FILE, message)
    }

    /// A fault of a value that is in no file.
    pub fn of(origin: Origin, message: impl Into<String>) -> Fault {
        Fault {
            origin: Some(origin),
            ..Fault::in_file(Path::new(""), message)
        }
    }

    /// Adds how to mend it.
    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    /// Its file, with line and column where there are any: `waterspout.toml:2:3`; or its other source.
    pub fn place(&self) -> String {
        if let Some(origin) = &self.origin {
            return origin.to_string();
        }
        let file = self.file.display();
        match self.position() {
            Position::WHOLE_FILE => file.to_string(),
            Position { line, column, .. } => format!("{file}:{line}:{column}"),
        }
    }

    /// Where in the file it is.
    pub fn position(&self) -> Position {
        Position {
            line: self.line,
            column: self.column,
            length: self.length,
            overriding: 0,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

/// All faults of a file, in its order, so that they can be mended together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Collects faults, sorts them in the file's order, and drops duplicates.
    pub fn new(mut faults: Vec<Fault>) -> Faults {
        faults.sort_by_key(Fault::position);
        faults.dedup();
        Faults(faults)
    }

    /// Whether all of them come from the command line.
    pub fn are_of_the_command_line(&self) -> bool {
        let is = |fault: &Fault| matches!(fault.origin, Some(Origin::CommandLine(_)));
        self.0.iter().all(is)
    }

    /// The faults, first in the file first.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Faults {
        Faults(vec![fault])
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The beginning of a text, of at most this many characters, with a sign where more follows.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An error at runtime: a text for its reader, and the cause for the log.
#[derive(Debug)]
pub struct Error {
    message: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The longest message of a component's error, in characters: its author may have written any of it.
const MAX_MESSAGE: usize = 4000;

impl Error {
    /// An error of a component. A long message is cut.
    pub fn component(message: impl Into<String>) -> Error {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE {
            message = cut(&message, MAX_MESSAGE);
        }
        Error {
            message,
            cause: None,
        }
    }

    /// An error of the host, or of its system.
    pub fn host(
        message: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error {
            message: message.into(),
            cause: Some(cause.into()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_says_in_an_error_is_cut() {
        let error = Error::component("é".repeat(1 << 20)).to_string();
        assert_eq!(error.chars().count(), MAX_MESSAGE + 1);
        assert_eq!(cut("four", 4), "four");
        assert_eq!(cut("four", 3), "fou…");
    }

    #[test]
    fn faults_read_like_a_compiler_s_and_keep_the_file_s_order() {
        let file = Path::new("waterspout.toml");
        let at = Position::at;
        let faults = Faults::new(vec![
            Fault::at(file, at(7, 1), "second"),
            Fault::at(file, at(2, 9), "first").hint("mend it"),
            Fault::in_file(file, "all of it"),
        ]);
        assert_eq!(
            faults.to_string(),
            "waterspout.toml: all of it\n\
             waterspout.toml:2:9: first\n  hint: mend it\n\
             waterspout.toml:7:1: second"
        );
    }
}
