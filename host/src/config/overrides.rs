//! What overrides `waterspout.toml`: `--set KEY=VALUE` and environment variables. It is put into the document before
//! that is read, so that every check holds for it, too. Does not know which keys exist.

use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::base::error::{Fault, Faults, Origin};

use super::report::Report;

/// The beginning of a variable's name.
const PREFIX: &str = "WATERSPOUT_";

/// The separator between the parts of a key in a variable's name, as in figment and config-rs.
const SEPARATOR: &str = "__";

/// The top-level tables.
const TABLES: [&str; 4] = ["server", "settings", "log", "component"];

/// One value for one key, and its source.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    origin: Origin,
    path: Vec<String>,
    value: String,
}

impl Override {
    fn new(origin: Origin, path: Vec<String>, value: String) -> Override {
        Override {
            origin,
            path: with_file_name(path),
            value,
        }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the command line sets `[settings] debug`.
    pub fn tells_debug(&self) -> bool {
        matches!(self.origin, Origin::CommandLine(_)) && self.path == ["settings", "debug"]
    }
}

/// The value may be a secret.
impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = …", self.origin)
    }
}

/// Why the argument of `--set` is not valid.
#[derive(Debug)]
pub struct NotASetting(&'static str);

impl fmt::Display for NotASetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotASetting {}

/// An argument of `--set`: `settings.debug=true`.
impl FromStr for Override {
    type Err = NotASetting;

    fn from_str(text: &str) -> Result<Override, NotASetting> {
        // A key in quotes may contain a `=`, so the first `=` after a complete key counts.
        let cuts = text.match_indices('=').map(|(at, _)| text.split_at(at));
        let mut keys = cuts.map(|(key, rest)| (key, &rest[1..], path(key)));
        let found = keys.find_map(|(key, value, path)| Some((key, value, path?)));
        let (key, value, path) = found.ok_or(match text.contains('=') {
            true => NotASetting("the key is none: for example `settings.debug=true`"),
            false => NotASetting("there is no value: for example `settings.debug=true`"),
        })?;
        let origin = Origin::CommandLine(format!("--set {}", key.trim()));
        Ok(Override::new(origin, path, value.to_owned()))
    }
}

/// The parts of a dotted key, by TOML's rules.
fn path(key: &str) -> Option<Vec<String>> {
    if key.contains('\n') {
        return None;
    }
    let text = format!("{key} = 0");
    let document = DeTable::parse(&text).ok()?;
    let mut table = document.get_ref();
    let mut path = Vec::new();
    loop {
        let (key, item) = table.iter().next()?;
        path.push(key.get_ref().to_string());
        match item.get_ref() {
            DeValue::Table(inside) => table = inside,
            _ => return Some(path),
        }
    }
}

/// Adds quotes that the shell has removed from `component."chat.wasm".memory`. A component's file always ends like
/// this.
fn with_file_name(mut path: Vec<String>) -> Vec<String> {
    let end = path.iter().position(|part| part == "wasm").unwrap_or(0);
    if path[0] == "component" && end > 1 {
        let name = path[1..=end].join(".");
        path.splice(1..=end, [name]);
    }
    path
}

/// The environment variables: `WATERSPOUT_SETTINGS__DEBUG=true`, in upper or lower case.
///
/// A variable with this beginning and without `__` is ignored, unless it looks as if the `__` was forgotten.
pub fn environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<Override>, Faults> {
    let (mut said, mut faults) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        let Some(name) = name.to_str() else { continue };
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let origin = Origin::Environment(name.to_owned());
        let path: Vec<String> = key.split(SEPARATOR).map(str::to_lowercase).collect();
        if let [alone] = &path[..] {
            if let Some((table, rest)) = forgotten(alone) {
                let meant = format!("{PREFIX}{table}{SEPARATOR}{rest}").to_uppercase();
                let fault = Fault::of(origin, "two underscores part a table from its key");
                faults.push(fault.hint(format!("did you mean `{meant}`?")));
            }
        } else if path.iter().any(String::is_empty) {
            faults.push(Fault::of(origin, "a part of the key is empty").hint(EXAMPLE));
        } else {
            match value.into_string() {
                Ok(value) => said.push(Override::new(origin, path, value)),
                Err(_) => faults.push(Fault::of(origin, "is not UTF-8")),
            }
        }
    }
    // The environment has no order. The order of the names is always the same, and puts a table before its keys.
    said.sort_by(|one, other| one.path.cmp(&other.path));
    match faults.is_empty() {
        true => Ok(said),
        false => Err(Faults::new(faults)),
    }
}

const EXAMPLE: &str = "for example `WATERSPOUT_SETTINGS__DEBUG=true`";

/// `settings_debug` → `settings` and `debug`.
fn forgotten(key: &str) -> Option<(&'static str, &str)> {
    TABLES.into_iter().find_map(|table| {
        let rest = key.strip_prefix(table)?.strip_prefix('_')?;
        Some((table, rest))
    })
}

/// A text with the file's text and then every value, so that each has its own place; and where each begins.
pub(super) fn append(text: &str, said: &[Override]) -> (String, Vec<usize>) {
    let mut all = text.to_owned();
    let begins = said.iter().map(|said| {
        all.push('\n');
        let begin = all.len();
        all.push_str(&said.value);
        begin
    });
    let begins = begins.collect();
    (all, begins)
}

