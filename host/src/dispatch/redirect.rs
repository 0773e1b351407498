//! `builtin:redirect`, Tornado's `RedirectHandler`: the target with the groups of the pattern in it.

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::{Reply, page};
use crate::router::Arguments;

/// Answers with the redirect; GET and HEAD only, as in Tornado.
pub fn answer(head: &Parts, url: &str, permanent: bool, arguments: &Arguments) -> Response<Reply> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let mut response = page::error(StatusCode::METHOD_NOT_ALLOWED);
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allow);
        return response;
    }
    let mut location = expand(url, arguments);
    if let Some(query) = head.uri.query() {
        location.push(if location.contains('?') { '&' } else { '?' });
        location.push_str(query);
    }
    let Ok(location) = HeaderValue::from_bytes(location.as_bytes()) else {
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

/// Puts groups in the place of `\1` and `{0}`, or `{name}`. What names no group stays as it is.
fn expand(url: &str, arguments: &Arguments) -> String {
    let mut expanded = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(at) = rest.find(['\\', '{']) {
        expanded.push_str(&rest[..at]);
        rest = &rest[at..];
        let (length, value) = placeholder(rest, arguments).unwrap_or((1, &rest[..1]));
        expanded.push_str(value);
        rest = &rest[length..];
    }
    expanded + rest
}

/// How long the placeholder is that `text` begins with, and what stands for it.
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
            ("/photos/{0}/{2}", "/photos/a/ü/"),
            (r"/\2|\4|\0|{9}|{|\", r"/|\4|\0|{9}|{|\"),
        ] {
            assert_eq!(expand(url, &values), expanded);
        }
        let named = Arguments::Named(vec![("x".into(), Some("1".into()))]);
        assert_eq!(expand(r"/{x}/{y}/\1", &named), r"/1/{y}/\1");
    }
}
