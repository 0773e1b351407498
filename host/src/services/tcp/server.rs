//! A server as a grant names it: host and port.

use std::fmt;
use std::net::IpAddr;

use url::Host;

/// The longest name of a host (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 255;

/// Host and port. The host is in the spelling of the URL standard: a name in lower case and Punycode, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    host: Host<String>,
    port: u16,
}

impl Server {
    /// Reads a grant: `db.internal:5432`, `10.0.0.1:5432`, `[fd00::1]:5432`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port != 0)?;
        let is_plain = |char: char| {
            char.is_ascii_alphanumeric() || !char.is_ascii() || "-._[]:".contains(char)
        };
        let server = Self {
            host: Host::parse(host).ok()?,
            port,
        };
        // `127.1` and `0x7f.1` are addresses, too. A grant must name them in full.
        let is_as_written = match &server.host {
            Host::Ipv4(address) => address.to_string() == host,
            Host::Domain(_) | Host::Ipv6(_) => host.chars().all(is_plain),
        };
        is_as_written.then_some(server)
    }

    /// The server that a guest names. An IPv6 address may be without its brackets.
    pub fn at(host: &str, port: u16) -> Option<Self> {
        if host.len() > MAX_HOST {
            return None;
        }
        let host = match host.parse() {
            Ok(IpAddr::V6(address)) => Host::Ipv6(address),
            Ok(IpAddr::V4(address)) => Host::Ipv4(address),
            Err(_) => Host::parse(host).ok()?,
        };
        Some(Self { host, port })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, where it is named by one.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some((*address).into()),
            Host::Ipv6(address) => Some((*address).into()),
        }
    }

    /// The name, where it has one.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_names_host_and_port_in_full() {
        for (text, spelled) in [
            ("db.internal:5432", "db.internal:5432"),
            ("DB.Internal:05432", "db.internal:5432"),
            ("b\u{fc}cher.example:1", "xn--bcher-kva.example:1"),
            ("127.0.0.1:65535", "127.0.0.1:65535"),
            ("[::1]:6379", "[::1]:6379"),
            ("[FD00::0:1]:6379", "[fd00::1]:6379"),
        ] {
            assert_eq!(Server::parse(text).unwrap().to_string(), spelled);
        }
        for wrong in [
            "",
            "db.internal",
            "db.internal:",
            "db.internal:0",
            "db.internal:65536",
            "db.internal:+5",
            "db.internal:*",
            ":5432",
            "tcp://db.internal:5432",
            "user@db.internal:5432",
            "db.internal/x:5432",
            "db internal:5432",
            "127.1:80",
            "0x7f.1:80",
            "2130706433:80",
            "::1:80",
            "*.internal:80",
            "%64b:80",
        ] {
            assert_eq!(Server::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_guest_names_is_the_same_server_however_it_is_spelled() {
        let granted = Server::parse("[::1]:80");
        for host in ["::1", "[::1]", "0:0:0:0:0:0:0:1"] {
            assert_eq!(Server::at(host, 80), granted, "{host}");
        }
        let granted = Server::parse("127.0.0.1:80");
        for host in ["127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433"] {
            assert_eq!(Server::at(host, 80), granted, "{host}");
        }
        assert_eq!(
            Server::at("DB.internal", 80),
            Server::parse("db.internal:80")
        );
        for wrong in ["a b", "", &"a".repeat(MAX_HOST + 1)] {
            assert_eq!(Server::at(wrong, 80), None, "{wrong}");
        }
    }
}
