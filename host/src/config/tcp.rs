//! `[[tcp]]`: where the host listens for streams, and which handler serves them. Never checks whether the component or
//! the handler exists: that is known only once it is compiled.

use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use crate::base::error::Position;

use super::component::is_component;
use super::listen::{self, Listen};
use super::section::{Section, table};
use super::tls::{self, Tls};
use super::value::Value;

/// One `[[tcp]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpListen {
    /// The addresses, at least one.
    pub listen: Vec<Listen>,
    /// The component's file name in `handlers/`.
    pub file: String,
    /// The handler's class; may be absent where the component has one.
    pub class: Option<String>,
    /// The arguments of `initialize`.
    pub kwargs: Map<String, Json>,
    /// The certificates, for streams that are or may be encrypted.
    pub tls: Option<TcpTls>,
    /// The place of the addresses.
    pub listen_at: Position,
    /// The place of the handler's name, for later checks.
    pub position: Position,
}

/// How the streams of a listener are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpTls {
    /// The certificates.
    pub tls: Tls,
    /// Whether TLS begins with the stream; else the handler begins it.
    pub start: bool,
}

/// Reads all `[[tcp]]` tables.
pub(super) fn read(value: Value<'_, '_>) -> Option<Vec<TcpListen>> {
    if let DeValue::Table(_) = value.item() {
        let hint = "write `[[tcp]]`, once for each handler";
        return value.wrong("`tcp` is an array of tables", Some(hint.to_owned()));
    }
    let mut known = Vec::new();
    value.list(|value| one(table(value, "in [[tcp]]")?, &mut known))
}

fn one(mut section: Section<'_, '_>, known: &mut Vec<Listen>) -> Option<TcpListen> {
    let listen = section.require("listen", |value| {
        let at = value.position();
        let listen = match value.item() {
            DeValue::Array(_) => value.list(|value| address(value, known))?,
            _ => vec![address(value, known)?],
        };
        match listen.is_empty() {
            true => value.wrong("it listens nowhere", Some(EXAMPLE.to_owned())),
            false => Some((listen, at)),
        }
    });
    let handler = section.require("handler", |value| {
        let name = value.text()?;
        let (file, class) = match name.split_once('#') {
            Some((file, class)) => (file, Some(class)),
            None => (name, None),
        };
        match is_component(file) && class != Some("") {
            true => Some((file.to_owned(), class.map(str::to_owned), value.position())),
            false => value.expected(
                "a component's file name and a handler of streams",
                "\"echo.wasm#Echo\"",
            ),
        }
    });
    let kwargs = section.or("kwargs", Map::new(), Value::json_table);
    let tls = section.get("tls", |value| {
        let mut start = true;
        let tls = tls::read_with(value, |section| {
            start = section.or("start", true, Value::boolean);
        })?;
        Some(TcpTls { tls, start })
    });
    section.finish();
    let (listen, listen_at) = listen?;
    let (file, class, position) = handler?;
    Some(TcpListen {
        listen,
        file,
        class,
        kwargs,
        tls,
        listen_at,
        position,
    })
}

const EXAMPLE: &str = "for example `listen = \"127.0.0.1:7000\"`";

/// An address that no other `[[tcp]]` has: each leads to one handler.
fn address(value: Value<'_, '_>, known: &mut Vec<Listen>) -> Option<Listen> {
    let listen = listen::read(value)?;
    if let Listen::Http(address) = listen {
        let hint = format!("write `\"{address}\"`");
        return value.wrong("streams are not HTTP", Some(hint));
    }
    let is_known = known.iter().any(|other| other.is_same_place(&listen));
    if is_known && !listen.picks_port() {
        return value.wrong(format!("{listen} is listened on twice"), None);
    }
    known.push(listen.clone());
    Some(listen)
}
