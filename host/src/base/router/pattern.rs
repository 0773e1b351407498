//! One path or host pattern: checked, compiled, matched and its arguments decoded. Knows no other patterns.

use std::fmt;

use percent_encoding::percent_decode;
use percent_encoding::percent_decode_str;
use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::ast::ErrorKind;
use regex_syntax::hir::{Hir, HirKind, Look};

use super::reverse::{ReverseError, Template};
use super::shape::{Shape, shapes};
use super::straight::Straight;

/// The compiled size, in bytes, that one pattern may reach.
const PATTERN_SIZE_LIMIT: usize = 1 << 20;

/// A regular expression that is anchored at both ends, with Tornado's rules for its groups.
///
/// Two patterns are equal if their texts are equal, and both are for the same paths or both for hosts.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    subject: Subject,
    matcher: Matcher,
    /// The names of its groups, in order.
    groups: Vec<Option<String>>,
    shapes: Vec<Shape>,
    template: Option<Template>,
    /// The name whose paths alone it takes, see [`Pattern::within`].
    within: Option<Box<str>>,
}

/// The simplest form that a pattern has.
#[derive(Clone)]
enum Matcher {
    /// Takes this text alone, and has no group.
    Literal(String),
    Straight(Straight),
    Expression(Regex),
}

/// What a pattern is matched against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Path,
    Host,
}

/// The decoded arguments of a request, one for each group that is passed on; `None` for a group that took no part in
/// the match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// No group is named: all groups, in order.
    Positional(Vec<Option<String>>),
    /// At least one group is named: only the named ones.
    Named(Vec<(String, Option<String>)>),
}

/// The result of matching a path.
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
    /// How to write it otherwise.
    pub hint: Option<String>,
    /// The byte in the pattern where the fault is, where that is known.
    pub offset: Option<usize>,
}

