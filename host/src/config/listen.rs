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
    /// `"unix:/run/app.sock"`.
    Unix(PathBuf),
}

/// The text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl Listen {
    /// What an address is, for messages.
    pub(super) const WHAT: &str = "an IP address and port, or unix: and a path";
    /// An address, as TOML.
    pub(super) const EXAMPLE: &str = "\"127.0.0.1:8888\"";

    /// Whether the system picks a port, so that two of these are two listeners.
    pub(super) fn picks_port(&self) -> bool {
        matches!(self, Listen::Tcp(address) if address.port() == 0)
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
        if let Some(("" | "localhost", port)) = text.rsplit_once(':') {
            let port: u16 = port.parse().map_err(|_| NotAnAddress)?;
            return Ok(Listen::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Listen::Tcp).map_err(|_| NotAnAddress)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
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
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.to_string(), shown);
        }
        for text in [
            "",
            "8888",
            "unix:",
            "example.com:80",
            "127.0.0.1",
            ":65536",
            "::1:80",
        ] {
            assert_eq!(text.parse::<Listen>(), Err(NotAnAddress), "{text}");
        }
    }
}
