//! `[log]`: which lines are written, and their form. Writes no log.

use std::fmt;
use std::str::FromStr;

use super::report::did_you_mean;
use super::section::table;
use super::value::Value;

/// The `[log]` table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// The lowest level of each log that is written.
    pub level: Levels,
    /// The form of lines.
    pub format: Format,
    /// The form of the access log's lines as text; absent: Tornado's.
    pub access: Option<AccessFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// `[I 260101 12:00:00 access] 200 GET / (127.0.0.1) 0.52ms`
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The lowest level that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Everything.
    Debug,
    /// Normal events.
    #[default]
    Info,
    /// Possible faults.
    Warn,
    /// Faults.
    Error,
    /// Nothing.
    Off,
}

const LEVELS: [(&str, Level); 5] = [
    ("debug", Level::Debug),
    ("info", Level::Info),
    ("warn", Level::Warn),
    ("error", Level::Error),
    ("off", Level::Off),
];

/// A level for each of the three logs. `None`: it is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// For answered requests.
    pub access: Option<Level>,
    /// For messages of guests.
    pub app: Option<Level>,
    /// For the server itself.
    pub general: Option<Level>,
}

impl Levels {
    /// These levels, and those of `others` where they are not set.
    pub fn or(self, others: Levels) -> Levels {
        Levels {
            access: self.access.or(others.access),
            app: self.app.or(others.app),
            general: self.general.or(others.general),
        }
    }

    fn one(&mut self, log: &str) -> Option<&mut Option<Level>> {
        match log {
            "access" => Some(&mut self.access),
            "app" => Some(&mut self.app),
            "general" => Some(&mut self.general),
            _ => None,
        }
    }
}

/// Why a text is not a list of levels.
#[derive(Debug, PartialEq, Eq)]
pub struct NotALevel {
    message: String,
    hint: String,
}

impl fmt::Display for NotALevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.hint)
    }
}

impl std::error::Error for NotALevel {}

/// `warn`, `access=warn,app=debug` or `warn,app=debug`: a level alone is for all logs that are not named.
impl FromStr for Levels {
    type Err = NotALevel;

    fn from_str(text: &str) -> Result<Levels, NotALevel> {
        let (mut named, mut all) = (Levels::default(), None);
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => all = Some(level(part)?),
                Some((log, word)) => {
                    let known = ["access", "app", "general"];
                    let unknown = || NotALevel {
                        message: format!("there is no log `{log}`"),
                        hint: did_you_mean(log, known)
                            .unwrap_or_else(|| "there are `access`, `app` and `general`".into()),
                    };
                    *named.one(log).ok_or_else(unknown)? = Some(level(word)?);
                }
            }
        }
        Ok(named.or(Levels {
            access: all,
            app: all,
            general: all,
        }))
    }
}

fn level(word: &str) -> Result<Level, NotALevel> {
    let found = LEVELS.iter().find(|(name, _)| *name == word);
    found.map(|(_, level)| *level).ok_or_else(|| {
        let names = LEVELS.map(|(name, _)| name);
        NotALevel {
            message: format!("there is no level `{word}`"),
            hint: did_you_mean(word, names)
                .unwrap_or_else(|| format!("one of `{}`", names.join("`, `"))),
        }
    })
}

/// The form of a line of the access log, with names of fields: `{status} {method} {uri}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFormat {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(&'static str),
}

impl AccessFormat {
    /// All fields that a line may have.
    pub const FIELDS: [&'static str; 8] = [
        "status",
        "method",
        "uri",
        "remote_ip",
        "ms",
        "request_id",
        "generation",
        "handler",
    ];

    /// Whether the line has this field.
    pub fn names(&self, field: &str) -> bool {
        let is = |piece: &Piece| matches!(piece, Piece::Field(name) if *name == field);
        self.pieces.iter().any(is)
    }

