//! One value of the file, read as the type that its key wants. Never uses a default: `None` means that the fault has
//! been reported.

use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Number, Value as Json};
use toml::Spanned;
use toml::de::{DeArray, DeFloat, DeInteger, DeTable, DeValue};

use crate::base::error::Position;

use super::report::{Report, did_you_mean};
use super::units;

/// The largest number of things.
pub(super) const MOST: usize = 1_000_000;
/// The largest number of bytes.
pub(super) const MOST_BYTES: u64 = 1024 * units::GB;

/// A value, its key, and where to report its faults.
#[derive(Clone, Copy)]
pub(super) struct Value<'a, 't> {
    report: &'a Report<'t>,
    key: &'a str,
    item: &'a Spanned<DeValue<'t>>,
}

impl<'a, 't> Value<'a, 't> {
    pub(super) fn new(
        report: &'a Report<'t>,
        key: &'a str,
        item: &'a Spanned<DeValue<'t>>,
    ) -> Value<'a, 't> {
        Value { report, key, item }
    }

    pub(super) fn report(&self) -> &'a Report<'t> {
        self.report
    }

    pub(super) fn item(&self) -> &'a DeValue<'t> {
        self.item.get_ref()
    }

    /// The value's bytes in the file.
    pub(super) fn span(&self) -> Range<usize> {
        self.item.span()
    }

    /// Its place in the file.
    pub(super) fn position(&self) -> Position {
        self.report.position(self.span())
    }

    /// The place in the file of byte `inner` of this string, if the file has it without escapes; else the place of the
    /// string.
    pub(super) fn span_inside(&self, inner: usize) -> Range<usize> {
        let source = self.report.text().get(self.item.span()).unwrap_or_default();
        let plain = match (source.as_bytes(), self.item()) {
            // As long as its value and two quotes: no escapes, no second and third quote.
            ([b'\'' | b'"', ..], DeValue::String(text)) => source.len() == text.len() + 2,
            _ => false,
        };
        if plain {
            let begin = self.span().start + 1 + inner;
            begin..begin
        } else {
            self.span()
        }
    }

    /// Reports a fault of the value.
    pub(super) fn wrong<T>(&self, message: impl Into<String>, hint: Option<String>) -> Option<T> {
        self.report.fault(self.span(), message, hint);
        None
    }

    /// Reports a value of the wrong type or shape, and shows a right one.
    pub(super) fn expected<T>(&self, what: &str, example: &str) -> Option<T> {
        let found = match self.item() {
            // A URL may have a password in it.
            DeValue::String(text) if text.len() > 40 || text.contains('@') => {
                "this string".to_owned()
            }
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(bool) => bool.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.wrong(
            format!("`{}` must be {what}, not {found}", self.key),
            Some(format!("for example `{} = {example}`", self.key)),
        )
    }

    /// Any string.
    pub(super) fn string(self) -> Option<&'a str> {
        match self.as_text() {
            Some(text) => Some(text),
            None => self.expected("a string", "\"…\""),
        }
    }

