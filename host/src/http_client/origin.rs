//! An origin: scheme, host and port, as a URL spells them. It never resolves, and takes no two spellings for one.

use std::fmt;

use http::Uri;
use http::uri::Scheme;

/// Where a URL leads. Equal ones are spelled alike, but for case and a default port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub encrypted: bool,
    /// In lower case, an IPv6 address in brackets.
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
        let authority = uri.authority()?;
        let host = authority.host();
        let rest = authority.as_str().strip_prefix(host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok()?,
            None if rest.is_empty() => Self::default_port(encrypted),
            _ => return None,
        };
        if host.is_empty() {
            return None;
        }
        Some(Self {
            encrypted,
            host: host.to_ascii_lowercase(),
            port,
        })
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
        write!(f, "{scheme}://{}", self.host)?;
        match self.port == Self::default_port(self.encrypted) {
            true => Ok(()),
            false => write!(f, ":{}", self.port),
        }
    }
}
