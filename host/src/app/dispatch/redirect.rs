//! `builtin:redirect`, Tornado's `RedirectHandler`: the target with the groups of the pattern in it.

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Reply, page};
use crate::base::router::Arguments;

/// Answers GET with the redirect.
///
/// Scheme and host come from the configuration and not from the request. A request that would change them gets 400, as
/// in Tornado 6.6.
pub fn answer(head: &Parts, url: &str, permanent: bool, arguments: &Arguments) -> Response<Reply> {
    if head.method != Method::GET {
        let mut response = page::error(StatusCode::METHOD_NOT_ALLOWED);
        let allow = HeaderValue::from_static("GET");
        response.headers_mut().insert(header::ALLOW, allow);
        return response;
    }
    let (mut location, fixed) = expand(url, arguments);
    if origin(&location) != origin(fixed) {
        return page::error(StatusCode::BAD_REQUEST);
    }
    if let Some(query) = head.uri.query().filter(|query| !query.is_empty()) {
        add_query(&mut location, query);
    }
    let Ok(location) = HeaderValue::from_str(&location) else {
        return page::error(StatusCode::BAD_REQUEST);
    };
    let status = if permanent {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::FOUND
    };
    let mut response = page::error(status);
    *response.body_mut() = Reply::new(bytes::Bytes::new());
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// Adds a query to a URL, before its fragment. The URL may have a query already (RFC 3986, section 3).
fn add_query(url: &mut String, query: &str) {
    let end = url.find('#').unwrap_or(url.len());
    let separator = match url[..end].find('?') {
        None => "?",
        Some(_) if url[..end].ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    url.insert_str(end, query);
    url.insert_str(end, separator);
}

/// What a group must not bring into a URL unencoded: what a browser drops or takes for a slash, and what would begin a
/// query, a fragment or an encoded byte. The client had encoded it.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'\\')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'#')
    .add(b'%');

/// Replaces `\1`, `{0}` and `{name}` by groups. A placeholder without a group stays as it is. Also returns the text
/// before the first placeholder.
fn expand<'a>(url: &'a str, arguments: &Arguments) -> (String, &'a str) {
    let mut expanded = String::with_capacity(url.len());
    let mut fixed = url;
    let mut rest = url;
    while let Some(at) = rest.find(['\\', '{']) {
        expanded.push_str(&rest[..at]);
        let before = url.len() - rest.len() + at;
        rest = &rest[at..];
        let length = match placeholder(rest, arguments) {
            Some((length, value)) => {
                fixed = &fixed[..before.min(fixed.len())];
                expanded.extend(utf8_percent_encode(value, ENCODED));
                length
            }
            None => {
                expanded.push_str(&rest[..1]);
                1
            }
        };
        rest = &rest[length..];
    }
    expanded.push_str(rest);
    (expanded, fixed)
}

/// Scheme and authority of a URL. Each is empty where there is none (RFC 3986, section 3).
fn origin(url: &str) -> (&str, &str) {
    let scheme_end = url.find([':', '/', '?', '#']);
    let (scheme, rest) = match scheme_end {
        Some(end) if url.as_bytes()[end] == b':' => (&url[..end], &url[end + 1..]),
        _ => ("", url),
    };
    match rest.strip_prefix("//") {
        Some(after) => {
            let end = after.find(['/', '?', '#']).unwrap_or(after.len());
            (scheme, &rest[..end + 2])
        }
        None => (scheme, ""),
    }
}

/// The length of the placeholder at the beginning of `text`, and its value.
fn placeholder<'a>(text: &str, arguments: &'a Arguments) -> Option<(usize, &'a str)> {
    let positional = |index: usize| match arguments {
        Arguments::Positional(values) => values.get(index).map(|value| value.as_deref()),
        Arguments::Named(_) => None,
    };
    let (length, value) = if let Some(digits) = text.strip_prefix('\\') {
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let number: usize = digits[..end].parse().ok()?;
        (1 + end, positional(number.checked_sub(1)?)?)
    } else {
        let inner = text.strip_prefix('{')?;
        let end = inner.find('}')?;
        let value = match (inner[..end].parse(), arguments) {
            (Ok(index), _) => positional(index)?,
            (Err(_), Arguments::Named(values)) => {
                let named = values.iter().find(|(name, _)| *name == inner[..end]);
                named.map(|(_, value)| value.as_deref())?
            }
            _ => return None,
        };
        (end + 2, value)
    };
    Some((length, value.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stand_where_they_are_named() {
        let values = Arguments::Positional(vec![Some("a".into()), None, Some("ü/".into())]);
        for (url, expanded) in [
            (r"/photos/\1", "/photos/a"),
            ("/photos/{0}/{2}", "/photos/a/%C3%BC/"),
            (r"/\2|\4|\0|{9}|{|\", r"/|\4|\0|{9}|{|\"),
        ] {
            assert_eq!(expand(url, &values).0, expanded);
        }
        let named = Arguments::Named(vec![("x".into(), Some("1".into()))]);
        assert_eq!(expand(r"/{x}/{y}/\1", &named).0, r"/1/{y}/\1");
    }

    #[test]
    fn a_query_goes_before_the_fragment() {
        for (url, uri, value, location) in [
            ("/b#frag", "/a?x=1", "", "/b?x=1#frag"),
            ("/b#frag", "/a", "", "/b#frag"),
            ("/b#frag", "/a?", "", "/b#frag"),
            ("/b?y=2#frag", "/a?x=1", "", "/b?y=2&x=1#frag"),
            ("/b?#frag", "/a?x=1", "", "/b?x=1#frag"),
            ("/b?y=2&", "/a?x=1", "", "/b?y=2&x=1"),
            ("/b#frag?no", "/a?x=1", "", "/b?x=1#frag?no"),
            (r"/b/\1#top", "/a/c?x=1", "c", "/b/c?x=1#top"),
            (r"/b#\1", "/a/c?x=1", "c", "/b?x=1#c"),
            (
                "https://a.example#{0}",
                "/a?x=1",
                "c",
                "https://a.example?x=1#c",
            ),
            (
                "/b/{0}?y=2",
                "/a?x=1",
                "c?d#e%2",
                "/b/c%3Fd%23e%252?y=2&x=1",
            ),
        ] {
            let mut request = http::Request::new(()).into_parts().0;
            request.uri = uri.parse().unwrap();
            let values = Arguments::Positional(vec![Some(value.into())]);
            let response = answer(&request, url, true, &values);
            assert_eq!(response.headers()["location"], location, "{url} {uri}");
        }
    }

    #[test]
    fn a_request_can_not_choose_another_host() {
        for (url, value, status) in [
            ("/{0}/b", "a", 301),
            ("/{0}/b", "/evil.example", 400),
            ("/{0}", "\\evil.example", 301),
            ("/{0}", "\t/evil.example", 301),
            ("https://a.example/{0}", "/b", 301),
            ("https://a.example{0}", ".evil.example", 400),
            ("https://{0}", "evil.example", 400),
            ("{0}", "javascript:alert(1)", 400),
        ] {
            let request = http::Request::new(()).into_parts().0;
            let values = Arguments::Positional(vec![Some(value.into())]);
            let response = answer(&request, url, true, &values);
            assert_eq!(response.status(), status, "{url} {value:?}");
        }
    }
}
