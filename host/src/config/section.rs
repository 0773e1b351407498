//! One table of the file: keys are asked for by name, and those left over are faults. Does not know which keys exist:
//! the reader of a table asks for them.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::base::error::Position;

use super::report::{Report, did_you_mean};
use super::value::Value;

/// A table that is being read.
///
/// A wrong value is reported and then treated as absent, so that one run finds all faults.
pub(super) struct Section<'a, 't> {
    report: &'a Report<'t>,
    name: String,
    span: Range<usize>,
    table: &'a DeTable<'t>,
    asked: Vec<&'static str>,
}

impl<'a, 't> Section<'a, 't> {
    /// `name` is for faults: an unknown key is `in [server]`.
    pub(super) fn new(
        report: &'a Report<'t>,
        name: impl fmt::Display,
        span: Range<usize>,
        table: &'a DeTable<'t>,
    ) -> Section<'a, 't> {
        Section {
            report,
            name: name.to_string(),
            span,
            table,
            asked: Vec::new(),
        }
    }

    /// The raw value of a key. The key counts as known from then on.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'a, 't>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let item = self.table.get(key)?;
        Some(Value::new(self.report, key, item))
    }

    /// The value of a key that may be absent.
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Value<'a, 't>) -> Option<T>,
    ) -> Option<T> {
        self.take(key).and_then(read)
    }

    /// The value of a key that has a default.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(Value<'a, 't>) -> Option<T>,
    ) -> T {
        self.get(key, read).unwrap_or(default)
    }

    /// The value of a key that must exist.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Value<'a, 't>) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(key);
        if value.is_none() {
            let message = format!("`{key}` is missing {}", self.name);
            self.report.fault(self.span.clone(), message, None);
        }
        value.and_then(read)
    }

    /// All entries of a table whose keys are the user's own.
    pub(super) fn entries(self) -> impl Iterator<Item = (Key<'a, 't>, Value<'a, 't>)> {
        let report = self.report;
        self.table.iter().map(move |(key, item)| {
            let value = Value::new(report, key.get_ref(), item);
            (Key { report, key }, value)
        })
    }

    /// Reports a key by an old name; `hint` has the new one.
    pub(super) fn renamed(&mut self, key: &'static str, hint: &str) {
        let Some((found, _)) = self.table.get_key_value(key) else {
            return;
        };
        self.asked.push(key);
        let message = format!("`{key}` is no key {}", self.name);
        self.report
            .fault(found.span(), message, Some(hint.to_owned()));
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        self.finish_with(|_| String::new());
    }

    /// The same. There may be more to say about a key that is like no other.
    pub(super) fn finish_with(self, more: impl Fn(&str) -> String) {
        for key in self.table.keys() {
            let word: &str = key.get_ref();
            if self.asked.contains(&word) {
                continue;
            }
            let near = did_you_mean(word, self.asked.iter().copied());
            let known = || format!("known keys: `{}`{}", self.asked.join("`, `"), more(word));
            self.report.fault(
                key.span(),
                format!("unknown key `{word}` {}", self.name),
                Some(near.unwrap_or_else(known)),
            );
        }
    }
}

/// A key of the user's own.
#[derive(Clone, Copy)]
pub(super) struct Key<'a, 't> {
    report: &'a Report<'t>,
    key: &'a Spanned<DeString<'t>>,
}

impl<'a> Key<'a, '_> {
    /// Its place.
    pub(super) fn position(&self) -> Position {
        self.report.position(self.key.span())
    }

    pub(super) fn text(&self) -> &'a str {
        self.key.get_ref()
    }

    /// Reports what is wrong with the key.
    pub(super) fn wrong<T>(&self, message: impl Into<String>, hint: Option<String>) -> Option<T> {
        self.report.fault(self.key.span(), message, hint);
        None
    }
}

/// Reads a value that must be a table.
pub(super) fn table<'a, 't>(
    value: Value<'a, 't>,
    name: impl fmt::Display,
) -> Option<Section<'a, 't>> {
    match value.item() {
        DeValue::Table(table) => Some(Section::new(value.report(), name, value.span(), table)),
        _ => value.expected("a table", "{ … }"),
    }
}
