//! `waterspout.toml`: from text to a validated [`Config`], or to every fault of the file. Never looks at anything
//! except that text and what overrides it: whether components exist is checked above.
//!
//! Every limit has its name here. A missing key has the default of its field, a wrong value is a fault with its place
//! in the file.

mod allow;
mod command_line;
mod component;
mod cookie_secret;
mod http_client;
mod kv;
mod limits;
mod listen;
mod log;
mod overrides;
mod protection;
mod report;
mod route;
mod schedule;
mod section;
mod server;
mod settings;
mod static_files;
mod tcp;
mod tls;
mod units;
mod value;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use toml::de::DeTable;

use crate::base::error::{Fault, Faults, Origin, Position};
use crate::base::files;

pub use allow::{Allow, AllowPositions, GrantKey};
pub use command_line::Overrides;
pub use component::{Component, Isolation, PYTHON, Spanned, is_python};
pub use cookie_secret::{CookieSecret, Secret, SecretSource};
pub use http_client::{HttpClient, Proxy};
pub use kv::Kv;
pub use limits::{Limits, StreamLimits};
pub use listen::{Listen, NotAnAddress};
pub use log::{AccessFormat, Format, Level, Levels, Log, NotALevel};
pub use overrides::{Override, environment};
pub use protection::{Guard, Protection, RouteProtection};
pub use report::line_to_show;
pub use route::{Destination, Route, RouteLimits, Target};
pub use schedule::Schedule;
pub use server::Server;
pub use settings::{MAX_MESSAGE, STATIC_URL_PREFIX, Settings};
pub use static_files::{STATIC_FOLDER, StaticArgs, StaticPath};
pub use tcp::{TcpListen, TcpTls};
pub use tls::{Certificate, ClientAuth, Tls};
pub use units::{duration, show_duration, show_size};

use report::Report;
use section::Section;

/// The file's name in the app's folder.
pub const FILE_NAME: &str = "waterspout.toml";

/// All settings of `waterspout.toml`, with defaults for missing keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[server]`.
    pub server: Server,
    /// `[settings]`.
    pub settings: Settings,
    /// `[log]`.
    pub log: Log,
    /// `[kv]`.
    pub kv: Kv,
    /// `[http_client]`.
    pub http_client: HttpClient,
    /// `[[route]]`, in order.
    pub routes: Vec<Route>,
    /// `[[schedule]]`, in order.
    pub schedules: Vec<Schedule>,
    /// `[[tcp]]`, in order.
    pub tcp: Vec<TcpListen>,
    /// `[component."…"]` by file name.
    pub components: BTreeMap<String, Spanned>,
    /// The result of [`Config::component`] for all others.
    unnamed: Component,
    /// The source of each text that overrides the file.
    overriding: Vec<Origin>,
}

impl Config {
    /// Reads an app's file, and applies what overrides it.
    pub fn load(app: &Path, said: &[Override]) -> Result<Config, Faults> {
        Config::of(Config::text(app)?.as_deref(), app, said)
    }

