//! `[[route]]`: which host and path lead to which handler.
//! It never asks whether a component or a class exists: that is known only once it is compiled.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use crate::error::Position;
use crate::router::{Pattern, PatternError};

use super::handler::is_component;
use super::report::did_you_mean;
use super::section::{Section, table};
use super::value::Value;

/// One `[[route]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Which paths it takes.
    pub pattern: Pattern,
    /// Which hosts it takes; all of them if absent.
    pub host: Option<Pattern>,
    /// What it leads to.
    pub target: Target,
    /// Its name for `reverse_url`, unlike any other route's.
    pub name: Option<String>,
    /// What `initialize` is given; a builtin's are in its target.
    pub kwargs: Map<String, Json>,
    /// Where it was written, for checks that come later.
    pub positions: Positions,
}

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A handler of a component.
    Component {
        /// The component's file name in `handlers/`.
        file: String,
        /// The handler's class; may be absent where the component has one.
        class: Option<String>,
    },
    /// `builtin:redirect`, Tornado's `RedirectHandler`.
    Redirect {
        /// Where to, with `\1` or `{0}` for the groups of the pattern.
        url: String,
        /// 301 rather than 302.
        permanent: bool,
    },
    /// `builtin:error`, Tornado's `ErrorHandler`.
    Error {
        /// The status of every answer.
        status_code: u16,
    },
}

/// The places of a `[[route]]` in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// The table itself.
    pub table: Position,
    /// The value of `pattern`.
    pub pattern: Position,
    /// The value of `handler`.
    pub handler: Position,
}

/// Reads all `[[route]]` tables.
pub(super) fn read(value: Value<'_, '_>) -> Option<Vec<Route>> {
    if let DeValue::Table(_) = value.item() {
        let hint = "write `[[route]]`, once for each";
        return value.wrong("`route` is an array of tables", Some(hint.to_owned()));
    }
    let mut names = HashMap::new();
    value.list(|value| route(value, &mut names))
}

fn route<'a>(value: Value<'a, '_>, names: &mut HashMap<&'a str, usize>) -> Option<Route> {
    let mut section = table(value, "in [[route]]")?;
    let path = section.require("pattern", |value| {
        Some((pattern(value, Pattern::new)?, value.position()))
    });
    let target = target(&mut section);
    let name = section.get("name", |value| unique(value, names));
    let host = section.get("host", |value| pattern(value, Pattern::host));
    let kwargs = match target {
        Some((Target::Redirect { .. } | Target::Error { .. }, _)) => Map::new(),
        _ => section.or("kwargs", Map::new(), Value::json_table),
    };
    section.finish();

    let (path, path_position) = path?;
    let (target, target_position) = target?;
    Some(Route {
        pattern: path,
        host,
        target,
        name,
        kwargs,
        positions: Positions {
            table: value.position(),
            pattern: path_position,
            handler: target_position,
        },
    })
}

fn pattern(
    value: Value<'_, '_>,
    compile: fn(&str) -> Result<Pattern, PatternError>,
) -> Option<Pattern> {
    match compile(value.string()?) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let offset = match error.offset {
                Some(inner) => value.offset_inside(inner),
                None => value.offset(),
            };
            value.report().fault(offset, error.message, error.hint);
            None
        }
    }
}

fn target(section: &mut Section<'_, '_>) -> Option<(Target, Position)> {
    let value = section.require("handler", Some)?;
    let name = value.text()?;
    let target = match name.strip_prefix("builtin:") {
        None => component(value, name),
        Some("redirect") => section.require("kwargs", redirect),
        Some("error") => section.require("kwargs", error),
        Some("static") => value.wrong("`builtin:static` is not there yet", None),
        Some(_) => {
            let near = did_you_mean(name, ["builtin:redirect", "builtin:error"]);
            value.wrong(format!("there is no `{name}`"), near)
        }
    };
    Some((target?, value.position()))
}

/// Reads `stories.wasm#Story`.
fn component(value: Value<'_, '_>, name: &str) -> Option<Target> {
    let (file, class) = match name.split_once('#') {
        Some((file, class)) => (file, Some(class)),
        None => (name, None),
    };
    if !is_component(file) || class == Some("") {
        let example = "\"stories.wasm#Story\"";
        return value.expected("a component's file name and a class", example);
    }
    Some(Target::Component {
        file: file.to_owned(),
        class: class.map(str::to_owned),
    })
}

fn redirect(kwargs: Value<'_, '_>) -> Option<Target> {
    let mut section = table(kwargs, "in the kwargs of builtin:redirect")?;
    let url = section.require("url", Value::text);
    let permanent = section.or("permanent", true, Value::boolean);
    section.finish();
    Some(Target::Redirect {
        url: url?.to_owned(),
        permanent,
    })
}

fn error(kwargs: Value<'_, '_>) -> Option<Target> {
    let mut section = table(kwargs, "in the kwargs of builtin:error")?;
    let status_code = section.require("status_code", |value| value.count(400..=599));
    section.finish();
    Some(Target::Error {
        status_code: u16::try_from(status_code?).ok()?,
    })
}

/// A name that no route before this one has; `names` are theirs, with their lines.
fn unique<'a>(value: Value<'a, '_>, names: &mut HashMap<&'a str, usize>) -> Option<String> {
    let name = value.text()?;
    if let Some(line) = names.get(name) {
        let message = format!("the name `{name}` belongs to the route named in line {line}");
        return value.wrong(message, Some("names are for `reverse_url`".to_owned()));
    }
    names.insert(name, value.position().line);
    Some(name.to_owned())
}
