//! Where a request comes from, by the socket or by a trusted proxy's headers. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The other end.
    pub remote_ip: RemoteIp,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether a trusted proxy has passed it on, whose headers count.
    pub is_proxied: bool,
}

/// The other end of a request, without port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteIp {
    /// An address.
    Ip(IpAddr),
    /// None, on a unix socket.
    Unix,
    /// A trusted proxy names it in a form that can't be read. It has no address, and is not the proxy.
    Unknown,
}

impl From<Option<IpAddr>> for RemoteIp {
    /// From a socket: `None` on a unix socket.
    fn from(ip: Option<IpAddr>) -> Self {
        ip.map_or(Self::Unix, Self::Ip)
    }
}

impl RemoteIp {
    /// For handlers: empty for a unix socket, and `unknown`, which is no address.
    pub fn for_guests(self) -> String {
        match self {
            Self::Unix => String::new(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for RemoteIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The certificate that a client has shown, as DER. It was verified with the authority that the configuration names.
#[derive(Clone, Debug)]
pub struct PeerCertificate(pub Arc<[u8]>);

impl PeerCertificate {
    /// The first of a chain, which is the client's own.
    pub fn of(chain: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        Some(Self(chain?.first()?.as_ref().into()))
    }
}

/// The protocol of the client, with this server or with the proxy in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP, in any version.
    Http,
    /// The same inside TLS.
    Https,
}

impl Protocol {
    /// As in URLs and in Tornado's `request.protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Https => "https",
        }
    }
}

impl Client {
    /// The client behind a proxy, by Tornado's rules for `xheaders`: `X-Real-Ip`, or the last address of
    /// `X-Forwarded-For` that is not trusted itself; `X-Scheme`, or the last one of `X-Forwarded-Proto`.
    ///
    /// A client that is not trusted stays as it is. A unix socket is trusted: only users that may open its file use
    /// it.
    pub fn behind(self, trusted: &[IpAddr], headers: &HeaderMap) -> Client {
        if let RemoteIp::Ip(ip) = self.remote_ip
            && !is_trusted(trusted, ip)
        {
            return self;
        }
        Client {
            remote_ip: address(trusted, headers).unwrap_or(self.remote_ip),
            protocol: protocol(headers).unwrap_or(self.protocol),
            is_proxied: true,
        }
    }
}

/// As in the logs.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.remote_ip.fmt(f)
    }
}

/// An IPv4 address counts the same where it is written as IPv6.
fn is_trusted(trusted: &[IpAddr], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    trusted.iter().any(|trusted| trusted.to_canonical() == ip)
}

/// The address that a proxy names. `None`: it names none, so the proxy is the client.
fn address(trusted: &[IpAddr], headers: &HeaderMap) -> Option<RemoteIp> {
    if headers.contains_key(REAL_IP) {
        let mut named = nodes(headers, REAL_IP);
        // Of two, one may be the client's own.
        return Some(match (named.next().and_then(read), named.next()) {
            (Some(ip), None) => RemoteIp::Ip(ip),
            _ => RemoteIp::Unknown,
        });
    }
    headers.get(FORWARDED_FOR)?;
    let mut last = RemoteIp::Unknown;
    for entry in nodes(headers, FORWARDED_FOR).rev() {
        let Some(ip) = read(entry) else {
            return Some(RemoteIp::Unknown);
        };
        last = RemoteIp::Ip(ip);
        if !is_trusted(trusted, ip) {
            break;
        }
    }
    Some(last)
}

const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address as proxies write it: with or without a port, an IPv6 one in brackets or not, perhaps with a zone, and
/// perhaps in quotes, as in `Forwarded` (RFC 7239, section 6).
fn read(entry: &str) -> Option<IpAddr> {
    let quoted = entry.strip_prefix('"');
    let node = match quoted {
        Some(rest) => rest.strip_suffix('"')?,
        None => entry,
    };
    let ip: IpAddr = match node.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            if !after.is_empty() && !after.strip_prefix(':').is_some_and(is_port) {
                return None;
            }
            without_zone(address)?.parse::<Ipv6Addr>().ok()?.into()
        }
        None => match node.split_once(':') {
            Some((address, port)) if is_port(port) => address.parse::<Ipv4Addr>().ok()?.into(),
            _ => without_zone(node)?.parse().ok()?,
        },
    };
    Some(ip.to_canonical())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// `fe80::1` of `fe80::1%eth0`: the zone names one of the proxy's links. `None`: the zone is empty.
fn without_zone(address: &str) -> Option<&str> {
    match address.split_once('%') {
        Some((address, zone)) => (address.contains(':') && !zone.is_empty()).then_some(address),
        None => Some(address),
    }
}

fn protocol(headers: &HeaderMap) -> Option<Protocol> {
    let named = ["x-scheme", "x-forwarded-proto"].map(HeaderName::from_static);
    let name = named.into_iter().find(|name| headers.contains_key(name))?;
    match entries(headers, name).next_back()? {
        "http" => Some(Protocol::Http),
        "https" => Some(Protocol::Https),
        _ => None,
    }
}

