//! Tornado's [`tornado.escape`](https://www.tornadoweb.org/en/stable/escape.html): text for HTML, URLs and JSON,
//! escaped and read again.
//!
//! ```
//! # use waterspout_sdk::prelude::*;
//! use waterspout_sdk::escape::xhtml_escape;
//!
//! # async fn get(cx: &Context) -> Result {
//! let name = cx.get_query_argument("name")?;
//! cx.write(format!("<p>Hello, {}!</p>", xhtml_escape(&name)))
//! # }
//! ```
//!
//! Tornado's `utf8`, `to_unicode` and `recursive_unicode` are missing: a `str` of Rust is UTF-8. So is `linkify`.

use anyhow::Context as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::result::Result;

/// Makes text safe inside HTML or XML: `&`, `<`, `>`, `"` and `'` are escaped. Tornado's
/// [`xhtml_escape`](https://www.tornadoweb.org/en/stable/escape.html#tornado.escape.xhtml_escape).
///
/// The result is for the text of an element, or for an attribute in quotes. It is not for scripts, styles or URLs.
///
/// ```
/// use waterspout_sdk::escape::xhtml_escape;
///
/// assert_eq!(xhtml_escape("<b>\"it's\" & more"), "&lt;b&gt;&quot;it&#x27;s&quot; &amp; more");
/// ```
pub fn xhtml_escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for char in value.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            _ => escaped.push(char),
        }
    }
    escaped
}

/// Reads text with the character references of HTML: `&lt;`, `&#60;`, `&eacute;`. Tornado's
/// [`xhtml_unescape`](https://www.tornadoweb.org/en/stable/escape.html#tornado.escape.xhtml_unescape).
///
/// ```
/// use waterspout_sdk::escape::xhtml_unescape;
///
/// assert_eq!(xhtml_unescape("caf&eacute; &lt;&#x31;&#50;&gt;"), "café <12>");
/// ```
pub fn xhtml_unescape(value: &str) -> String {
    htmlize::unescape(value).into_owned()
}

/// Escapes text or bytes for a URL. Tornado's
/// [`url_escape`](https://www.tornadoweb.org/en/stable/escape.html#tornado.escape.url_escape).
///
/// With `plus`, a space is `+` and a slash is `%2F`: for values of a query. Without it, a space is `%20` and a slash
/// stays: for a path. (In Tornado `plus` is true where it is left out.)
///
/// ```
/// use waterspout_sdk::escape::url_escape;
///
/// assert_eq!(url_escape("a b/c", true), "a+b%2Fc");
/// assert_eq!(url_escape("a b/c", false), "a%20b/c");
/// ```
pub fn url_escape(value: impl AsRef<[u8]>, plus: bool) -> String {
    match plus {
        true => percent_encode(value.as_ref(), IN_QUERY)
            .to_string()
            .replace(' ', "+"),
        false => percent_encode(value.as_ref(), IN_PATH).to_string(),
    }
}

/// What is escaped in a query. A space is not: it becomes `+`.
const IN_QUERY: &AsciiSet = &UNSAFE.remove(b' ');
/// What is escaped in a path.
const IN_PATH: &AsciiSet = &UNSAFE.remove(b'/');
/// All but what RFC 3986 calls unreserved.
const UNSAFE: AsciiSet = NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');

/// Reads text that was escaped for a URL. What is not UTF-8 in it becomes U+FFFD. Tornado's
/// [`url_unescape`](https://www.tornadoweb.org/en/stable/escape.html#tornado.escape.url_unescape).
///
/// With `plus`, a `+` is a space: for queries and forms. Without it, a `+` stays: for paths.
///
/// ```
/// use waterspout_sdk::escape::url_unescape;
///
/// assert_eq!(url_unescape("a+b%2Fc", true), "a b/c");
/// assert_eq!(url_unescape("a+b%2Fc", false), "a+b/c");
/// ```
pub fn url_unescape(value: impl AsRef<[u8]>, plus: bool) -> String {
    let bytes = url_unescape_bytes(value, plus);
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Reads bytes that were escaped for a URL: Tornado's `url_unescape` with `encoding=None`.
pub fn url_unescape_bytes(value: impl AsRef<[u8]>, plus: bool) -> Vec<u8> {
    let value = value.as_ref();
    match plus {
        true => {
            let spaced: Vec<u8> = value
                .iter()
                .map(|byte| if *byte == b'+' { b' ' } else { *byte })
                .collect();
            percent_decode(&spaced).collect()
        }
        false => percent_decode(value).collect(),
    }
}

/// Writes a value as JSON that can stand in a `<script>` of a page: each `</` is written as `<\/`, which means the same
/// in JSON. Tornado's [`json_encode`](https://www.tornadoweb.org/en/stable/escape.html#tornado.escape.json_encode).
///
/// An error where the value has no form in JSON, such as a map whose keys are not strings.
///
/// ```
/// # fn main() -> waterspout_sdk::Result {
/// use waterspout_sdk::escape::json_encode;
///
/// assert_eq!(json_encode(&["</script>"])?, r#"["<\/script>"]"#);
/// # Ok(())
/// # }
/// ```
pub fn json_encode<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    let json = serde_json::to_string(value).context("a value as JSON")?;
    Ok(json.replace("</", r"<\/"))
}

