//! Whether a request can come from a page of another site, in a browser on this machine. A page may ask any address
//! that its browser reaches, also by a name of its own that leads to this machine (DNS rebinding). Pure.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, Uri, header};

/// A header with a name that is not this machine's, as it is shown.
#[derive(Debug)]
pub struct Foreign(String);

impl Foreign {
    fn of(header: &str, text: &str) -> Self {
        /// How many characters are shown.
        const SHOWN: usize = 100;
        let text: String = text.chars().take(SHOWN).collect();
        Self(format!("`{header}: {}`", text.escape_debug()))
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks `Host`: an IP address, `localhost`, no name at all, or a name that `is_known`.
pub fn check_host(
    uri: &Uri,
    headers: &HeaderMap,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), Foreign> {
    let Some(asked) = authority(uri, headers) else {
        return Ok(());
    };
    match is_own(host_of(asked), is_known) {
        true => Ok(()),
        false => Err(Foreign::of("Host", asked)),
    }
}

/// Checks `Origin`: none, the same as `Host`, this machine's own, or a name that `is_known`.
pub fn check_origin(
    uri: &Uri,
    headers: &HeaderMap,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), Foreign> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let from = origin.split_once("://").map(|(_, authority)| authority);
    let is_local = |host: &str| match bare(host).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => is_own(host, &is_known),
    };
    match from {
        Some(from) if authority(uri, headers) == Some(from) || is_local(host_of(from)) => Ok(()),
        _ => Err(Foreign::of("Origin", origin)),
    }
}

/// The authority that a request names; empty where it is no text.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let named = uri.authority().map(http::uri::Authority::as_str);
    let host = || Some(headers.get(header::HOST)?.to_str().unwrap_or_default());
    named.or_else(host)
}

fn is_own(host: &str, is_known: impl Fn(&str) -> bool) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || bare(&host).parse::<IpAddr>().is_ok()
        || is_known(&host)
}

/// The host of an authority, without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    let inside = host.strip_prefix('[');
    inside
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(host: Option<&'static str>, origin: Option<&'static str>) -> [bool; 2] {
        let mut headers = HeaderMap::new();
        let mut set = |name, value: Option<&'static str>| {
            value.map(|value| headers.insert(name, HeaderValue::from_static(value)))
        };
        set(header::HOST, host);
        set(header::ORIGIN, origin);
        let (uri, is_known) = (Uri::from_static("/"), |name: &str| name == "status.example");
        [
            check_host(&uri, &headers, is_known).is_ok(),
            check_origin(&uri, &headers, is_known).is_ok(),
        ]
    }

    #[test]
    fn a_host_is_an_address_or_a_known_name() {
        for own in [
            "127.0.0.1:8889",
            "10.0.0.7",
            "[::1]:8889",
            "localhost",
            "LOCALHOST:1",
            "app.localhost",
            "localhost.",
            "status.example:443",
        ] {
            assert_eq!(asked(Some(own), None), [true; 2], "{own}");
        }
        assert_eq!(asked(None, None), [true; 2], "HTTP/1.0");
        for other in [
            "evil.example",
            "evil.example:8889",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "not-status.example",
            "",
        ] {
            assert!(!asked(Some(other), None)[0], "{other}");
        }
    }

    #[test]
    fn an_origin_is_the_same_or_local_or_a_known_name() {
        for own in [
            "http://10.0.0.7:8889",
            "http://localhost:3000",
            "http://127.0.0.1:5173",
            "http://[::1]",
            "https://status.example",
        ] {
            assert!(asked(Some("10.0.0.7:8889"), Some(own))[1], "{own}");
        }
        for other in [
            "null",
            "",
            "https://evil.example",
            "http://10.0.0.8",
            "http://localhost.evil.example",
            "file://",
        ] {
            assert!(!asked(Some("10.0.0.7:8889"), Some(other))[1], "{other}");
        }
    }
}