    /// The text of an app's file. `None`: there is none.
    pub fn text(app: &Path) -> Result<Option<String>, Faults> {
        let file = app.join(FILE_NAME);
        let fault = |message: String| Faults::from(Fault::in_file(&file, message));
        match files::read(&file, files::MAX_TEXT) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(fault("is not UTF-8".to_owned())),
            },
            Err(error) if error.kind() == ErrorKind::NotFound && !file.is_symlink() => Ok(None),
            Err(error) => Err(fault(format!("can't be read: {error}"))),
        }
    }

    /// Reads the text of an app's file, and applies what overrides it. A missing file means all defaults. An empty one
    /// is a fault: more likely its writer has not finished than that all settings are meant to go.
    pub fn of(text: Option<&str>, app: &Path, said: &[Override]) -> Result<Config, Faults> {
        let file = app.join(FILE_NAME);
        match text {
            Some(text) if is_emptied(text) => {
                let begin = Position::at(1, 1);
                let fault = Fault::at(&file, begin, "the file is empty");
                Err(fault.hint("remove the file to have the defaults").into())
            }
            text => Config::parse_overridden(text.unwrap_or_default(), &file, said),
        }
    }

    /// Reads the text of `file`, which is only named in faults. A text without settings means all defaults.
    pub fn parse(text: &str, file: &Path) -> Result<Config, Faults> {
        Config::parse_overridden(text, file, &[])
    }

    fn parse_overridden(text: &str, file: &Path, said: &[Override]) -> Result<Config, Faults> {
        let (all, begins) = overrides::append(text, said);
        let origins = said.iter().map(Override::origin);
        let report = Report::new(file, &all, begins.iter().copied().zip(origins).collect());
        let (document, errors) = DeTable::parse_recoverable(&all[..text.len()]);
        if errors.is_empty() {
            let mut document = document.into_inner();
            for (said, begin) in said.iter().zip(begins) {
                overrides::merge(&mut document, said, &all, begin, &report);
            }
            let root = Section::new(&report, "at the top level", 0..0, &document);
            let config = Config {
                overriding: said.iter().map(Override::origin).cloned().collect(),
                ..read(root)
            };
            return report.finish(config);
        }
        // Text that was recovered may have another meaning: only errors of syntax are reported.
        for error in errors {
            let span = error.span().unwrap_or_default();
            report.fault(span, error.message(), hint_of_syntax(error.message()));
        }
        report.finish(Config::default())
    }

    /// A fault at a position: in `file`, or in what overrides it.
    pub fn fault(&self, file: &Path, position: Position, message: impl Into<String>) -> Fault {
        let origin = position.overriding.checked_sub(1);
        match origin.and_then(|number| self.overriding.get(number)) {
            Some(origin) => Fault::of(origin.clone(), message),
            None => Fault::at(file, position, message),
        }
    }

    /// A position for a value that is not from the file.
    pub fn said_by(&mut self, origin: Origin) -> Position {
        self.overriding.push(origin);
        Position {
            overriding: self.overriding.len(),
            ..Position::WHOLE_FILE
        }
    }

    /// All destinations in the configuration: of its routes, and the default handler.
    pub fn destinations(&self) -> impl Iterator<Item = &Destination> {
        let routes = self.routes.iter().map(|route| &route.destination);
        routes.chain(&self.settings.default_handler)
    }

    /// The limits of a connection. Its body limit is the largest of all components.
    pub fn limits(&self) -> Limits {
        let components = self.components.values();
        let largest = components.filter_map(|spanned| spanned.component.max_body_size);
        let of_routes = self.routes.iter();
        let of_routes = of_routes.filter_map(|route| route.limits.max_body_size);
        let largest = largest.chain(of_routes);
        let server = self.server.limits();
        Limits {
            max_body_size: largest.fold(server.max_body_size, u64::max),
            ..server
        }
    }

    /// Whether the configuration leads a route to this component.
    pub fn routes_to(&self, component: &str) -> bool {
        self.destinations().any(|destination| {
            matches!(&destination.target, Target::Component { file, .. } if file == component)
        })
    }

    /// The limits of a component, by its file name: its own table's, or else the defaults.
    pub fn component(&self, file: &str) -> &Component {
        match self.components.get(file) {
            Some(spanned) => &spanned.component,
            None => &self.unnamed,
        }
    }
}

/// Whether a text is empty, without even a comment.
fn is_emptied(text: &str) -> bool {
    text.trim().is_empty()
}

fn read(mut root: Section<'_, '_>) -> Config {
    let server = root.get("server", server::read).unwrap_or_default();
    let settings = root.get("settings", settings::read).unwrap_or_default();
    let log = root.get("log", log::read).unwrap_or_default();
    let kv = root.get("kv", kv::read).unwrap_or_default();
    let http_client = root
        .get("http_client", http_client::read)
        .unwrap_or_default();
    let routes = root.get("route", route::read).unwrap_or_default();
    let schedules = root.get("schedule", schedule::read).unwrap_or_default();
    let tcp = root.get("tcp", tcp::read).unwrap_or_default();
    let largest = server.max_instance_memory;
    let unnamed = Component::unnamed(largest);
    let components = root
        .get("component", |value| {
            component::read(value, &unnamed, largest)
        })
        .unwrap_or_default();
    root.renamed(
        "handler",
        "it configures a component: write `[component.\"file.wasm\"]`",
    );
    root.finish();
    Config {
        server,
        settings,
        log,
        kv,
        http_client,
        routes,
        schedules,
        tcp,
        components,
        unnamed,
        overriding: Vec::new(),
    }
}

/// What to do about TOML that is none, where the usual mistake is known.
fn hint_of_syntax(message: &str) -> Option<String> {
    let hint = if message.contains("escaped value") || message.contains("escape sequence") {
        "in double quotes a `\\` begins an escape; a pattern stands in single quotes: `pattern = '/story/(\\d+)'`"
    } else if message.contains("invalid float") || message.contains("string values must be quoted")
    {
        "a text stands in quotes: `\"…\"`"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests;
