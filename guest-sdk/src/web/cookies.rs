//! Cookies as text: those of a request are read, those of a response are written as Python's `http.cookies` and so
//! Tornado write them. It signs none.

use anyhow::{Context as _, ensure};
use cookie::time::format_description::well_known::Rfc2822;
use cookie::time::{Duration, OffsetDateTime, UtcOffset};
use cookie::{Cookie, SameSite};
use http::HeaderValue;

use crate::result::Result;

/// What is said in `Set-Cookie`: attributes in Python's order.
pub(super) fn line(cookie: &Cookie) -> Result<HeaderValue> {
    let name = cookie.name();
    ensure!(is_name(name), "Invalid name of a cookie: {name:?}");
    // The value itself may be a secret, and errors are logged.
    ensure!(
        !cookie.value().bytes().any(|byte| byte <= b' '),
        "Invalid cookie {name}: a space or a control character in its value"
    );
    // Browsers drop one of these that is not `Secure`.
    let partitioned = cookie.partitioned().unwrap_or_default();
    let needs_secure = partitioned || cookie.same_site() == Some(SameSite::None);
    let is_secure = needs_secure || cookie.secure().unwrap_or_default();
    let attributes = [
        ("; Domain=", attribute("domain", cookie.domain())?),
        (
            "; expires=",
            cookie.expires_datetime().map(date).transpose()?,
        ),
        ("; HttpOnly", flag(cookie.http_only().unwrap_or_default())),
        ("; Max-Age=", cookie.max_age().map(seconds)),
        ("; Partitioned", flag(partitioned)),
        ("; Path=", attribute("path", cookie.path().or(Some("/")))?),
        (
            "; SameSite=",
            cookie.same_site().map(|same_site| same_site.to_string()),
        ),
        ("; Secure", flag(is_secure)),
    ];
    let mut line = format!("{name}={}", quote(cookie.value()));
    for (attribute, value) in attributes {
        if let Some(value) = value {
            line += attribute;
            line += &value;
        }
    }
    Ok(HeaderValue::try_from(line.into_bytes())?)
}

/// Python's `_is_legal_key`, and no attribute's name.
pub(super) fn is_name(name: &str) -> bool {
    const ATTRIBUTES: [&str; 9] = [
        "comment", "domain", "expires", "httponly", "max-age", "path", "samesite", "secure",
        "version",
    ];
    let is_attribute = ATTRIBUTES
        .iter()
        .any(|attribute| name.eq_ignore_ascii_case(attribute));
    !name.is_empty() && name.chars().all(is_plain) && !is_attribute
}

/// Python's `_LegalChars`: what needs no quotes.
fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:".contains(char)
}

/// The value of an attribute, none where it is empty. It is not quoted, so a `;` would begin another one.
fn attribute(name: &str, value: Option<&str>) -> Result<Option<String>> {
    let value = value.unwrap_or_default();
    let is_sound = !value.contains(|char| matches!(char, '\0'..=' ' | ';' | '\x7f'));
    ensure!(is_sound, "Invalid {name} of a cookie: {value:?}");
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

fn flag(is_set: bool) -> Option<String> {
    is_set.then(String::new)
}

fn seconds(age: Duration) -> String {
    age.whole_seconds().to_string()
}

/// A date as HTTP wants it: that of mails, with `GMT`.
fn date(time: OffsetDateTime) -> Result<String> {
    let time = time.checked_to_offset(UtcOffset::UTC);
    let date = time
        .context("a date that no calendar has")?
        .format(&Rfc2822)?;
    Ok(date.replace("+0000", "GMT"))
}

/// Python's `_quote`. What is beyond Latin-1 it leaves as it is.
fn quote(value: &str) -> String {
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let mut quoted = String::from('"');
    for char in value.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            _ if is_plain(char) || "()/<=>?@[]{}".contains(char) || char > '\u{ff}' => {
                quoted.push(char);
            }
            _ => quoted += &format!("\\{:03o}", u32::from(char)),
        }
    }
    quoted + "\""
}

/// A byte that is no UTF-8 becomes U+FFFD: one such cookie costs not the others.
pub(super) fn parse(header: &[u8]) -> Vec<Cookie<'static>> {
    let header = String::from_utf8_lossy(header).into_owned();
    let unquoted = |mut cookie: Cookie<'static>| {
        if let Some(value) = unquote(cookie.value()) {
            cookie.set_value(value);
        }
        cookie
    };
    Cookie::split_parse(header)
        .filter_map(Result::ok)
        .map(unquoted)
        .collect()
}

