//! One path or host pattern: checked, compiled, matched and its arguments decoded.
//! It never knows of other patterns, nor of their order.

use std::fmt;

use percent_encoding::percent_decode_str;
use regex::{Match, Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::ast::ErrorKind;
use regex_syntax::hir::{Hir, HirKind, Look};

use super::reverse::{ReverseError, Template};
use super::shape::{Shape, shapes};

/// The compiled size, in bytes, that one pattern may reach.
const PATTERN_SIZE_LIMIT: usize = 1 << 20;

/// A regular expression that is anchored at both ends, with Tornado's rules for its groups.
///
/// Two patterns are equal if their texts are, and both are for paths or both for hosts.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    subject: Subject,
    regex: Regex,
    literal: Option<String>,
    shapes: Vec<Shape>,
    template: Option<Template>,
}

/// What a pattern is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Path,
    Host,
}

/// The decoded arguments of a request, one for each group that is passed on; `None` for a group
/// that took no part in the match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// No group is named: all groups, in order.
    Positional(Vec<Option<String>>),
    /// At least one group is named: only the named ones.
    Named(Vec<(String, Option<String>)>),
}

/// What became of a path that was held against a pattern.
#[derive(Debug)]
pub(super) enum Taken {
    /// The pattern takes it, with these arguments.
    Yes(Arguments),
    /// The pattern takes it, but an argument is not UTF-8 once decoded.
    NotUtf8,
    /// The pattern doesn't take it.
    No,
}

impl Default for Arguments {
    /// No arguments.
    fn default() -> Arguments {
        Arguments::Positional(Vec::new())
    }
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// How to say it otherwise.
    pub hint: Option<String>,
    /// The byte in the pattern where it goes wrong, where that is known.
    pub offset: Option<usize>,
}