impl Pattern {
    /// A pattern for paths, in the syntax of the `regex` crate.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        Pattern::compile(text, Subject::Path, &mut Budget::unlimited())
    }

    /// A pattern for host names, which match in any case.
    pub fn host(text: &str) -> Result<Pattern, PatternError> {
        Pattern::compile(text, Subject::Host, &mut Budget::unlimited())
    }

    /// The same as [`Pattern::new`], for patterns that have a budget together.
    pub fn new_within(text: &str, budget: &mut Budget) -> Result<Pattern, PatternError> {
        Pattern::compile(text, Subject::Path, budget)
    }

    /// The same as [`Pattern::host`], for patterns that have a budget together.
    pub fn host_within(text: &str, budget: &mut Budget) -> Result<Pattern, PatternError> {
        Pattern::compile(text, Subject::Host, budget)
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many groups it has.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The same pattern, restricted to the paths of a name: `/name`, and what is below it.
    pub fn within(mut self, name: &str) -> Pattern {
        self.within = Some(name.into());
        self
    }

    /// Whether it is a part of another, made by [`Pattern::within`].
    pub fn is_part(&self) -> bool {
        self.within.is_some()
    }

    /// Whether it takes the whole of `subject`.
    pub fn matches(&self, subject: &str) -> bool {
        self.reaches(subject) && self.holds(subject)
    }

    fn reaches(&self, subject: &str) -> bool {
        match &self.within {
            None => true,
            Some(name) => owns(name, subject),
        }
    }

    fn holds(&self, subject: &str) -> bool {
        match &self.matcher {
            Matcher::Literal(literal) => literal == subject,
            Matcher::Straight(straight) => straight.take(subject, &mut Vec::new()),
            Matcher::Expression(regex) => regex.is_match(subject),
        }
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

    /// Matches `path`.
    pub(super) fn take(&self, path: &str) -> Taken {
        if !self.reaches(path) {
            return Taken::No;
        }
        if self.groups.is_empty() {
            return match self.holds(path) {
                true => Taken::Yes(Arguments::default()),
                false => Taken::No,
            };
        }
        let arguments = match &self.matcher {
            Matcher::Literal(_) => None,
            Matcher::Straight(straight) => {
                let mut texts = Vec::with_capacity(self.groups.len());
                let is_taken = straight.take(path, &mut texts);
                is_taken.then(|| self.decoded(texts.into_iter().map(Some)))
            }
            Matcher::Expression(regex) => regex.captures(path).map(|captures| {
                let groups = captures.iter().skip(1);
                self.decoded(groups.map(|group| group.map(|group| group.as_str())))
            }),
        };
        match arguments {
            None => Taken::No,
            Some(None) => Taken::NotUtf8,
            Some(Some(arguments)) => Taken::Yes(arguments),
        }
    }

    /// Decodes the texts of the groups. `None` where one isn't UTF-8.
    fn decoded<'p>(&self, texts: impl Iterator<Item = Option<&'p str>>) -> Option<Arguments> {
        if self.groups.iter().flatten().next().is_none() {
            return texts
                .map(decode)
                .collect::<Option<_>>()
                .map(Arguments::Positional);
        }
        let groups = self.groups.iter().zip(texts);
        groups
            .filter_map(|(name, text)| Some((name.clone()?, text)))
            .map(|(name, text)| Some((name, decode(text)?)))
            .collect::<Option<_>>()
            .map(Arguments::Named)
    }

    /// The only text it takes, if there is only one.
    pub(super) fn literal(&self) -> Option<&str> {
        match &self.matcher {
            Matcher::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    /// What it takes has one of these shapes.
    pub(super) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    fn compile(text: &str, subject: Subject, budget: &mut Budget) -> Result<Pattern, PatternError> {
        // Parsed alone: offsets are the author's own, and `a)|(b` can't break out of the anchors.
        let hir = ParserBuilder::new()
            .case_insensitive(subject == Subject::Host)
            .build()
            .parse(text)
            .map_err(|error| syntax_error(text, error))?;
        let mut groups = Vec::new();
        name_groups(&hir, &mut groups);
        let parts = parts(&hir);
        let matcher = match (literal(parts), Straight::of(parts)) {
            (Some(literal), _) => Matcher::Literal(literal),
            (None, Some(straight)) => Matcher::Straight(straight),
            (None, None) => Matcher::Expression(budget.build(&format!(r"\A(?:{hir})\z"))?),
        };
        Ok(Pattern {
            text: text.to_owned(),
            subject,
            matcher,
            template: Template::new(text, groups.len()),
            groups,
            shapes: shapes(&hir),
            within: None,
        })
    }
}

/// How large compiled patterns may be together, in bytes.
pub struct Budget {
    left: usize,
}

impl Budget {
    /// Of so many bytes.
    pub fn of(bytes: usize) -> Self {
        Self { left: bytes }
    }

    /// Without an end. Each pattern has its own limit all the same.
    pub fn unlimited() -> Self {
        Self { left: usize::MAX }
    }

    /// Compiles an expression, and takes its size from the budget, rounded up to one of a few.
    fn build(&mut self, expression: &str) -> Result<Regex, PatternError> {
        const SIZES: [usize; 3] = [16 * 1024, 128 * 1024, PATTERN_SIZE_LIMIT];
        let mut too_big = None;
        for size in SIZES.into_iter().filter(|size| *size <= self.left) {
            match RegexBuilder::new(expression).size_limit(size).build() {
                Ok(regex) => {
                    self.left -= size;
                    return Ok(regex);
                }
                Err(error @ regex::Error::CompiledTooBig(_)) => too_big = Some(error),
                Err(error) => return Err(build_error(error)),
            }
        }
        match too_big.filter(|_| self.left >= PATTERN_SIZE_LIMIT) {
            Some(error) => Err(build_error(error)),
            None => Err(PatternError {
                message: "all patterns together are too large once compiled".to_owned(),
                hint: Some("write fewer of them with classes and repetitions".to_owned()),
                offset: None,
            }),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text && self.subject == other.subject && self.within == other.within
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
fn decode(group: Option<&str>) -> Option<Option<String>> {
    let Some(group) = group else {
        return Some(None);
    };
    let text = percent_decode_str(group).decode_utf8().ok()?;
    Some(Some(text.into_owned()))
}

/// The text of an expression that is a literal.
fn literal(parts: &[Hir]) -> Option<String> {
    match parts {
        [only] => match only.kind() {
            HirKind::Literal(text) => String::from_utf8(text.0.to_vec()).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// The parts of an expression, without `^` and `$` at its ends, which the anchors make redundant.
fn parts(hir: &Hir) -> &[Hir] {
    let mut parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
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
    parts
}

/// Adds the names of the groups in an expression, in their order.
fn name_groups(expression: &Hir, names: &mut Vec<Option<String>>) {
    match expression.kind() {
        HirKind::Capture(capture) => {
            names.push(capture.name.as_deref().map(str::to_owned));
            name_groups(&capture.sub, names);
        }
        HirKind::Repetition(repetition) => name_groups(&repetition.sub, names),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| name_groups(part, names));
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
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
        // The enum may grow; its own text is the best there is.
        other => (other.to_string(), None, None),
    };
    PatternError {
        message,
        hint: Some(hint.unwrap_or(SYNTAX).to_owned()),
        offset,
    }
}

/// Another way to write what Python's `re` supports and the `regex` crate does not, because its matching time is
/// bounded. `rest` is the pattern from the fault on.
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
    let message = match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("the pattern is larger than {limit} bytes when compiled")
        }
        other => other.to_string(),
    };
    let hint = "write smaller repetitions, or check lengths in `prepare`";
    PatternError {
        message,
        hint: Some(hint.to_owned()),
        offset: None,
    }
}
/// Whether this path belongs to the name.
pub(super) fn owns(name: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    if name.is_empty() {
        return rest.is_empty();
    }
    let first = rest.split('/').next().unwrap_or_default();
    first == name || percent_decode(first.as_bytes()).eq(name.bytes())
}
