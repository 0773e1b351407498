//! `[[route]]`: which host and path lead to which handler. Never checks whether a component or a class exists: that is
//! known only once it is compiled.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use crate::base::error::Position;
use crate::base::router::{Pattern, PatternError};

use super::component::is_component;
use super::protection::{self, RouteProtection};
use super::report::did_you_mean;
use super::section::{Section, table};
use super::static_files::{self, StaticArgs};
use super::value::{MOST_BYTES, Value};

/// One `[[route]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Which paths it takes.
    pub pattern: Pattern,
    /// Which hosts it takes; all of them if absent.
    pub host: Option<Pattern>,
    /// Its name for `reverse_url`, unique among all routes.
    pub name: Option<String>,
    /// What it leads to.
    pub destination: Destination,
    /// The limits of its requests.
    pub limits: RouteLimits,
    /// The beginning of the path that its handler does not see.
    pub strip_prefix: Option<String>,
    /// Where its protection differs from the settings.
    pub protection: RouteProtection,
}

/// The limits of a route's requests. `None`: those of its component, or else of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteLimits {
    /// The largest request body, in bytes.
    pub max_body_size: Option<u64>,
    /// How long a request's body may take.
    pub body_timeout: Option<Option<Duration>>,
    /// From a request's arrival until the head of its response is out.
    pub deadline: Option<Option<Duration>>,
}

/// Where requests go, with their arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// The handler.
    pub target: Target,
    /// The arguments of `initialize`. Those of a builtin are in its target.
    pub kwargs: Map<String, Json>,
    /// The place of the handler's name, for later checks.
    pub position: Position,
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
    /// `builtin:static`, Tornado's `StaticFileHandler`.
    Static {
        /// The folder, from the app's own.
        path: PathBuf,
        /// How its files are served.
        args: StaticArgs,
    },
}

/// Reads all `[[route]]` tables. Routes below a prefix come in its place.
pub(super) fn read(value: Value<'_, '_>) -> Option<Vec<Route>> {
    let mut names = HashMap::new();
    let above = Above::default();
    routes(value, &above, &mut names)
}

/// What routes take over from the route around them.
#[derive(Clone, Default)]
struct Above {
    prefix: String,
    host: Option<Pattern>,
    protection: RouteProtection,
}

type Names<'a> = HashMap<&'a str, usize>;

fn routes<'a>(value: Value<'a, '_>, above: &Above, names: &mut Names<'a>) -> Option<Vec<Route>> {
    if let DeValue::Table(_) = value.item() {
        let hint = "write `[[route]]`, once for each; `[[route.route]]` below a prefix";
        return value.wrong("`route` is an array of tables", Some(hint.to_owned()));
    }
    let nested = value.list(|value| {
        let mut section = table(value, "in [[route]]")?;
        match section.take("prefix") {
            Some(prefix) => below(prefix, section, above, names),
            None => Some(vec![route(section, above, names)?]),
        }
    });
    Some(nested?.into_iter().flatten().collect())
}

/// The routes below a prefix.
fn below<'a>(
    prefix: Value<'a, '_>,
    mut section: Section<'a, '_>,
    above: &Above,
    names: &mut Names<'a>,
) -> Option<Vec<Route>> {
    // Checked alone first, so that its fault is reported once.
    let text = pattern(prefix, Pattern::new).map(|_| prefix.text());
    let host = section.get("host", |value| pattern(value, Pattern::host));
    let protection = protection::of_route(&mut section);
    let inner = Above {
        prefix: joined(&above.prefix, text??),
        host: host.or_else(|| above.host.clone()),
        protection: protection.or(&above.protection),
    };
    let routes = section.require("route", |value| routes(value, &inner, names));
    section.finish();
    routes
}

