//! Whether a page of another origin sends a request, as browsers say it (Fetch metadata, and `Origin`). What Tornado 6.6
//! has as `cross_origin_protection`, by the same rules. Pure.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What browsers say of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// A page of the same origin, a person, or no browser.
    Own,
    /// A page of another origin: allowed if that is trusted.
    Other {
        /// As the header `Origin` has it.
        origin: Option<&'a str>,
        /// As the header `Sec-Fetch-Site` has it.
        site: Option<&'a str>,
    },
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Reads it from the headers of a request for this host, of which `origin` is one.
pub fn sender<'a>(
    headers: &'a HeaderMap,
    origin: Option<&'a HeaderValue>,
    host: &str,
) -> Sender<'a> {
    // What is no text is no origin that is trusted.
    let text = |value: &'a HeaderValue| value.to_str().unwrap_or_default();
    let origin = origin.map(text);
    match headers.get(FETCH_SITE).map(text) {
        Some("same-origin" | "none") => Sender::Own,
        Some(site) => Sender::Other {
            origin,
            site: Some(site),
        },
        // An older browser, one without HTTPS, or none.
        None => match origin {
            None => Sender::Own,
            Some(origin) if is_of(origin, host) => Sender::Own,
            origin => Sender::Other { origin, site: None },
        },
    }
}

/// Whether an origin has this host and port. Its scheme does not count: a proxy may have changed it.
fn is_of(origin: &str, host: &str) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

impl std::fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own => f.write_str("the same origin"),
            Self::Other { origin, site: None } => {
                write!(f, "Origin {} not allowed", Shown(*origin))
            }
            Self::Other {
                origin,
                site: Some(site),
            } => write!(
                f,
                "Sec-Fetch-Site {} & origin {} not allowed",
                site.escape_debug(),
                Shown(*origin)
            ),
        }
    }
}

struct Shown<'a>(Option<&'a str>);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(origin) => write!(f, "'{}'", origin.escape_debug()),
            None => f.write_str("None"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_says_who_sends_a_request() {
        for (site, origin, is_own) in [
            (None, None, true),
            (Some("none"), None, true),
            (Some("same-origin"), Some("https://other.example"), true),
            (Some("same-site"), None, false),
            (Some("cross-site"), Some("https://a.example:8888"), false),
            (Some("nonsense"), None, false),
            (None, Some("http://a.example:8888"), true),
            (None, Some("https://A.example:8888"), true),
            (None, Some("http://a.example"), false),
            (None, Some("http://b.example:8888"), false),
            (None, Some("null"), false),
            (None, Some(""), false),
        ] {
            let mut headers = HeaderMap::new();
            let mut set = |name: &'static str, value: Option<&'static str>| {
                value.map(|value| headers.insert(name, HeaderValue::from_static(value)))
            };
            set("sec-fetch-site", site);
            set("origin", origin);
            let sender = sender(&headers, headers.get("origin"), "a.example:8888");
            assert_eq!(sender == Sender::Own, is_own, "{site:?} {origin:?}");
        }
    }
}