impl Pattern {
    /// A pattern for paths, in the syntax of the `regex` crate.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        Pattern::compile(text, Subject::Path)
    }

    /// A pattern for host names, which match in any case.
    pub fn host(text: &str) -> Result<Pattern, PatternError> {
        Pattern::compile(text, Subject::Host)
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it takes the whole of `subject`.
    pub fn matches(&self, subject: &str) -> bool {
        self.regex.is_match(subject)
    }

    /// The arguments in a `path` that this pattern matches, or `None` where one isn't UTF-8.
    pub fn arguments(&self, path: &str) -> Option<Arguments> {
        match self.take(path) {
            Taken::Yes(arguments) => Some(arguments),
            Taken::No => Some(Arguments::default()),
            Taken::NotUtf8 => None,
        }
    }

    /// The path that has `arguments` in place of the groups, percent-encoded except for `/`.
    pub fn reverse(&self, arguments: &[impl AsRef<str>]) -> Result<String, ReverseError> {
        match &self.template {
            Some(template) => template.fill(arguments),
            None => Err(ReverseError::Irreversible(self.text.clone())),
        }
    }

    /// What becomes of `path`.
    pub(super) fn take(&self, path: &str) -> Taken {
        if let Some(literal) = &self.literal {
            return match literal == path {
                true => Taken::Yes(Arguments::default()),
                false => Taken::No,
            };
        }
        let names = || self.regex.capture_names().skip(1);
        if names().len() == 0 {
            return match self.regex.is_match(path) {
                true => Taken::Yes(Arguments::default()),
                false => Taken::No,
            };
        }
        let Some(captures) = self.regex.captures(path) else {
            return Taken::No;
        };
        let groups = captures.iter().skip(1);
        let arguments = if names().flatten().next().is_none() {
            groups
                .map(decode)
                .collect::<Option<_>>()
                .map(Arguments::Positional)
        } else {
            names()
                .zip(groups)
                .filter_map(|(name, group)| Some((name?.to_owned(), group)))
                .map(|(name, group)| Some((name, decode(group)?)))
                .collect::<Option<_>>()
                .map(Arguments::Named)
        };
        arguments.map_or(Taken::NotUtf8, Taken::Yes)
    }

    /// The only text it takes, where there is but one.
    pub(super) fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// What it takes has one of these shapes.
    pub(super) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    fn compile(text: &str, subject: Subject) -> Result<Pattern, PatternError> {
        // By itself first: offsets are the author's own, and `a)|(b` can't slip out of the anchors.
        let (any_case, flags) = match subject {
            Subject::Path => (false, ""),
            Subject::Host => (true, "i"),
        };
        let hir = ParserBuilder::new()
            .case_insensitive(any_case)
            .build()
            .parse(text)
            .map_err(|error| syntax_error(text, error))?;
        let regex = RegexBuilder::new(&format!(r"\A(?{flags}:{text})\z"))
            .size_limit(PATTERN_SIZE_LIMIT)
            .build()
            .map_err(build_error)?;
        Ok(Pattern {
            text: text.to_owned(),
            subject,
            template: Template::new(text, regex.captures_len() - 1),
            regex,
            literal: literal(&hir),
            shapes: shapes(&hir),
        })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text && self.subject == other.subject
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PatternError {}

/// Decodes as Tornado does: `+` stays, and so does a `%` without two hex digits after it. The outer
/// `None` is for what isn't UTF-8, the inner one for a group that took no part in the match.
fn decode(group: Option<Match<'_>>) -> Option<Option<String>> {
    let Some(group) = group else {
        return Some(None);
    };
    let text = percent_decode_str(group.as_str()).decode_utf8().ok()?;
    Some(Some(text.into_owned()))
}

/// The text that an expression is, where it is nothing else.
fn literal(hir: &Hir) -> Option<String> {
    let mut parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    // `^` and `$` at the ends say what the anchors say anyway.
    if let [first, rest @ ..] = parts
        && matches!(first.kind(), HirKind::Look(Look::Start))
    {
        parts = rest;
    }
    if let [rest @ .., last] = parts
        && matches!(last.kind(), HirKind::Look(Look::End))
    {
        parts = rest;
    }
    match parts {
        [only] => match only.kind() {
            HirKind::Literal(text) => String::from_utf8(text.0.to_vec()).ok(),
            _ => None,
        },
        _ => None,
    }
}

fn syntax_error(text: &str, error: regex_syntax::Error) -> PatternError {
    let (message, hint, offset) = match error {
        regex_syntax::Error::Parse(error) => {
            let offset = error.span().start.offset;
            let hint = otherwise(error.kind(), &text[offset..]);
            (error.kind().to_string(), hint, Some(offset))
        }
        regex_syntax::Error::Translate(error) => {
            let offset = error.span().start.offset;
            (error.kind().to_string(), None, Some(offset))
        }
        // The enum may grow; its own words are the best there are.
        other => (other.to_string(), None, None),
    };
    PatternError {
        message,
        hint: Some(hint.unwrap_or(SYNTAX).to_owned()),
        offset,
    }
}

/// How to say otherwise what Python's `re` can and the `regex` crate, for the sake of a bounded
/// matching time, can't. `rest` is the pattern from where it goes wrong.
fn otherwise(kind: &ErrorKind, rest: &str) -> Option<&'static str> {
    match kind {
        ErrorKind::UnsupportedLookAround => Some(
            "put a route that takes the special case before this one, or refuse it in `prepare`",
        ),
        ErrorKind::UnsupportedBackreference => Some(COMPARE),
        ErrorKind::FlagUnrecognized if rest.starts_with("P=") => Some(COMPARE),
        _ => None,
    }
}

const SYNTAX: &str = "patterns are those of https://docs.rs/regex/#syntax; `\\` before a character takes it as it is";

const COMPARE: &str =
    "match the second place with a group of its own and compare the two in `prepare`";

fn build_error(error: regex::Error) -> PatternError {
    let (message, hint) = match error {
        regex::Error::CompiledTooBig(limit) => (
            format!("the pattern is larger than {limit} bytes when compiled"),
            "write smaller repetitions, or check lengths in `prepare`",
        ),
        _ => (
            "the pattern can't be anchored".to_owned(),
            "end a `(?x)` comment with a line break",
        ),
    };
    PatternError {
        message,
        hint: Some(hint.to_owned()),
        offset: None,
    }
}
