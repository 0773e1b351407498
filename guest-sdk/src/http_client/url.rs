//! URLs: taken apart for WASI, joined for redirects, by RFC 3986. Decides nothing about who may be reached.

use std::borrow::Cow;
use std::fmt;

use fluent_uri::{Uri, UriRef};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use super::HttpClientError;

/// What may not stand in a URL, and is encoded where it does.
const ILLEGAL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A URL of HTTP.
#[derive(Clone, Debug)]
pub struct Url {
    uri: Uri<String>,
    encrypted: bool,
    /// User and password, decoded.
    user: Option<(String, String)>,
}

impl Url {
    pub fn parse(text: &str) -> Result<Self, HttpClientError> {
        let text = encoded(text.trim().as_bytes());
        let uri = Uri::parse(text.as_str()).map_err(|error| fault(&text, &error))?;
        Self::of(uri.to_owned())
    }

    fn of(uri: Uri<String>) -> Result<Self, HttpClientError> {
        let encrypted = match uri.scheme().as_str() {
            scheme if scheme.eq_ignore_ascii_case("http") => false,
            scheme if scheme.eq_ignore_ascii_case("https") => true,
            scheme => {
                return Err(HttpClientError::new(
                    599,
                    format!("Unsupported url scheme: {scheme}"),
                ));
            }
        };
        let authority = uri.authority();
        let authority = authority.filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| fault(uri.as_str(), &"it has no host"))?;
        let user = authority.userinfo().map(|user| {
            let user = user.as_str();
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            (decode(name), decode(password))
        });
        Ok(Self {
            uri,
            encrypted,
            user,
        })
    }

    /// Where a `Location` leads from here.
    pub fn join(&self, location: &[u8]) -> Result<Self, HttpClientError> {
        let text = encoded(location.trim_ascii());
        let reference = UriRef::parse(text.as_str()).map_err(|error| fault(&text, &error))?;
        let base = self.uri.strip_fragment();
        let joined = reference.resolve_against(&base);
        Self::of(joined.map_err(|error| fault(&text, &error))?)
    }

    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Host and port, without a user.
    pub fn authority(&self) -> &str {
        let authority = self
            .uri
            .authority()
            .map_or("", |authority| authority.as_str());
        authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host)
    }

    /// What the server is asked for.
    pub fn path_with_query(&self) -> String {
        let path = match self.uri.path().as_str() {
            "" => "/",
            path => path,
        };
        match self.uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }

    pub fn user(&self) -> Option<&(String, String)> {
        self.user.as_ref()
    }

    /// Sends no user from here on.
    pub fn forget_user(&mut self) {
        self.user = None;
    }

    pub fn is_same_origin(&self, other: &Self) -> bool {
        let origin = |url: &Self| {
            let authority = url.authority().to_ascii_lowercase();
            let default = if url.encrypted { ":443" } else { ":80" };
            let authority = authority.strip_suffix(default).unwrap_or(&authority);
            (url.encrypted, authority.to_owned())
        };
        origin(self) == origin(other)
    }
}

/// Without user and fragment, which stay here.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(
            f,
            "{scheme}://{}{}",
            self.authority(),
            self.path_with_query()
        )
    }
}

fn encoded(text: &[u8]) -> String {
    percent_encode(text, ILLEGAL).to_string()
}

fn fault(url: &str, error: &dyn fmt::Display) -> HttpClientError {
    let url = without_user(url);
    HttpClientError::new(599, format!("not a URL: {url}: {error}"))
}

/// For what may go into a log. Where a URL is broken, nobody knows where its user ends: a password may be
/// what broke it. So nothing is shown of what stands before the last `@` but a scheme.
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
        assert_eq!(base.user(), Some(&("user".to_owned(), "p@ss".to_owned())));
        assert_eq!(base.authority(), "Example.com:8080");
        assert_eq!(base.path_with_query(), "/a/b?c");
        for (location, joined) in [
            ("/x", "http://Example.com:8080/x"),
            ("x?y=1", "http://Example.com:8080/a/x?y=1"),
            ("../x", "http://Example.com:8080/x"),
            ("?e", "http://Example.com:8080/a/b?e"),
            ("//other.example/z", "http://other.example/z"),
            ("https://other.example", "https://other.example/"),
            (
                "/with space/é",
                "http://Example.com:8080/with%20space/%C3%A9",
            ),
        ] {
            let url = base.join(location.as_bytes()).unwrap();
            assert_eq!(url.to_string(), joined, "{location}");
        }
        for refused in ["ftp://example.com/", "file:///etc/passwd", "http:///x"] {
            assert_eq!(
                base.join(refused.as_bytes()).unwrap_err().code,
                599,
                "{refused}"
            );
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
            ("http://ada:se@secret@host/", "http://host/"),
            ("http://ada:se%secret@host/", "http://host/"),
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
