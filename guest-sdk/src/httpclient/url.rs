//! URLs as browsers and curl read them, by the URL standard: parsed for WASI, joined for redirects. Does not decide
//! which servers may be reached.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, percent_decode_str, percent_encode};
use url::Position;

use crate::httpclient::response::HttpClientError;

/// Nothing of ASCII.
const BEYOND_ASCII: &AsciiSet = &AsciiSet::EMPTY;

/// A URL of HTTP, without fragment.
#[derive(Clone, Debug)]
pub struct Url(url::Url);

impl Url {
    pub fn parse(text: &str) -> Result<Self, HttpClientError> {
        Self::of(url::Url::parse(text), text)
    }

    /// Where a `Location` leads from here. If it is not UTF-8, its bytes are kept.
    pub fn join(&self, location: &[u8]) -> Result<Self, HttpClientError> {
        let location = match std::str::from_utf8(location) {
            Ok(text) => text.into(),
            Err(_) => Cow::from(percent_encode(location, BEYOND_ASCII)),
        };
        Self::of(self.0.join(&location), &location)
    }

    fn of(parsed: Result<url::Url, url::ParseError>, text: &str) -> Result<Self, HttpClientError> {
        let mut url = parsed.map_err(|error| {
            let text = without_user(text);
            HttpClientError::new(599, format!("not a URL: {text}: {error}"))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            let message = format!("Unsupported url scheme: {}", url.scheme());
            return Err(HttpClientError::new(599, message));
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Host and port, without a user. The port of its scheme is left out.
    pub fn authority(&self) -> &str {
        &self.0[Position::BeforeHost..Position::AfterPort]
    }

    /// Path and query.
    pub fn path_with_query(&self) -> &str {
        &self.0[Position::BeforePath..Position::AfterQuery]
    }

    /// User and password, decoded.
    pub fn user(&self) -> Option<(String, String)> {
        let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (name, password) = (self.0.username(), self.0.password());
        let is_there = !name.is_empty() || password.is_some();
        is_there.then(|| (decode(name), decode(password.unwrap_or_default())))
    }

    /// Sends no user from here on.
    pub fn forget_user(&mut self) {
        // They fail where there is no host.
        let _ = (self.0.set_username(""), self.0.set_password(None));
    }

    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }
}

/// Without the user.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, authority) = (self.0.scheme(), self.authority());
        write!(f, "{scheme}://{authority}{}", self.path_with_query())
    }
}

/// For logs. In a broken URL it is not known where its user ends: a password may have broken it. So only the scheme is
/// shown of what is before the last `@`.
pub fn without_user(url: &str) -> Cow<'_, str> {
    let Some((before, rest)) = url.rsplit_once('@') else {
        return url.into();
    };
    let begins_with = |scheme: &&str| {
        let start = before.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let schemes = ["http://", "https://", "//"];
    let scheme = schemes.into_iter().find(begins_with).unwrap_or_default();
    format!("{scheme}{rest}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_joined_to_where_it_was_found() {
        let base = Url::parse("http://user:p%40ss@Example.com:8080/a/b?c#d").unwrap();
        assert_eq!(base.user(), Some(("user".to_owned(), "p@ss".to_owned())));
        assert_eq!(base.authority(), "example.com:8080");
        assert_eq!(base.path_with_query(), "/a/b?c");
        for (location, joined) in [
            ("/x", "http://example.com:8080/x"),
            ("x?y=1", "http://example.com:8080/a/x?y=1"),
            ("../x", "http://example.com:8080/x"),
            ("?e", "http://example.com:8080/a/b?e"),
            ("", "http://example.com:8080/a/b?c"),
            ("//other.example/z", "http://other.example/z"),
            ("https://other.example", "https://other.example/"),
            (
                "/with space/é?a b|é",
                "http://example.com:8080/with%20space/%C3%A9?a%20b|%C3%A9",
            ),
            (
                "/[x]|%?[y]|%&%zz",
                "http://example.com:8080/[x]|%?[y]|%&%zz",
            ),
            ("\\\\other.example\\z", "http://other.example/z"),
            ("//b\u{fc}cher.example/", "http://xn--bcher-kva.example/"),
        ] {
            let url = base.join(location.as_bytes()).unwrap();
            assert_eq!(url.to_string(), joined, "{location}");
            // A redirect on the same server keeps the user.
            let is_here = joined.starts_with("http://example.com:8080/");
            assert_eq!(url.user().is_some(), is_here, "{location}");
        }
        let latin1 = base.join(b"/caf\xe9").unwrap();
        assert_eq!(latin1.path_with_query(), "/caf%E9");
        for refused in ["ftp://example.com/", "file:///etc/passwd", "http://"] {
            assert_eq!(
                base.join(refused.as_bytes()).unwrap_err().code,
                599,
                "{refused}"
            );
        }
    }

    #[test]
    fn a_host_has_one_spelling() {
        for (spelled, host) in [
            ("EXAMPLE.com:80", "example.com"),
            ("ex%61mple.com", "example.com"),
            ("\u{ff45}xample\u{3002}com", "example.com"),
            ("user@example.com", "example.com"),
            ("a@b@example.com", "example.com"),
            ("exa\tmple\n.com", "example.com"),
            ("example.com\\@other.example", "example.com"),
            ("127.1", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("\u{ff11}27.0.0.1", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("[0:0::0001]:8080", "[::1]:8080"),
            ("faß.example", "xn--fa-hia.example"),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ] {
            let url = Url::parse(&format!(" http://{spelled}/ ")).unwrap();
            assert_eq!(url.authority(), host, "{spelled}");
        }
        for none in [
            ":80",
            "a b",
            "a%00b",
            "a%2fb",
            "a<b",
            "a|b",
            "[::1",
            "[::1]x",
            "1.2.3.4.5",
            "256.1.1.1",
            "example.com:65536",
            "example.com:x",
            "xn--a",
            "\u{ad}",
        ] {
            let fault = Url::parse(&format!("http://{none}/x"));
            assert!(fault.is_err(), "{none}: {fault:?}");
        }
    }

    #[test]
    fn no_fault_shows_a_user() {
        let base = Url::parse("http://example.com/").unwrap();
        for (broken, shown) in [
            ("http://ada:secret@[bad/", "http://[bad/"),
            ("HTTPS://ada:secret@[bad/", "https://[bad/"),
            ("http://ada:secret@/x", "http:///x"),
            ("//ada:secret@[bad/x", "//[bad/x"),
            // Characters that have to be encoded in a password.
            ("http://ada:se/secret@host/", "http://host/"),
            ("http://ada:se#secret@host/", "http://host/"),
            ("http://[bad/?q", "http://[bad/?q"),
        ] {
            let faults = [Url::parse(broken), base.join(broken.as_bytes())];
            for fault in faults {
                let fault = fault.unwrap_err().to_string();
                assert!(!fault.contains("secret"), "{fault}");
                let shown = format!("not a URL: {shown}: ");
                assert!(fault.contains(&shown), "{broken}: {fault}");
            }
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let url = |text: &str| Url::parse(text).unwrap();
        let base = url("http://example.com/");
        for same in ["http://EXAMPLE.com:80/x", "http://user@example.com/"] {
            assert!(url(same).is_same_origin(&base), "{same}");
        }
        for other in [
            "https://example.com/",
            "http://example.com:81/",
            "http://example.com.evil.example/",
        ] {
            assert!(!url(other).is_same_origin(&base), "{other}");
        }
    }
}
