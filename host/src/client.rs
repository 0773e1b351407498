//! Who asks: what the socket says, or what a proxy says that is trusted to. Pure.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// `None` on a unix socket.
    pub remote_ip: Option<IpAddr>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether a proxy that is trusted passes it on, whose headers are believed.
    pub is_proxied: bool,
}

/// What the client speaks, to us or to the proxy in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP, in whatever version.
    Http,
    /// The same inside TLS.
    Https,
}

impl Protocol {
    /// As URLs and Tornado's `request.protocol` have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Https => "https",
        }
    }
}

impl Client {
    /// The client that a proxy speaks for, by Tornado's rules for `xheaders`: `X-Real-Ip`, or the last address of
    /// `X-Forwarded-For` that is not trusted itself; `X-Scheme`, or the last one of `X-Forwarded-Proto`.
    ///
    /// Whoever is not trusted speaks for itself. A unix socket is: only who may open its file comes that way.
    pub fn behind(self, trusted: &[IpAddr], headers: &HeaderMap) -> Client {
        if self.remote_ip.is_some_and(|ip| !trusted.contains(&ip)) {
            return self;
        }
        Client {
            remote_ip: address(trusted, headers).or(self.remote_ip),
            protocol: protocol(headers).unwrap_or(self.protocol),
            is_proxied: true,
        }
    }
}

/// As the logs name it.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.remote_ip {
            Some(ip) => ip.fmt(f),
            None => f.write_str("unix"),
        }
    }
}

fn address(trusted: &[IpAddr], headers: &HeaderMap) -> Option<IpAddr> {
    if let Some(real) = headers.get("x-real-ip") {
        return real.to_str().ok()?.trim().parse().ok();
    }
    let mut last = None;
    for candidate in entries(headers, "x-forwarded-for").rev() {
        last = candidate.parse().ok();
        if !last.is_some_and(|ip| trusted.contains(&ip)) {
            break;
        }
    }
    last
}

fn protocol(headers: &HeaderMap) -> Option<Protocol> {
    let named = ["x-scheme", "x-forwarded-proto"];
    let name = named.into_iter().find(|name| headers.contains_key(*name))?;
    match entries(headers, name).next_back()? {
        "http" => Some(Protocol::Http),
        "https" => Some(Protocol::Https),
        _ => None,
    }
}

/// What stands between the commas of all headers of a name.
fn entries<'h>(headers: &'h HeaderMap, name: &str) -> impl DoubleEndedIterator<Item = &'h str> {
    let values = headers.get_all(name).iter();
    values
        .map(|value: &HeaderValue| value.to_str().unwrap_or_default())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn behind(
        socket: Option<&str>,
        sent: &[(&'static str, &'static str)],
    ) -> (String, &'static str) {
        let headers = sent.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let client = Client {
            remote_ip: socket.map(ip),
            protocol: Protocol::Http,
            is_proxied: false,
        };
        let trusted = [ip("127.0.0.1"), ip("10.0.0.1")];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        let client = client.behind(&trusted, &map);
        let ip = client.remote_ip.map_or(String::new(), |ip| ip.to_string());
        (ip, client.protocol.as_str())
    }

    #[test]
    fn a_trusted_proxy_says_who_asks() {
        let proxy = Some("127.0.0.1");
        for (sent, client) in [
            (&[][..], "127.0.0.1"),
            (&[("x-real-ip", "192.0.2.7")], "192.0.2.7"),
            (&[("x-forwarded-for", "192.0.2.7, 192.0.2.8")], "192.0.2.8"),
            (&[("x-forwarded-for", "192.0.2.7, 10.0.0.1")], "192.0.2.7"),
            (&[("x-forwarded-for", "10.0.0.1")], "10.0.0.1"),
            (
                &[
                    ("x-forwarded-for", "192.0.2.7"),
                    ("x-forwarded-for", "192.0.2.8"),
                ],
                "192.0.2.8",
            ),
            (
                &[("x-forwarded-for", "192.0.2.7"), ("x-real-ip", "::1")],
                "::1",
            ),
            (&[("x-forwarded-for", "192.0.2.7, unknown")], "127.0.0.1"),
            (&[("x-real-ip", "nobody")], "127.0.0.1"),
        ] {
            assert_eq!(behind(proxy, sent).0, client, "{sent:?}");
        }
        assert_eq!(behind(None, &[("x-real-ip", "192.0.2.7")]).0, "192.0.2.7");
    }

    #[test]
    fn nobody_else_speaks_for_others() {
        let sent = [("x-real-ip", "192.0.2.7"), ("x-scheme", "https")];
        assert_eq!(
            behind(Some("192.0.2.1"), &sent),
            ("192.0.2.1".to_owned(), "http")
        );
    }

    #[test]
    fn the_last_protocol_counts() {
        for (sent, protocol) in [
            (&[("x-forwarded-proto", "https")][..], "https"),
            (&[("x-forwarded-proto", "http, https")], "https"),
            (
                &[("x-forwarded-proto", "https"), ("x-scheme", "http")],
                "http",
            ),
            (&[("x-forwarded-proto", "gopher")], "http"),
        ] {
            assert_eq!(behind(Some("10.0.0.1"), sent).1, protocol, "{sent:?}");
        }
    }
}