/// Puts a value where its key says, in place of the old one.
pub(super) fn merge<'t>(
    document: &mut DeTable<'t>,
    said: &'t Override,
    all: &'t str,
    begin: usize,
    report: &Report<'t>,
) {
    let text = &all[begin..begin + said.value.len()];
    let span = begin..begin + text.len();
    let blanks = text.len() - text.trim_start().len();
    let value = match DeValue::parse(text.trim()) {
        Ok(value) if !is_text(document, said, value.get_ref()) => shifted(value, begin + blanks),
        _ => Spanned::new(span.clone(), DeValue::String(text.into())),
    };
    if let Err((depth, found)) = set(document, &said.path, &span, value) {
        let (key, outer) = (said.path.join("."), said.path[..depth].join("."));
        let message = format!("there can be no `{key}`: `{outer}` is {found}");
        let hint = format!("set all of `{outer}`, or take it out of waterspout.toml");
        report.fault(span, message, Some(hint));
    }
}

/// Whether a value is a string, though it reads as something else: the file says a string there, or it comes from the
/// environment, which has nothing else, to a setting of the app's own, whose type nobody knows.
fn is_text(document: &DeTable<'_>, said: &Override, value: &DeValue<'_>) -> bool {
    if let DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_) = value {
        return false;
    }
    let [first, rest @ ..] = &said.path[..] else {
        return false;
    };
    let mut known = document.get(first.as_str()).map(Spanned::get_ref);
    for key in rest {
        known = match known {
            Some(DeValue::Table(table)) => table.get(key.as_str()).map(Spanned::get_ref),
            _ => None,
        };
    }
    match known {
        Some(known) => matches!(known, DeValue::String(_)),
        None => {
            matches!(said.origin, Origin::Environment(_))
                && said.path.starts_with(&APP.map(str::to_owned))
        }
    }
}

/// Where the app's own settings are.
const APP: [&str; 2] = ["settings", "app"];

/// `Err`: how much of the path leads to a value that is no table, and the kind of that value.
fn set<'t>(
    table: &mut DeTable<'t>,
    path: &'t [String],
    span: &Range<usize>,
    value: Spanned<DeValue<'t>>,
) -> Result<(), (usize, &'static str)> {
    let [key, rest @ ..] = path else {
        return Ok(());
    };
    let named = || Spanned::new(span.clone(), key.into());
    if rest.is_empty() {
        // With its key, which has a place, too.
        table.remove(key.as_str());
        table.insert(named(), value);
        return Ok(());
    }
    if !table.contains_key(key.as_str()) {
        let empty = DeValue::Table(DeTable::new());
        table.insert(named(), Spanned::new(span.clone(), empty));
    }
    match table.get_mut(key.as_str()).map(Spanned::get_mut) {
        Some(DeValue::Table(inside)) => {
            set(inside, rest, span, value).map_err(|(depth, found)| (depth + 1, found))
        }
        Some(DeValue::Array(_)) => Err((1, "a list")),
        _ => Err((1, "no table")),
    }
}

/// The same value, with its places counted from the beginning of a longer text.
fn shifted(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let place = |span: Range<usize>| span.start + by..span.end + by;
    let span = place(value.span());
    let moved = match value.into_inner() {
        DeValue::Array(array) => {
            let items = array.into_iter().map(|item| shifted(item, by));
            DeValue::Array(items.collect::<DeArray<'_>>())
        }
        DeValue::Table(table) => {
            let entries = table.into_iter().map(|(key, item)| {
                let span = place(key.span());
                (Spanned::new(span, key.into_inner()), shifted(item, by))
            });
            DeValue::Table(entries.collect())
        }
        plain => plain,
    };
    Spanned::new(span, moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> (Vec<String>, String) {
        let said: Override = text.parse().unwrap();
        (said.path, said.value)
    }

    #[test]
    fn a_key_goes_to_the_first_sign_that_ends_one() {
        for (text, path, value) in [
            ("settings.debug=true", &["settings", "debug"][..], "true"),
            ("a.b = 1", &["a", "b"], " 1"),
            (
                "settings.app.link=/?a=b",
                &["settings", "app", "link"],
                "/?a=b",
            ),
            ("a.\"b=c.d\".e=", &["a", "b=c.d", "e"], ""),
            (
                "component.\"a.wasm\".memory=1MB",
                &["component", "a.wasm", "memory"],
                "1MB",
            ),
            (
                "component.a.b.wasm.memory=1MB",
                &["component", "a.b.wasm", "memory"],
                "1MB",
            ),
        ] {
            let path = path.iter().map(|part| (*part).to_owned()).collect();
            assert_eq!(said(text), (path, value.to_owned()), "{text}");
        }
        for text in ["", "settings.debug", "=1", "a.=1", "[a]\nb=1", "a#b=1"] {
            assert!(text.parse::<Override>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_is_meant_for_us_is_read_of_the_environment() {
        let variables = |names: &[&str]| {
            let pair = |name: &&str| (OsString::from(name), OsString::from("1"));
            environment(names.iter().map(pair).collect::<Vec<_>>())
        };
        let said = variables(&["PATH", "WATERSPOUT_RECORD", "WATERSPOUT_SETTINGS__APP__A_B"]);
        let said = said.unwrap();
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].path, ["settings", "app", "a_b"]);
        for (name, message) in [
            (
                "WATERSPOUT_SETTINGS_DEBUG",
                "WATERSPOUT_SETTINGS_DEBUG: two underscores part a table from its key\n  \
                 hint: did you mean `WATERSPOUT_SETTINGS__DEBUG`?",
            ),
            (
                "WATERSPOUT_SETTINGS__",
                "WATERSPOUT_SETTINGS__: a part of the key is empty\n  \
                 hint: for example `WATERSPOUT_SETTINGS__DEBUG=true`",
            ),
        ] {
            assert_eq!(variables(&[name]).unwrap_err().to_string(), message);
        }
    }
}
