//! Which heads that hyper lets pass are malformed nevertheless. Pure, and never judges what a well-formed request asks
//! for.

use std::borrow::Cow;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use crate::config::Limits;

/// The status for a refused request, and the reason for the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For the client.
    pub status: StatusCode,
    /// For the log.
    pub why: Cow<'static, str>,
}

impl Refusal {
    const fn bad(why: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            why: Cow::Borrowed(why),
        }
    }

    /// For a body of which at least this many bytes are announced.
    pub fn of_body(declared: u64, limits: &Limits) -> Option<Self> {
        (declared > limits.max_body_size).then_some(Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            why: Cow::Borrowed("the body is larger than `max_body_size`"),
        })
    }
}

/// The refusal of `head`, or `None` where it is valid.
///
/// hyper has refused what it can't parse. What is left are rules between the fields: RFC 9112, 3.2 (request targets,
/// `Host`); RFC 9113, 8.3.1 (`:authority`). And one limit of Tornado's: on the arguments of a query. Tunnels are not
/// offered (RFC 9110, 9.3.6).
pub fn refuse(head: &Parts) -> Option<Refusal> {
    let why = if !target_is_sound(&head.method, &head.uri) {
        "the target of the request is malformed"
    } else if head.method == Method::CONNECT {
        return Some(Refusal {
            status: StatusCode::NOT_IMPLEMENTED,
            why: Cow::Borrowed("no tunnel is made"),
        });
    } else if !query_is_sound(&head.uri) {
        "the query has more than 1,000 arguments"
    } else if !host_is_sound(head.version, &head.uri, &head.headers) {
        "`Host` is missing, or not one sound host"
    } else {
        return None;
    };
    Some(Refusal::bad(why))
}

/// A path, an absolute URI without user, `*` for OPTIONS, or an authority for CONNECT.
fn target_is_sound(method: &Method, uri: &Uri) -> bool {
    if uri.path() == "*" {
        return method == Method::OPTIONS;
    }
    match uri.authority() {
        None => method != Method::CONNECT,
        Some(authority) if authority.as_str().contains('@') => false,
        Some(_) => uri.scheme().is_some() != (method == Method::CONNECT),
    }
}

/// As many arguments as Tornado's `ParseUrlEncodedConfig` allows in a form, and so in a query: each of them costs
/// time.
fn query_is_sound(uri: &Uri) -> bool {
    const MAX_ARGUMENTS: usize = 1_000;
    uri.query().is_none_or(|query| {
        let ampersands = query.bytes().filter(|byte| *byte == b'&');
        ampersands.count() < MAX_ARGUMENTS
    })
}

/// One `Host`. HTTP/1.0 may leave it out or empty, and HTTP/2 may have an authority instead. Where there are both,
/// they must be equal (RFC 9113, section 8.3.1).
fn host_is_sound(version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let authority = uri.authority().filter(|_| version == Version::HTTP_2);
    if let Some(authority) = authority {
        let authority = authority.as_str().as_bytes();
        let same = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority);
        return is_host(authority) && hosts.all(same);
    }
    match (hosts.next(), hosts.next()) {
        (None, _) => version == Version::HTTP_10,
        (Some(host), None) if host.is_empty() => version == Version::HTTP_10,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// `uri-host [":" port]` of RFC 3986. A comma is legal there, but here as in Tornado it means a list that a proxy has
/// joined.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value.iter().rposition(|&byte| byte == b':') {
        Some(colon) if !value[colon..].contains(&b']') => (&value[..colon], &value[colon + 1..]),
        _ => (value, &value[value.len()..]),
    };
    port.iter().all(u8::is_ascii_digit)
        && match host {
            [b'[', literal @ .., b']'] => {
                !literal.is_empty()
                    && literal
                        .iter()
                        .all(|&byte| byte == b':' || is_name_byte(byte))
            }
            name => !name.is_empty() && is_name(name),
        }
}

fn is_name(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        let sound = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(u8::is_ascii_hexdigit)),
            _ => is_name_byte(byte),
        };
        if !sound {
            return false;
        }
    }
    true
}

/// `unreserved` and `sub-delims`, without the comma.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn hosts() {
        for host in [
            "a",
            "a.b:80",
            "a:",
            "127.0.0.1",
            "[::1]",
            "[::1]:8888",
            "a%20b",
            "a_b",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a,b", "u@a", "a b", "a/b", "a:b", "a:1:2", "::1", "[::1", "[]", "[::1]a",
            "a%2", "a?b", "a\u{e4}",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn targets() {
        for (method, target, sound) in [
            ("GET", "/", true),
            ("GET", "//a/b", true),
            ("GET", "http://a/", true),
            ("GET", "http://u@a/", false),
            ("GET", "a:80", false),
            ("GET", "a", false),
            ("GET", "*", false),
            ("OPTIONS", "*", true),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(target)
                .header(HOST, "a")
                .body(())
                .unwrap();
            let refused = refuse(&request.into_parts().0).is_some();
            assert_eq!(refused, !sound, "{method} {target}");
        }
    }

    #[test]
    fn no_tunnel_is_made() {
        for (target, status) in [("a:80", 501), ("/", 400), ("http://a/", 400)] {
            let request = Request::connect(target).header(HOST, "a").body(()).unwrap();
            let refusal = refuse(&request.into_parts().0).unwrap();
            assert_eq!(refusal.status, status, "{target}");
        }
    }

    #[test]
    fn arguments() {
        for (ampersands, sound) in [(0, true), (999, true), (1_000, false)] {
            let uri: Uri = format!("/?a{}", "&".repeat(ampersands)).parse().unwrap();
            assert_eq!(query_is_sound(&uri), sound, "{ampersands}");
        }
    }
}
