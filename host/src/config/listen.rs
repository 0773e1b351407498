//! Addresses to listen on, as text or as a table. Never binds them.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::de::DeValue;

use super::section::table;
use super::value::Value;

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// `"127.0.0.1:8888"` or `"[::1]:8888"`. `"localhost:8888"` and `":8888"` are 127.0.0.1. Connections from other
    /// machines must be asked for, with `"0.0.0.0:8888"` or `"[::]:8888"`.
    Tcp(SocketAddr),
    /// `"http://127.0.0.1:8080"`: the same, never encrypted.
    Http(SocketAddr),
    /// `"unix:/run/app.sock"`, never encrypted.
    Unix {
        /// The path of the socket.
        path: PathBuf,
        /// The permissions to connect, as in chmod(2); without it the umask decides.
        mode: Option<u32>,
    },
    /// `"systemd:web"` or `"systemd:0"`: a socket that systemd has opened and passes on, by its `FileDescriptorName`
    /// or by its number among them (sd_listen_fds(3)).
    Systemd(String),
}

/// The text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl Listen {
    /// The forms of an address, for messages.
    pub(super) const WHAT: &str =
        "an IP address and port, unix: and a path, or systemd: and a name";
    /// An address, as TOML.
    pub(super) const EXAMPLE: &str = "\"127.0.0.1:8888\"";

    /// Whether both are one place: the mode can change while the listener is open.
    pub fn is_same_place(&self, other: &Listen) -> bool {
        match (self, other) {
            (Listen::Unix { path, .. }, Listen::Unix { path: other, .. }) => path == other,
            (one, other) => one == other,
        }
    }

    /// Makes a relative path relative to this folder.
    pub fn count_from(&mut self, folder: &Path) {
        if let Listen::Unix { path, .. } = self {
            *path = folder.join(&*path);
        }
    }

    /// Whether the system chooses a port, so that two of these are two listeners.
    pub(super) fn picks_port(&self) -> bool {
        matches!(self, Listen::Tcp(address) | Listen::Http(address) if address.port() == 0)
    }
}

impl FromStr for Listen {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Listen, NotAnAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(NotAnAddress),
                path => Ok(Listen::Unix {
                    path: PathBuf::from(path),
                    mode: None,
                }),
            };
        }
        if let Some(name) = text.strip_prefix("systemd:") {
            return match name {
                "" => Err(NotAnAddress),
                name => Ok(Listen::Systemd(name.to_owned())),
            };
        }
        match text.strip_prefix("http://") {
            Some(text) => address(text).map(Listen::Http),
            None => address(text).map(Listen::Tcp),
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, NotAnAddress> {
    if let Some(("" | "localhost", port)) = text.rsplit_once(':') {
        let port: u16 = port.parse().map_err(|_| NotAnAddress)?;
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| NotAnAddress)
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Http(address) => write!(f, "http://{address}"),
            Listen::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            Listen::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// Reads an address: a string, or a table for more settings of a unix socket.
pub(super) fn read(value: Value<'_, '_>) -> Option<Listen> {
    if !matches!(value.item(), DeValue::Table(_)) {
        return value.parse(Listen::WHAT, Listen::EXAMPLE);
    }
    let mut section = table(value, "of an address")?;
    let address = section.require("address", |value| {
        value.parse(Listen::WHAT, "\"unix:app.sock\"")
    });
    let mode = section.get("mode", |value| {
        let mode = mode(value)?;
        match address {
            Some(Listen::Unix { .. }) | None => Some(mode),
            Some(_) => value.wrong("only a unix socket has a `mode`", None),
        }
    });
    section.finish();
    let mut listen = address?;
    if let Listen::Unix { mode: own, .. } = &mut listen {
        *own = mode;
    }
    Some(listen)
}

/// The permissions of a file, in octal as for chmod(1). Connecting needs the permission to write.
fn mode(value: Value<'_, '_>) -> Option<u32> {
    let octal = match value.item() {
        DeValue::String(text) => text,
        DeValue::Integer(number) if number.radix() == 8 => number.as_str(),
        _ => "",
    };
    let is_octal = matches!(octal.len(), 3 | 4) && octal.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(octal, 8).ok();
    match mode.filter(|mode| is_octal && *mode <= 0o777) {
        None => value.expected("three octal digits, in quotes", "\"0660\""),
        Some(mode) if mode & 0o222 == 0 => {
            let hint = "to connect is to write: for example `mode = \"0660\"`";
            value.wrong("nobody could connect", Some(hint.to_owned()))
        }
        mode => mode,
    }
}

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not {}", Listen::WHAT)
    }
}

impl std::error::Error for NotAnAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("127.0.0.1:8888", "127.0.0.1:8888"),
            ("[::1]:8888", "[::1]:8888"),
            ("localhost:80", "127.0.0.1:80"),
            (":80", "127.0.0.1:80"),
            ("http://:80", "http://127.0.0.1:80"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("systemd:web", "systemd:web"),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.to_string(), shown);
        }
        for text in [
            "",
            "8888",
            "unix:",
            "systemd:",
            "https://127.0.0.1:80",
            "example.com:80",
            "127.0.0.1",
            ":65536",
            "::1:80",
        ] {
            assert_eq!(text.parse::<Listen>(), Err(NotAnAddress), "{text}");
        }
    }
}
