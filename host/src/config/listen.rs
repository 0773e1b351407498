//! Addresses to listen on.
//! It never binds them.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// `"127.0.0.1:8888"` or `"[::1]:8888"`. `"localhost:8888"` and `":8888"` are 127.0.0.1: that
    /// strangers may connect has to be said, with `"0.0.0.0:8888"` or `"[::]:8888"`.
    Tcp(SocketAddr),
    /// `"http://127.0.0.1:8080"`: the same, never encrypted.
    Http(SocketAddr),
    /// `"unix:/run/app.sock"`, never encrypted.
    Unix(PathBuf),
    /// `"systemd:web"` or `"systemd:0"`: a socket that systemd has opened and passes on, by its `FileDescriptorName`
    /// or by its number among them (sd_listen_fds(3)).
    Systemd(String),
}

/// The text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl Listen {
    /// What an address is, for messages.
    pub(super) const WHAT: &str =
        "an IP address and port, unix: and a path, or systemd: and a name";
    /// An address, as TOML.
    pub(super) const EXAMPLE: &str = "\"127.0.0.1:8888\"";

    /// Whether the system picks a port, so that two of these are two listeners.
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
                path => Ok(Listen::Unix(PathBuf::from(path))),
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
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
            Listen::Systemd(name) => write!(f, "systemd:{name}"),
        }
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