fn route<'a>(mut section: Section<'a, '_>, above: &Above, names: &mut Names<'a>) -> Option<Route> {
    let path = section.require("pattern", |value| {
        let own = pattern(value, Pattern::new)?;
        let text = own.text();
        if above.prefix.is_empty() && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        {
            let hint = format!("write `pattern = '/{text}'`");
            return value.wrong("it takes no path: each begins with `/`", Some(hint));
        }
        let whole = match above.prefix.is_empty() {
            true => own,
            false => match Pattern::new(&joined(&above.prefix, own.text())) {
                Ok(whole) => whole,
                Err(error) => {
                    let message = format!("below `{}`: {error}", above.prefix);
                    return value.wrong(message, error.hint);
                }
            },
        };
        Some(whole)
    });
    let destination = destination(&mut section, "handler", "kwargs");
    if let (Some(path), Some(Target::Static { .. })) = (
        &path,
        destination.as_ref().map(|destination| &destination.target),
    ) && path.groups() == 0
    {
        section.get("pattern", |value| {
            let hint = format!("write `pattern = '{}(.*)'`", path.text());
            let message = "no group of it is the path of the file";
            value.wrong::<()>(message, Some(hint))
        });
    }
    let name = section.get("name", |value| unique(value, names));
    let host = section.get("host", |value| pattern(value, Pattern::host));
    let limits = RouteLimits {
        max_body_size: section.get("max_body_size", |value| value.size(0..=MOST_BYTES)),
        body_timeout: section.get("body_timeout", Value::limit),
        deadline: section.get("deadline", Value::limit),
    };
    let protection = protection::of_route(&mut section);
    let is_builtin = destination
        .as_ref()
        .is_some_and(|destination| !matches!(destination.target, Target::Component { .. }));
    let strip_prefix = section.get("strip_prefix", |value| match is_builtin {
        true => value.wrong("a builtin has no use for `strip_prefix`", None),
        false => strip_prefix(value),
    });
    section.finish();

    Some(Route {
        pattern: path?,
        host: host.or_else(|| above.host.clone()),
        name,
        destination: destination?,
        limits,
        strip_prefix,
        protection: protection.or(&above.protection),
    })
}

/// Reads the beginning of a path, in whole segments.
fn strip_prefix(value: Value<'_, '_>) -> Option<String> {
    let text = value.text()?;
    let is_path = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if !text.starts_with('/') || text.ends_with('/') || !is_path {
        return value.expected(
            "the beginning of a path, without a `/` at its end",
            "\"/blog\"",
        );
    }
    Some(text.to_owned())
}

/// Joins two patterns. Each is anchored only at its outer end.
fn joined(prefix: &str, pattern: &str) -> String {
    let prefix = match prefix.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => rest,
        _ => prefix,
    };
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let whole = |part: &str| match part.contains('|') {
        true => format!("(?:{part})"),
        false => part.to_owned(),
    };
    whole(prefix) + &whole(pattern)
}

fn pattern(
    value: Value<'_, '_>,
    compile: fn(&str) -> Result<Pattern, PatternError>,
) -> Option<Pattern> {
    match compile(value.string()?) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let span = match error.offset {
                Some(inner) => value.span_inside(inner),
                None => value.span(),
            };
            value.report().fault(span, error.message, error.hint);
            None
        }
    }
}

/// Reads the handler in the key `handler`, and its arguments in the key `kwargs`.
pub(super) fn destination(
    section: &mut Section<'_, '_>,
    handler: &'static str,
    kwargs: &'static str,
) -> Option<Destination> {
    // The key is known, even if the handler is not valid.
    section.take(kwargs);
    let value = section.require(handler, Some)?;
    let name = value.text()?;
    let destination = |target, kwargs| Destination {
        target,
        kwargs,
        position: value.position(),
    };
    let builtin = match name.strip_prefix("builtin:") {
        None => {
            let kwargs = section.or(kwargs, Map::new(), Value::json_table);
            return Some(destination(component(value, name)?, kwargs));
        }
        Some("redirect") => section.require(kwargs, redirect),
        Some("error") => section.require(kwargs, error),
        Some("static") => section.require(kwargs, static_folder),
        Some(_) => {
            let near = did_you_mean(
                name,
                ["builtin:redirect", "builtin:error", "builtin:static"],
            );
            value.wrong(format!("there is no `{name}`"), near)
        }
    };
    Some(destination(builtin?, Map::new()))
}

/// Reads `stories.wasm#Story`.
fn component(value: Value<'_, '_>, name: &str) -> Option<Target> {
    let (file, class) = match name.split_once('#') {
        Some((file, class)) => (file, Some(class)),
        None => (name, None),
    };
    if !is_component(file) || class == Some("") {
        let example = match file
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            true if !file.is_empty() && class != Some("") => &format!("\"{file}.wasm\""),
            _ => "\"stories.wasm#Story\"",
        };
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

fn static_folder(kwargs: Value<'_, '_>) -> Option<Target> {
    let mut section = table(kwargs, "in the kwargs of builtin:static")?;
    let path = section.require("path", Value::path);
    let args = static_files::args(section);
    Some(Target::Static {
        path: path?,
        args: args?,
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

/// A name that no earlier route has; `names` has theirs, with their lines.
fn unique<'a>(value: Value<'a, '_>, names: &mut HashMap<&'a str, usize>) -> Option<String> {
    let name = value.text()?;
    if let Some(line) = names.get(name) {
        let message = format!("the name `{name}` belongs to the route named in line {line}");
        return value.wrong(message, Some("names are for `reverse_url`".to_owned()));
    }
    names.insert(name, value.position().line);
    Some(name.to_owned())
}