/// Reads a value from JSON, text or bytes. Tornado's
/// [`json_decode`](https://www.tornadoweb.org/en/stable/escape.html#tornado.escape.json_decode).
///
/// An error where it is not JSON, or not a value of the wanted type.
///
/// ```
/// # fn main() -> waterspout_sdk::Result {
/// use waterspout_sdk::escape::json_decode;
///
/// let numbers: Vec<u32> = json_decode("[1, 2]")?;
/// assert_eq!(numbers, [1, 2]);
/// # Ok(())
/// # }
/// ```
pub fn json_decode<T: DeserializeOwned>(value: impl AsRef<[u8]>) -> Result<T> {
    serde_json::from_slice(value.as_ref()).context("reading JSON")
}

/// Puts one space in the place of each run of spaces and control characters, and none at the ends. Tornado's
/// [`squeeze`](https://www.tornadoweb.org/en/stable/escape.html#tornado.escape.squeeze).
///
/// ```
/// use waterspout_sdk::escape::squeeze;
///
/// assert_eq!(squeeze("  a \t\n b "), "a b");
/// ```
pub fn squeeze(value: &str) -> String {
    let words: Vec<&str> = value
        .split(|char| char <= ' ')
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of Tornado's `escape_test.py`.
    #[test]
    fn xhtml_is_escaped_and_read_as_in_tornado() {
        for (plain, escaped) in [
            ("<foo>", "&lt;foo&gt;"),
            ("<>&\"'", "&lt;&gt;&amp;&quot;&#x27;"),
            ("&amp;", "&amp;amp;"),
            ("<\u{e9}>", "&lt;\u{e9}&gt;"),
        ] {
            assert_eq!(xhtml_escape(plain), escaped);
            assert_eq!(xhtml_unescape(escaped), plain);
        }
        for (escaped, plain) in [
            ("foo&#32;bar", "foo bar"),
            ("foo&#x20;bar", "foo bar"),
            ("foo&#X20;bar", "foo bar"),
            ("foo&#xabc;bar", "foo\u{abc}bar"),
            ("foo&#xyz;bar", "foo&#xyz;bar"),
            ("foo&#;bar", "foo&#;bar"),
            ("foo&#x;bar", "foo&#x;bar"),
            // Python's `html.unescape`, which Tornado calls.
            ("&#39;&apos;&eacute;&euro;", "''\u{e9}\u{20ac}"),
            ("a &lt b &amp c", "a < b & c"),
        ] {
            assert_eq!(xhtml_unescape(escaped), plain, "{escaped}");
        }
    }

    /// Cases of Tornado's `escape_test.py`.
    #[test]
    fn urls_are_escaped_and_read_as_in_tornado() {
        assert_eq!(url_escape("\u{e9}", true), "%C3%A9");
        assert_eq!(url_escape(b"\xe9", true), "%E9");
        assert_eq!(url_unescape_bytes("%C3%A9", true), "\u{e9}".as_bytes());
        assert_eq!(url_unescape("%C3%A9", true), "\u{e9}");
        assert_eq!(url_unescape_bytes("%e9", true), b"\xe9");
        assert_eq!(url_unescape("%e9", true), "\u{fffd}");
        let unescaped = "+ #%";
        assert_eq!(url_escape(unescaped, true), "%2B+%23%25");
        assert_eq!(url_escape(unescaped, false), "%2B%20%23%25");
        assert_eq!(url_unescape("%2B+%23%25", true), unescaped);
        assert_eq!(url_unescape("%2B%20%23%25", false), unescaped);
        assert_eq!(url_escape("/a-b_c.d~", true), "%2Fa-b_c.d~");
        assert_eq!(url_escape("/a-b_c.d~", false), "/a-b_c.d~");
        assert_eq!(url_unescape("%zz%4", true), "%zz%4");
    }

    #[test]
    fn json_is_safe_in_a_script_and_reads_as_it_was() {
        let text = "</script>\u{e9}";
        let json = json_encode(text).unwrap();
        assert_eq!(json, "\"<\\/script>\u{e9}\"");
        assert_eq!(json_decode::<String>(&json).unwrap(), text);
        assert_eq!(json_decode::<String>(b"\"foo\"").unwrap(), "foo");
        assert_eq!(json_decode::<String>("\"\u{e9}\"").unwrap(), "\u{e9}");
        assert!(json_decode::<String>("{").is_err());
        // A key that is no string has no JSON.
        let map = std::collections::BTreeMap::from([([1], 2)]);
        assert!(json_encode(&map).is_err());
    }

    /// A case of Tornado's `escape_test.py`.
    #[test]
    fn white_space_is_squeezed() {
        let sequences = "sequences     of    whitespace   chars";
        assert_eq!(squeeze(sequences), "sequences of whitespace chars");
        assert_eq!(squeeze("\0a\u{1f}\r\nb\u{a0}c\t"), "a b\u{a0}c");
    }
}