    /// The text of a string. What overrides the file may also be a number or the like, and is meant as it is written.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        match self.item.get_ref() {
            DeValue::String(text) => Some(text),
            DeValue::Array(_) | DeValue::Table(_) => None,
            _ => self.report.overriding_text(self.span()),
        }
    }

    /// Any string. What stands in its place is not shown: it may be a secret.
    pub(super) fn secret(self) -> Option<&'a str> {
        match self.as_text() {
            Some(text) => Some(text),
            None => self.wrong(
                format!("`{}` must be a string", self.key),
                Some(format!("for example `{} = \"…\"`", self.key)),
            ),
        }
    }

    /// A string, read by `FromStr`.
    pub(super) fn parse<T: FromStr>(self, what: &str, example: &str) -> Option<T> {
        match self.item() {
            DeValue::String(text) => text.parse().ok(),
            _ => None,
        }
        .or_else(|| self.expected(what, example))
    }

    /// A path that isn't empty.
    pub(super) fn path(self) -> Option<PathBuf> {
        self.text().map(PathBuf::from)
    }

    /// A string that is not empty.
    pub(super) fn text(self) -> Option<&'a str> {
        match self.string()? {
            "" => self.wrong(format!("`{}` is empty", self.key), None),
            text => Some(text),
        }
    }

    pub(super) fn boolean(self) -> Option<bool> {
        match self.item() {
            DeValue::Boolean(bool) => Some(*bool),
            _ => self.expected("true or false", "true"),
        }
    }

    /// A whole number of things.
    pub(super) fn count(self, range: RangeInclusive<usize>) -> Option<usize> {
        match self.item() {
            DeValue::Integer(number) => integer(number)
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| range.contains(number)),
            _ => None,
        }
        .or_else(|| {
            let (least, most) = range.into_inner();
            self.expected(
                &format!("a number from {least} to {most}"),
                &least.max(1).to_string(),
            )
        })
    }

    /// Bytes: a string with a unit, or a plain number.
    pub(super) fn size(self, range: RangeInclusive<u64>) -> Option<u64> {
        let size = match self.item() {
            DeValue::Integer(number) => integer(number).and_then(|size| u64::try_from(size).ok()),
            DeValue::String(text) => units::size(text),
            _ => None,
        };
        match size {
            Some(size) if range.contains(&size) => Some(size),
            Some(size) => {
                let (least, most) = range.into_inner();
                let [least, most, size] = [least, most, size].map(units::show_size);
                let message = format!("`{}` must be {least} to {most}, not {size}", self.key);
                self.wrong(message, None)
            }
            None => self.expected("a size in bytes, KB, MB or GB", "\"10MB\""),
        }
    }

    /// A duration, which may be zero.
    pub(super) fn duration(self) -> Option<Duration> {
        match self.item() {
            DeValue::String(text) => units::duration(text),
            _ => None,
        }
        .or_else(|| self.expected("a duration in ms, s, m or h, up to a year", "\"10s\""))
    }

    /// A limit of time, or `"off"`.
    pub(super) fn limit(self) -> Option<Option<Duration>> {
        if self.is_off() {
            return Some(None);
        }
        let limit = self.duration()?;
        if limit.is_zero() {
            return self.wrong(
                format!("`{}` leaves no time at all", self.key),
                Some(format!("for no limit write `{} = \"off\"`", self.key)),
            );
        }
        Some(Some(limit))
    }

    /// Whether it is `"off"`.
    pub(super) fn is_off(self) -> bool {
        matches!(self.item(), DeValue::String(text) if text == "off")
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(self, choices: &[(&'static str, T)]) -> Option<T> {
        let word = self.string()?;
        let found = choices.iter().find(|(name, _)| *name == word);
        found.map(|(_, choice)| *choice).or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let near = did_you_mean(word, names.iter().copied());
            let all = || format!("one of `{}`", names.join("`, `"));
            self.wrong(
                format!("`{}` can't be `{word}`", self.key),
                Some(near.unwrap_or_else(all)),
            )
        })
    }

    /// Every element of an array. Wrong ones are reported and left out.
    pub(super) fn list<T>(
        self,
        mut read: impl FnMut(Value<'a, 't>) -> Option<T>,
    ) -> Option<Vec<T>> {
        match self.item() {
            DeValue::Array(array) => Some(
                array
                    .iter()
                    .filter_map(|item| read(Value { item, ..self }))
                    .collect(),
            ),
            DeValue::String(text) if text.len() <= 40 && !text.contains('@') => {
                self.expected("an array", &format!("[{text:?}]"))
            }
            _ => self.expected("an array", "[…]"),
        }
    }

    /// A table of anything, as JSON.
    pub(super) fn json_table(self) -> Option<Map<String, Json>> {
        match self.item() {
            DeValue::Table(table) => self.json_members(table),
            _ => self.expected("a table", "{ … }"),
        }
    }

    /// Anything, as JSON.
    pub(super) fn json(self) -> Option<Json> {
        match self.item() {
            DeValue::String(text) => Some(Json::from(text.as_ref())),
            DeValue::Integer(number) => match integer(number) {
                Some(number) => Some(Json::from(number)),
                None => self.wrong(format!("{number} is too large a number"), None),
            },
            DeValue::Float(number) => match float(number) {
                Some(number) => Some(Json::Number(number)),
                None => self.wrong(
                    format!("{number} has no counterpart in JSON"),
                    Some("write it as a string".to_owned()),
                ),
            },
            DeValue::Boolean(bool) => Some(Json::from(*bool)),
            DeValue::Datetime(date) => Some(Json::from(date.to_string())),
            DeValue::Array(array) => self.json_elements(array),
            DeValue::Table(table) => self.json_members(table).map(Json::Object),
        }
    }

    fn json_elements(self, array: &'a DeArray<'t>) -> Option<Json> {
        let elements = array.iter().map(|item| Value { item, ..self }.json());
        elements.collect::<Option<_>>().map(Json::Array)
    }

    fn json_members(self, table: &'a DeTable<'t>) -> Option<Map<String, Json>> {
        let members = table.iter().map(|(key, item)| {
            let json = Value { item, ..self }.json()?;
            Some((key.get_ref().to_string(), json))
        });
        members.collect()
    }
}

/// The number, if it is in TOML's range.
fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// The number, if JSON can have it.
fn float(number: &DeFloat<'_>) -> Option<Number> {
    number.as_str().parse().ok().and_then(Number::from_f64)
}