/// What is in a quoted value: Python, and so Tornado, writes `\"` for `"` in there, and `\073` for `;`.
fn unquote(value: &str) -> Option<String> {
    let mut rest = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut unquoted = String::with_capacity(rest.len());
    while let Some(at) = rest.find('\\') {
        unquoted.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let octal = rest
            .get(..3)
            .filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')));
        // Three digits past 0o377 are no byte.
        let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (byte, rest.chars().next()) {
            (Some(byte), _) => {
                unquoted.push(char::from(byte));
                rest = &rest[3..];
            }
            (None, Some(escaped)) => {
                unquoted.push(escaped);
                rest = &rest[escaped.len_utf8()..];
            }
            (None, None) => unquoted.push('\\'),
        }
    }
    Some(unquoted + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<'c>(cookie: impl Into<Cookie<'c>>) -> String {
        let line = line(&cookie.into()).unwrap();
        std::str::from_utf8(line.as_bytes()).unwrap().to_owned()
    }

    #[test]
    fn what_browsers_drop_without_secure_brings_it() {
        let cookie = || Cookie::build(("a", "1"));
        let none = "a=1; Path=/; SameSite=None; Secure";
        assert_eq!(written(cookie().same_site(SameSite::None)), none);
        let refused = cookie().same_site(SameSite::None).secure(false);
        assert_eq!(written(refused), none);
        let partitioned = "a=1; Partitioned; Path=/; Secure";
        assert_eq!(written(cookie().partitioned(true)), partitioned);
        let lax = cookie().same_site(SameSite::Lax).partitioned(false);
        assert_eq!(written(lax), "a=1; Path=/; SameSite=Lax");
    }

    #[test]
    fn a_date_past_all_calendars_ends_nothing() {
        use cookie::time::PrimitiveDateTime;

        let west = UtcOffset::from_hms(-1, 0, 0).unwrap();
        let late = PrimitiveDateTime::MAX.assume_offset(west);
        // An error, or a date with a year of five digits, where a library knows those.
        let written = line(&Cookie::build(("a", "1")).expires(late).build());
        assert!(written.is_err() || written.is_ok_and(|line| !line.is_empty()));
    }

    #[test]
    fn attributes_come_in_python_s_order() {
        let cookie = Cookie::build(("a", "1"))
            .secure(true)
            .same_site(SameSite::None)
            .path("/b")
            .partitioned(true)
            .max_age(Duration::days(1))
            .http_only(true)
            .expires(OffsetDateTime::from_unix_timestamp(1_359_312_200).unwrap())
            .domain("example.com");
        assert_eq!(
            written(cookie),
            "a=1; Domain=example.com; expires=Sun, 27 Jan 2013 18:43:20 GMT; HttpOnly; Max-Age=86400; Partitioned; \
             Path=/b; SameSite=None; Secure"
        );
        assert_eq!(written(("a", "1")), "a=1; Path=/");
        assert_eq!(written(Cookie::build(("a", "1")).path("")), "a=1");
        let elsewhere = OffsetDateTime::from_unix_timestamp(1_767_225_600)
            .unwrap()
            .to_offset(UtcOffset::from_hms(-2, 0, 0).unwrap());
        assert_eq!(date(elsewhere).unwrap(), "Thu, 01 Jan 2026 00:00:00 GMT");
    }

    #[test]
    fn what_is_quoted_is_read_as_it_was() {
        let printable: String = ('!'..='~').collect();
        for value in [
            "",
            "a",
            "\"",
            "\\",
            "a;b,c",
            "\u{7f}\u{80}\u{e9}\u{ff}",
            "\u{20ac}",
            &printable,
        ] {
            let line = written(("a", value));
            assert_eq!(line.matches(';').count(), 1, "{line}");
            assert!(!line.contains(char::is_control), "{line:?}");
            let cookies = parse(line.as_bytes());
            assert_eq!(cookies[0].value(), value, "{line}");
        }
    }

    #[test]
    fn what_would_be_another_cookie_is_an_error() {
        let names = [
            "", "a b", "a=b", "a;b", "a\r\n", "a\0", "\u{e9}", "Path", "max-age", "a[0]",
        ];
        for name in names {
            assert!(line(&Cookie::new(name, "1")).is_err(), "{name:?}");
        }
        for value in ["a b", "a\nb", "\0", "\t", "\x1f"] {
            let error = line(&Cookie::new("a", value)).unwrap_err();
            assert!(
                error.to_string().starts_with("Invalid cookie a: "),
                "{error}"
            );
        }
        for value in ["a;b", "; Secure", "a b", "a\r\nb", "\x7f"] {
            assert!(line(&Cookie::build(("a", "1")).domain(value).build()).is_err());
            assert!(line(&Cookie::build(("a", "1")).path(value).build()).is_err());
        }
    }

    #[test]
    fn what_is_quoted_in_a_cookie_is_read_as_it_was_meant() {
        for (sent, meant) in [
            (r#""1""#, Some("1")),
            (r#""a\073b\"c\\""#, Some(r#"a;b"c\"#)),
            (r#""\351\400\07\x""#, Some("\u{e9}40007x")),
            (r#""\""#, Some(r"\")),
            ("\"\\\u{20ac}\"", Some("\u{20ac}")),
            (r#"""#, None),
            (r#""1"2"#, None),
            (r"1\073", None),
        ] {
            assert_eq!(unquote(sent).as_deref(), meant, "{sent}");
        }
    }

    #[test]
    fn a_cookie_that_is_no_utf_8_leaves_the_others_alone() {
        let cookies = parse(b"a=1; b=\xff; c=3");
        let values: Vec<_> = cookies.iter().map(Cookie::value).collect();
        assert_eq!(values, ["1", "\u{fffd}", "3"]);
    }
}
