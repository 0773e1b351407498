//! `[settings]`: Tornado's Application settings, under their names.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::cookie_secret::{self, CookieSecret};
use super::protection::{self, Protection};
use super::route::{self, Destination};
use super::section::{Section, table};
use super::static_files::{self, StaticArgs, StaticPath};
use super::units::MB;
use super::value::{MOST_BYTES, Value};

/// The `[settings]` table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Whether clients see stack traces, and templates and hashes are not cached.
    pub debug: bool,
    /// Whether bodies of responses are compressed.
    pub compress_response: bool,
    /// The secret for signed cookies.
    pub cookie_secret: Option<CookieSecret>,
    /// The page on which users log in, for handlers that ask who the user is.
    pub login_url: Option<String>,
    /// What is refused before a handler runs.
    pub protection: Protection,
    /// The host whose routes count for hosts without routes: Tornado's `default_host`.
    pub default_host: Option<String>,
    /// The destination of a path without a route, in place of a 404.
    pub default_handler: Option<Destination>,
    /// The folder of static files.
    pub static_path: StaticPath,
    /// Where in the app's URLs they are; `None`: [`STATIC_URL_PREFIX`].
    pub static_url_prefix: Option<String>,
    /// How they are served.
    pub static_handler_args: StaticArgs,
    /// How often clients of WebSockets are pinged: Tornado's `websocket_ping_interval`.
    pub websocket_ping_interval: Option<Duration>,
    /// How long the answer may take; `None`: as long as the interval.
    pub websocket_ping_timeout: Option<Duration>,
    /// The most bytes of a message; `None`: [`MAX_MESSAGE`].
    pub websocket_max_message_size: Option<u64>,
    /// The app's own settings, for its handlers.
    pub app: Map<String, Json>,
}

/// Tornado's default for `static_url_prefix`.
pub const STATIC_URL_PREFIX: &str = "/static/";

/// Tornado's default for `websocket_max_message_size`.
pub const MAX_MESSAGE: u64 = 10 * MB;

/// Reads the table.
pub(super) fn read(value: Value<'_, '_>) -> Option<Settings> {
    let mut section = table(value, "in [settings]")?;
    let settings = Settings {
        debug: section.or("debug", false, Value::boolean),
        compress_response: section.or("compress_response", false, Value::boolean),
        cookie_secret: cookie_secret::read(&mut section),
        login_url: section.get("login_url", Value::text).map(str::to_owned),
        protection: protection::read(&mut section),
        default_host: section.get("default_host", Value::text).map(str::to_owned),
        default_handler: default_handler(&mut section),
        static_path: section.or("static_path", StaticPath::Usual, static_files::path),
        static_url_prefix: section.get("static_url_prefix", url_prefix),
        static_handler_args: section.or("static_handler_args", StaticArgs::default(), |value| {
            static_files::args(table(value, "in `static_handler_args`")?)
        }),
        websocket_ping_interval: section.or("websocket_ping_interval", None, Value::limit),
        websocket_ping_timeout: section.or("websocket_ping_timeout", None, Value::limit),
        websocket_max_message_size: section.get("websocket_max_message_size", |value| {
            value.size(1..=MOST_BYTES)
        }),
        app: section.or("app", Map::new(), Value::json_table),
    };
    section.finish_with(|key| {
        format!("; a setting of the app's own belongs into `app`: `app = {{ {key} = … }}`")
    });
    Some(settings)
}

/// Reads the beginning of URLs, which may end in the middle of a segment.
fn url_prefix(value: Value<'_, '_>) -> Option<String> {
    let text = value.text()?;
    let is_path = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if !text.starts_with('/') || text.starts_with("//") || !is_path {
        return value.expected("the beginning of a path", "\"/static/\"");
    }
    Some(text.to_owned())
}

fn default_handler(section: &mut Section<'_, '_>) -> Option<Destination> {
    const CLASS: &str = "default_handler_class";
    const ARGS: &str = "default_handler_args";
    if section.take(CLASS).is_none() {
        let alone = format!("`{ARGS}` needs a `{CLASS}`");
        return section.take(ARGS)?.wrong(alone, None);
    }
    route::destination(section, CLASS, ARGS)
}
