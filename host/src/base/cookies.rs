//! The cookies of a request, as far as the host itself reads them, and the text of one that it has a client keep. Signs
//! none.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// The attributes of a cookie, under the names that Tornado's `set_cookie` has for them.
#[derive(Clone, Debug, PartialEq)]
pub struct CookieAttributes {
    /// Sent to this domain, and those below it.
    pub domain: Option<String>,
    /// After so many days it ends. Absent: with the browser's session, or after 30 days where the user is known.
    pub expires_days: Option<f64>,
    /// Not for scripts.
    pub httponly: bool,
    /// After so many seconds it ends.
    pub max_age: Option<i64>,
    /// Sent with paths below this one.
    pub path: String,
    /// `Lax`, `Strict` or `None`.
    pub samesite: Option<&'static str>,
    /// Over HTTPS only.
    pub secure: bool,
}

impl Default for CookieAttributes {
    fn default() -> Self {
        Self {
            domain: None,
            expires_days: None,
            httponly: false,
            max_age: None,
            path: "/".to_owned(),
            samesite: None,
            secure: false,
        }
    }
}

/// The value of a cookie, without quotes and escapes; the last one where the name was sent twice, as in Tornado.
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, [u8]>> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut named = pairs.filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (found, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        (found == name.as_bytes()).then_some(value)
    });
    named.next_back().map(unquote)
}

/// What is in a quoted value: Python, and so Tornado, writes `\"` for `"` in there, and `\073` for `;`.
fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let inner = value.strip_prefix(b"\"");
    let Some(mut rest) = inner.and_then(|inner| inner.strip_suffix(b"\"")) else {
        return value.into();
    };
    if !rest.contains(&b'\\') {
        return rest.into();
    }
    let mut unquoted = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, octal(after), after) {
            (b'\\', Some(byte), _) => {
                unquoted.push(byte);
                rest = &after[3..];
            }
            (b'\\', None, [escaped, after @ ..]) => {
                unquoted.push(*escaped);
                rest = after;
            }
            _ => unquoted.push(*first),
        }
    }
    unquoted.into()
}

/// A byte in three octal digits.
fn octal(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(..3)?).ok()?;
    u8::from_str_radix(digits, 8)
        .ok()
        .filter(|_| !digits.starts_with('+'))
}

/// What is said in `Set-Cookie`, for a value without quotes: attributes in the order of Python's `http.cookies`.
/// `expires_days`: where the attributes have none.
pub fn line(
    name: &str,
    value: &str,
    attributes: &CookieAttributes,
    expires_days: Option<f64>,
) -> String {
    let mut line = format!("{name}={value}");
    let mut add = |attribute: &str, value: Option<String>| {
        if let Some(value) = value {
            line += attribute;
            line += &value;
        }
    };
    let flag = |is_set: bool| is_set.then(String::new);
    let days = attributes.expires_days.or(expires_days);
    let ends = days.and_then(|days| {
        let after = Duration::try_from_secs_f64(days * 24.0 * 3600.0).ok()?;
        SystemTime::now().checked_add(after)
    });
    add("; Domain=", attributes.domain.clone());
    add("; expires=", ends.map(httpdate::fmt_http_date));
    add("; HttpOnly", flag(attributes.httponly));
    add("; Max-Age=", attributes.max_age.map(|age| age.to_string()));
    add("; Path=", Some(attributes.path.clone()));
    add("; SameSite=", attributes.samesite.map(str::to_owned));
    add("; Secure", flag(attributes.secure));
    line
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_last_of_a_name_counts_without_its_quotes() {
        for (sent, value) in [
            ("a=1", Some("1")),
            ("b=2; a=1", Some("1")),
            ("a=1;a = 2 ;b=3", Some("2")),
            ("a=\"1|b=:\"", Some("1|b=:")),
            (r#"a="x\"y\073\\""#, Some("x\"y;\\")),
            (r#"a="\7x\""#, Some("7x\\")),
            ("a=\"", Some("\"")),
            ("a", None),
            ("aa=1; A=2", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(sent));
            let found = find(&headers, "a");
            assert_eq!(found.as_deref(), value.map(str::as_bytes), "{sent}");
        }
    }

    #[test]
    fn attributes_stand_in_the_order_of_python() {
        let attributes = CookieAttributes {
            domain: Some("example.com".into()),
            httponly: true,
            max_age: Some(60),
            samesite: Some("Strict"),
            secure: true,
            ..CookieAttributes::default()
        };
        let said = "a=1; Domain=example.com; HttpOnly; Max-Age=60; Path=/; SameSite=Strict; Secure";
        assert_eq!(line("a", "1", &attributes, None), said);
        let ends = line("a", "1", &CookieAttributes::default(), Some(1.0));
        assert!(ends.starts_with("a=1; expires="), "{ends}");
        assert!(ends.ends_with(" GMT; Path=/"), "{ends}");
    }
}
