//! The arguments of a query or a form: what was sent, decoded. It does not know where the bytes come from.

use anyhow::anyhow;

use crate::escape::url_unescape_bytes;
use crate::result::Result;
use crate::web::error::HttpError;

/// Names and values of a query or a form, in the order in which they were sent, percent-decoded.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn post(cx: &Context) -> Result {
/// let form = cx.request().body_arguments().await?;
/// let color = form.get("color"); // the bytes as they were sent, nothing stripped
/// for (name, value) in form.iter() {
///     cx.write(format!("{name}: {} bytes\n", value.len()))?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments(Vec<(String, Vec<u8>)>);

impl Arguments {
    /// The last value of a name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next_back()
    }

    /// All values of a name.
    pub fn get_all(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.iter()
            .filter_map(move |(other, value)| (other == name).then_some(value))
    }

    /// All names with their values.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Parses `application/x-www-form-urlencoded`. Blank values stay, as in Tornado; a name that is no UTF-8 is read
    /// as well as can be.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let pairs = encoded
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty());
        Self(pairs.map(parse_pair).collect())
    }

    /// Parses a body of that type; [`HttpError`] 400 where there are more than 1,000 (Tornado's
    /// `ParseUrlEncodedConfig`).
    pub(crate) fn parse_form(body: &[u8]) -> Result<Self> {
        const MAX_ARGUMENTS: usize = 1_000;
        let ampersands = body.iter().filter(|byte| **byte == b'&');
        if ampersands.count() >= MAX_ARGUMENTS {
            let message = "Invalid x-www-form-urlencoded body: too many arguments";
            return Err(HttpError::new(400).with_message(message).into());
        }
        Ok(Self::parse(body))
    }

    /// One more, decoded.
    pub(crate) fn push(&mut self, name: String, value: Vec<u8>) {
        self.0.push((name, value));
    }

    /// All values must be valid, as in Tornado, so that their order makes no difference.
    pub(super) fn last(&self, name: impl ArgumentName) -> Result<Option<String>> {
        Ok(self.texts(name)?.pop())
    }

    pub(super) fn texts(&self, name: impl ArgumentName) -> Result<Vec<String>> {
        self.get_all(name.name())
            .map(|value| decode(name, value))
            .collect()
    }
}

/// The name of an argument: a text, or [`Unstripped`].
pub trait ArgumentName: Copy {
    #[doc(hidden)]
    fn name(&self) -> &str;

    /// Whether the spaces around the value go.
    #[doc(hidden)]
    fn is_stripped(self) -> bool;
}

impl<S: AsRef<str> + ?Sized> ArgumentName for &S {
    fn name(&self) -> &str {
        (**self).as_ref()
    }

    fn is_stripped(self) -> bool {
        true
    }
}

/// An argument whose value keeps the spaces around it: Tornado's `strip=False`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn post(cx: &Context) -> Result {
/// use waterspout_sdk::web::Unstripped;
///
/// let password = cx.get_body_argument(Unstripped("password")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unstripped<'a>(pub &'a str);

impl ArgumentName for Unstripped<'_> {
    fn name(&self) -> &str {
        self.0
    }

    fn is_stripped(self) -> bool {
        false
    }
}

fn parse_pair(pair: &[u8]) -> (String, Vec<u8>) {
    let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, &b""[..]),
    };
    (
        String::from_utf8_lossy(&url_unescape_bytes(name, true)).into_owned(),
        url_unescape_bytes(value, true),
    )
}

fn decode(name: impl ArgumentName, value: &[u8]) -> Result<String> {
    let invalid = |_| {
        HttpError::new(400).with_message(format!(
            "Invalid unicode in {}: {:?}",
            name.name(),
            value.escape_ascii().to_string()
        ))
    };
    let text = std::str::from_utf8(value).map_err(invalid)?;
    let control = |c: char| matches!(c, '\0'..='\x08' | '\x0e'..='\x1f');
    let text = text.replace(control, " ");
    Ok(match name.is_stripped() {
        true => text.trim().to_owned(),
        false => text,
    })
}

pub(super) fn missing(name: &str) -> anyhow::Error {
    anyhow!(HttpError::new(400).with_message(format!("Missing argument {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status<T: std::fmt::Debug>(result: Result<T>) -> Option<u16> {
        result.unwrap_err().downcast_ref().map(HttpError::status)
    }

    #[test]
    fn pairs_are_decoded_in_order_and_blank_values_stay() {
        let arguments = Arguments::parse(b"a=1+2&&b=%e2%82%ac&c&a=%00x&=n");
        let pairs: Vec<_> = arguments.iter().collect();
        assert_eq!(
            pairs,
            [
                ("a", &b"1 2"[..]),
                ("b", "€".as_bytes()),
                ("c", b""),
                ("a", b"\0x"),
                ("", b"n")
            ]
        );
    }

    #[test]
    fn the_last_value_wins_stripped_and_without_control_characters() {
        let arguments = Arguments::parse(b"a=1&a=%20x%01y%0a");
        assert_eq!(arguments.last("a").unwrap().as_deref(), Some("x y"));
        assert_eq!(arguments.texts("a").unwrap(), ["1", "x y"]);
        assert_eq!(arguments.last("b").unwrap(), None);
        assert_eq!(arguments.texts(Unstripped("a")).unwrap(), ["1", " x y\n"]);
    }

    #[test]
    fn what_is_not_utf_8_is_the_clients_fault() {
        for query in ["a=%ff", "a=%ff&a=1", "a=1&a=%ff"] {
            let arguments = Arguments::parse(query.as_bytes());
            assert_eq!(status(arguments.last("a")), Some(400), "{query}");
        }
        let others = Arguments::parse(b"b=%ff&a=1");
        assert_eq!(others.last("a").unwrap().as_deref(), Some("1"));
    }

    #[test]
    fn a_missing_argument_is_named() {
        let error = missing("x");
        assert_eq!(
            error.to_string(),
            "HTTP 400: Bad Request (Missing argument x)"
        );
    }
}