    /// The line, with the value of each field in its place.
    pub fn fill(&self, field: impl Fn(&'static str) -> String) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(name) => field(name),
        });
        pieces.collect()
    }

    /// Reads a format. The error has the byte where it is wrong, the part that is wrong, and how to mend it.
    fn parse(text: &str) -> Result<AccessFormat, (usize, String, String)> {
        let mut pieces = vec![Piece::Text(String::new())];
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let brace = text.len() - rest.len() + at;
            let (before, from) = rest.split_at(at);
            plain(&mut pieces, before);
            if from.starts_with("{{") || from.starts_with("}}") {
                plain(&mut pieces, &from[..1]);
                rest = &from[2..];
                continue;
            }
            let lonely = |sign| {
                let hint = format!("for the sign itself write it twice, `{sign}{sign}`");
                (brace, format!("a `{sign}` without its other"), hint)
            };
            let inside = from.strip_prefix('{').ok_or_else(|| lonely('}'))?;
            let (name, after) = inside.split_once('}').ok_or_else(|| lonely('{'))?;
            let known = Self::FIELDS.into_iter().find(|field| *field == name);
            let field = known.ok_or_else(|| {
                let hint = did_you_mean(name, Self::FIELDS)
                    .unwrap_or_else(|| format!("known fields: `{}`", Self::FIELDS.join("`, `")));
                (brace, format!("unknown field `{name}`"), hint)
            })?;
            pieces.push(Piece::Field(field));
            rest = after;
        }
        plain(&mut pieces, rest);
        Ok(AccessFormat { pieces })
    }
}

fn plain(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// Reads the table.
pub(super) fn read(value: Value<'_, '_>) -> Option<Log> {
    let mut section = table(value, "in [log]")?;
    let log = Log {
        level: section.or("level", Levels::default(), levels),
        format: section.or("format", Format::default(), |value| {
            value.choice(&[("text", Format::Text), ("json", Format::Json)])
        }),
        access: section.get("access", access),
    };
    section.finish();
    Some(log)
}

fn levels(value: Value<'_, '_>) -> Option<Levels> {
    match value.text()?.parse() {
        Ok(levels) => Some(levels),
        Err(NotALevel { message, hint }) => value.wrong(message, Some(hint)),
    }
}

fn access(value: Value<'_, '_>) -> Option<AccessFormat> {
    match AccessFormat::parse(value.text()?) {
        Ok(format) => Some(format),
        Err((at, message, hint)) => {
            let span = value.span_inside(at);
            value.report().fault(span, message, Some(hint));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_alone_is_for_the_logs_that_are_not_named() {
        let levels: Levels = "app=debug, warn".parse().unwrap();
        let (app, others) = (Some(Level::Debug), Some(Level::Warn));
        assert_eq!(
            (levels.access, levels.app, levels.general),
            (others, app, others)
        );
        let levels: Levels = "access=off".parse().unwrap();
        assert_eq!((levels.access, levels.app), (Some(Level::Off), None));
        for (text, wrong) in [
            ("", "there is no level ``"),
            ("warning", "one of `debug`, `info`, `warn`"),
            ("acess=info", "did you mean `access`?"),
            ("app=", "there is no level ``"),
        ] {
            let error = text.parse::<Levels>().unwrap_err().to_string();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }

    #[test]
    fn a_line_is_filled_in() {
        let format = AccessFormat::parse("{{{status}}} {uri}!").unwrap();
        assert!(format.names("uri") && !format.names("ms"));
        assert_eq!(format.fill(|name| name.to_uppercase()), "{STATUS} URI!");
        for (text, at, message) in [
            ("a {uri", 2, "a `{` without its other"),
            ("a } b", 2, "a `}` without its other"),
            ("{uri} {statuss}", 6, "unknown field `statuss`"),
        ] {
            let (place, said, _) = AccessFormat::parse(text).unwrap_err();
            assert_eq!((place, said.as_str()), (at, message), "{text}");
        }
    }
}