/// The entries between the commas of all headers of a name. A value that is no text is one unreadable entry.
fn entries(headers: &HeaderMap, name: HeaderName) -> impl DoubleEndedIterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    values
        .map(|value: &HeaderValue| value.to_str().unwrap_or("?"))
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The same for a list of addresses, where an empty entry does not count (RFC 9110, section 5.6.1).
fn nodes(headers: &HeaderMap, name: HeaderName) -> impl DoubleEndedIterator<Item = &str> {
    entries(headers, name).filter(|entry| !entry.is_empty())
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
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        let client = Client {
            remote_ip: socket.map(ip).into(),
            protocol: Protocol::Http,
            is_proxied: false,
        };
        let trusted = [ip("127.0.0.1"), ip("10.0.0.1")];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        let client = client.behind(&trusted, &map);
        (client.to_string(), client.protocol.as_str())
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
            (
                &[("x-forwarded-for", "192.0.2.7, ::ffff:10.0.0.1")],
                "192.0.2.7",
            ),
            (
                &[("x-forwarded-for", "192.0.2.7, ,"), ("x-forwarded-for", "")],
                "192.0.2.7",
            ),
        ] {
            assert_eq!(behind(proxy, sent).0, client, "{sent:?}");
        }
        assert_eq!(behind(None, &[("x-real-ip", "192.0.2.7")]).0, "192.0.2.7");
        assert_eq!(behind(None, &[]).0, "unix");
    }

    #[test]
    fn an_address_is_read_in_each_form_that_proxies_write() {
        for (sent, client) in [
            ("203.0.113.7:52110", "203.0.113.7"),
            ("2001:DB8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("\"203.0.113.7\"", "203.0.113.7"),
            ("\"203.0.113.7:80\"", "203.0.113.7"),
            ("\"[2001:db8::7]:443\"", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
            ("fe80::7%eth0", "fe80::7"),
            ("[fe80::7%25eth0]:443", "fe80::7"),
        ] {
            for name in ["x-real-ip", "x-forwarded-for"] {
                assert_eq!(behind(Some("127.0.0.1"), &[(name, sent)]).0, client);
            }
            let two: &'static str = format!("192.0.2.1, {sent}, 10.0.0.1:9").leak();
            let two = [("x-forwarded-for", two)];
            assert_eq!(behind(Some("127.0.0.1"), &two).0, client, "{two:?}");
        }
    }

    #[test]
    fn who_is_named_in_no_form_that_can_be_read_is_nobody_and_never_the_proxy() {
        for sent in [
            "unknown",
            "_hidden",
            "for=203.0.113.7",
            "203.0.113.7:",
            "203.0.113.7:http",
            "203.0.113.7:+80",
            "203.0.113.7:65536",
            "203.0.113",
            "203.0.113.07",
            "0xcb007107",
            "[2001:db8::7",
            "2001:db8::7]",
            "[2001:db8::7]443",
            "[2001:db8::7]:",
            "[203.0.113.7]",
            "\"203.0.113.7",
            "203.0.113.7\"",
            "\"\"",
            "203.0.113.7%eth0",
            "fe80::7%",
            "203.0.113.7 10.0.0.1",
            "localhost",
            "\u{e9}",
            "",
        ] {
            let proxies = [Some("127.0.0.1"), Some("::ffff:127.0.0.1"), None];
            for (proxy, name) in proxies
                .into_iter()
                .flat_map(|proxy| [(proxy, "x-real-ip"), (proxy, "x-forwarded-for")])
            {
                assert_eq!(
                    behind(proxy, &[(name, sent)]).0,
                    "unknown",
                    "{name}: {sent}"
                );
            }
            if !sent.is_empty() {
                let list: &'static str = format!("203.0.113.7, {sent}, 10.0.0.1").leak();
                let sent = [("x-forwarded-for", list)];
                assert_eq!(behind(Some("127.0.0.1"), &sent).0, "unknown", "{sent:?}");
            }
        }
        for two in ["203.0.113.7, 203.0.113.8", "203.0.113.7, unknown"] {
            let sent = [("x-real-ip", two)];
            assert_eq!(behind(Some("127.0.0.1"), &sent).0, "unknown", "{two}");
        }
        let two = [("x-real-ip", "203.0.113.7"), ("x-real-ip", "203.0.113.8")];
        assert_eq!(behind(Some("127.0.0.1"), &two).0, "unknown");
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
            (&[("x-forwarded-proto", "https, ")], "http"),
            (&[("x-forwarded-proto", "https:443")], "http"),
            (
                &[("x-forwarded-proto", "https"), ("x-scheme", "gopher")],
                "http",
            ),
        ] {
            assert_eq!(behind(Some("10.0.0.1"), sent).1, protocol, "{sent:?}");
        }
    }
}
