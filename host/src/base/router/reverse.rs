//! From a pattern and arguments back to a path, by Tornado's rules for `reverse_url`. Does not check that the result
//! matches: neither does Tornado.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What an argument keeps unencoded, like Python's `urllib.parse.quote`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~')
    .remove(b'/');

/// Why there is no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReverseError {
    /// No route has this name.
    UnknownName(String),
    /// The pattern is more than plain text and plain groups.
    Irreversible(String),
    /// Each group takes one argument.
    WrongCount {
        /// How many groups there are.
        expected: usize,
        /// How many arguments came.
        given: usize,
    },
}

impl fmt::Display for ReverseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReverseError::UnknownName(name) => write!(f, "no route is named {name:?}"),
            ReverseError::Irreversible(pattern) => {
                write!(f, "the pattern {pattern:?} can't be reversed")
            }
            ReverseError::WrongCount { expected, given } => {
                write!(f, "the route takes {expected} arguments, not {given}")
            }
        }
    }
}

impl std::error::Error for ReverseError {}

/// The plain texts around the groups of a pattern: one more than there are groups.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<String>);

impl Template {
    /// Takes a pattern apart. `None` where it is too complicated for that: nested groups, groups that capture nothing,
    /// or text that means more than itself, as `\d` does.
    pub(super) fn new(pattern: &str, groups: usize) -> Option<Template> {
        // A `(` that begins no group (escaped, or in a class) makes these differ.
        if pattern.matches('(').count() != groups {
            return None;
        }
        let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
        let pattern = match pattern.strip_suffix('$') {
            Some(rest) if !ends_in_escape(rest) => rest,
            _ => pattern,
        };
        let mut fragments = pattern.split('(');
        let mut texts = vec![plain(fragments.next()?)?];
        for fragment in fragments {
            let (_, text) = fragment.split_once(')')?;
            texts.push(plain(text)?);
        }
        Some(Template(texts))
    }

    pub(super) fn fill(&self, arguments: &[impl AsRef<str>]) -> Result<String, ReverseError> {
        let expected = self.0.len() - 1;
        if arguments.len() != expected {
            return Err(ReverseError::WrongCount {
                expected,
                given: arguments.len(),
            });
        }
        let mut arguments = arguments.iter();
        let mut path = String::new();
        for text in &self.0 {
            path.push_str(text);
            if let Some(argument) = arguments.next() {
                path.extend(utf8_percent_encode(argument.as_ref(), ESCAPED));
            }
        }
        Ok(path)
    }
}

/// Undoes the escapes of literal text. Fails where a backslash means more than "take it literally",
/// and at a `)`, which shows that the text began inside a group.
fn plain(escaped: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = escaped.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => text.push(chars.next().filter(|char| !char.is_ascii_alphanumeric())?),
            ')' => return None,
            _ => text.push(char),
        }
    }
    Some(text)
}

/// Whether the text ends in a backslash that is not itself escaped.
fn ends_in_escape(text: &str) -> bool {
    let backslashes = text.len() - text.trim_end_matches('\\').len();
    backslashes % 2 == 1
}
