//! An origin: scheme, host and port. A host is read as browsers and curl read it, so that each host has one spelling.
//! Grants are compared with it, and it is what is dialled. Never resolves.

use std::fmt;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use url::Host;

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub encrypted: bool,
    /// As the URL standard writes it: in lower case, in Punycode, an IPv4 address with four numbers, an IPv6 address in
    /// brackets.
    pub host: String,
    pub port: u16,
}

impl Origin {
    /// The origin of an absolute URL of HTTP without a user.
    pub fn of(uri: &Uri) -> Option<Self> {
        let encrypted = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTP => false,
            scheme if *scheme == Scheme::HTTPS => true,
            _ => return None,
        };
        Self::at(encrypted, uri.authority()?)
    }

    /// The origin with that scheme at a host and a port, which must have no user before them.
    pub fn at(encrypted: bool, authority: &Authority) -> Option<Self> {
        let host = authority.host();
        let rest = authority.as_str().strip_prefix(host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok()?,
            None if rest.is_empty() => Self::default_port(encrypted),
            _ => return None,
        };
        Some(Self {
            encrypted,
            host: Host::parse(host).ok()?.to_string(),
            port,
        })
    }

    /// Host and port, as a URL and `Host` have them.
    pub fn authority(&self) -> String {
        match self.port == Self::default_port(self.encrypted) {
            true => self.host.clone(),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The same URL, with this origin's spelling.
    pub fn uri(&self, uri: Uri) -> Option<Uri> {
        let mut parts = uri.into_parts();
        parts.authority = Some(self.authority().try_into().ok()?);
        let root = || PathAndQuery::from_static("/");
        parts.path_and_query = Some(parts.path_and_query.unwrap_or_else(root));
        Uri::from_parts(parts).ok()
    }

    /// Its URI with the port, whatever the scheme's usual one is: the target of a tunnel.
    pub fn with_port(&self) -> Option<Uri> {
        format!("{}:{}", self.host, self.port).parse().ok()
    }

    /// The host, an IPv6 address without its brackets.
    pub fn bare_host(&self) -> &str {
        bare(&self.host)
    }

    fn default_port(encrypted: bool) -> u16 {
        if encrypted { 443 } else { 80 }
    }
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inside.unwrap_or(host)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}
