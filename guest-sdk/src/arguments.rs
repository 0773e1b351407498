//! The arguments of a request: of its path, its query, its form. Pure, except for where the bytes come from.

use std::str::FromStr;

use anyhow::{Context as _, anyhow};
use percent_encoding::percent_decode;

use crate::bindings::waterspout::web::types;
use crate::{Context, HttpError, Result};

/// Arguments of the path: the groups of the route's pattern, percent-decoded by the host.
impl Context {
    /// One argument of the path, by position (`0`) or, where the pattern names its groups, by name (`"story"`).
    ///
    /// [`HttpError`] 400 where it is not a `T`, or where its group took no part in the match. Another error where the
    /// pattern has no such group: then the handler and its route don't fit.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Story;
    /// #[handler]
    /// #[route("/story/([0-9]+)")]
    /// impl RequestHandler for Story {
    ///     async fn get(&mut self, cx: &Context) -> Result {
    ///         let id: u64 = cx.path_arg(0)?;
    ///         cx.write(format!("this is story {id}"))
    ///     }
    /// }
    /// ```
    pub fn path_arg<T: FromStr>(&self, at: impl PathIndex) -> Result<T> {
        let group = at
            .find(self)
            .with_context(|| format!("the route's pattern has no group {at:?}"))?;
        let parsed = group.and_then(|text| text.parse().ok());
        Ok(parsed.ok_or_else(|| {
            HttpError::new(400).with_message(format!("Invalid path argument {at:?}"))
        })?)
    }

    /// All arguments of the path by position; `None` for a group that took no part in the match. Empty where the
    /// pattern names a group. Tornado's `path_args`.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// for (at, argument) in cx.path_args().iter().enumerate() {
    ///     cx.write(format!("{at}: {}\n", argument.as_deref().unwrap_or("none")))?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn path_args(&self) -> &[Option<String>] {
        match &self.path_arguments {
            types::Arguments::Positional(values) => values,
            types::Arguments::None | types::Arguments::Named(_) => &[],
        }
    }

    /// All arguments of the path with their names, in the order of the pattern. Empty where the pattern names no
    /// group. Tornado's `path_kwargs`.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// for (name, argument) in cx.path_kwargs() {
    ///     cx.write(format!("{name}: {}\n", argument.as_deref().unwrap_or("none")))?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn path_kwargs(&self) -> &[(String, Option<String>)] {
        match &self.path_arguments {
            types::Arguments::None | types::Arguments::Positional(_) => &[],
            types::Arguments::Named(values) => values,
        }
    }
}

/// What names a group of the route's pattern: its position or its name.
pub trait PathIndex: std::fmt::Debug {
    #[doc(hidden)]
    fn find<'a>(&self, cx: &'a Context) -> Option<Option<&'a str>>;
}

impl PathIndex for usize {
    fn find<'a>(&self, cx: &'a Context) -> Option<Option<&'a str>> {
        cx.path_args().get(*self).map(Option::as_deref)
    }
}

impl PathIndex for &str {
    fn find<'a>(&self, cx: &'a Context) -> Option<Option<&'a str>> {
        cx.path_kwargs()
            .iter()
            .find(|(name, _)| name == self)
            .map(|(_, value)| value.as_deref())
    }
}

/// Arguments of the query and of a form. Values are decoded as UTF-8 ([`HttpError`] 400 where they are not), control
/// characters become spaces, spaces around are stripped; with [`Unstripped`] around the name they stay. The raw values:
/// [`Request::query_arguments`](crate::Request::query_arguments) and
/// [`body_arguments`](crate::Request::body_arguments).
///
/// Those of the body wait for it, and fail as [`Request::body`](crate::Request::body) does.
impl Context {
    /// The value of an argument of the query or the body: the last one, where the body comes after the query.
    ///
    /// [`HttpError`] 400 `Missing argument NAME` where there is none.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// let message = cx.get_argument("message").await?;
    /// cx.write(format!("You wrote {message}"))
    /// # }
    /// ```
    pub async fn get_argument(&self, name: impl ArgumentName) -> Result<String> {
        self.argument(name)
            .await?
            .ok_or_else(|| missing(name.name()))
    }

    /// As [`get_argument`](Self::get_argument), with a default in place of the error.
    pub async fn get_argument_or(&self, name: impl ArgumentName, default: &str) -> Result<String> {
        Ok(self
            .argument(name)
            .await?
            .unwrap_or_else(|| default.to_owned()))
    }

    /// All values of an argument: those of the query, then those of the body.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// let tags = cx.get_arguments("tag").await?; // ?tag=a&tag=b
    /// cx.write(tags.join(", "))
    /// # }
    /// ```
    pub async fn get_arguments(&self, name: impl ArgumentName) -> Result<Vec<String>> {
        let mut values = self.get_query_arguments(name)?;
        values.append(&mut self.get_body_arguments(name).await?);
        Ok(values)
    }

    /// The last value of an argument of the query.
    ///
    /// [`HttpError`] 400 `Missing argument NAME` where there is none.
    pub fn get_query_argument(&self, name: impl ArgumentName) -> Result<String> {
        self.request
            .query_arguments()
            .last(name)?
            .ok_or_else(|| missing(name.name()))
    }

    /// As [`get_query_argument`](Self::get_query_argument), with a default in place of the error.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// let page: u32 = cx.get_query_argument_or("page", "1")?.parse().map_err(|_| HttpError::new(400))?;
    /// cx.write(format!("page {page}"))
    /// # }
    /// ```
    pub fn get_query_argument_or(&self, name: impl ArgumentName, default: &str) -> Result<String> {
        Ok(self
            .request
            .query_arguments()
            .last(name)?
            .unwrap_or_else(|| default.to_owned()))
    }

    /// All values of an argument of the query.
    pub fn get_query_arguments(&self, name: impl ArgumentName) -> Result<Vec<String>> {
        self.request.query_arguments().texts(name)
    }

    /// The last value of an argument of the body.
    ///
    /// [`HttpError`] 400 `Missing argument NAME` where there is none.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// let message = cx.get_body_argument("message").await?;
    /// cx.write(format!("You wrote {message}"))
    /// # }
    /// ```
    pub async fn get_body_argument(&self, name: impl ArgumentName) -> Result<String> {
        self.request
            .body_arguments()
            .await?
            .last(name)?
            .ok_or_else(|| missing(name.name()))
    }

    /// As [`get_body_argument`](Self::get_body_argument), with a default in place of the error.
    pub async fn get_body_argument_or(
        &self,
        name: impl ArgumentName,
        default: &str,
    ) -> Result<String> {
        Ok(self
            .request
            .body_arguments()
            .await?
            .last(name)?
            .unwrap_or_else(|| default.to_owned()))
    }

    /// All values of an argument of the body.
    pub async fn get_body_arguments(&self, name: impl ArgumentName) -> Result<Vec<String>> {
        self.request.body_arguments().await?.texts(name)
    }

    async fn argument(&self, name: impl ArgumentName) -> Result<Option<String>> {
        Ok(self.get_arguments(name).await?.pop())
    }
}

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

    /// Parses a body of that type; [`HttpError`] 400 where there are more than 1,000 (Tornado's `ParseUrlEncodedConfig`).
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

    /// All values have to be sound, as in Tornado, so that it does not hang on their order what is refused.
    fn last(&self, name: impl ArgumentName) -> Result<Option<String>> {
        Ok(self.texts(name)?.pop())
    }

    fn texts(&self, name: impl ArgumentName) -> Result<Vec<String>> {
        self.get_all(name.name())
            .map(|value| decode(name, value))
            .collect()
    }
}

/// What names an argument whose value is wanted: a text, or [`Unstripped`].
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
/// use waterspout_sdk::Unstripped;
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
        String::from_utf8_lossy(&unescape(name)).into_owned(),
        unescape(value),
    )
}

fn unescape(encoded: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = encoded
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&spaced).collect()
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

fn missing(name: &str) -> crate::Error {
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

    #[test]
    fn path_arguments_by_position() {
        let mut cx = Context::of_test(1);
        cx.path_arguments =
            types::Arguments::Positional(vec![Some("7".into()), None, Some("x".into())]);
        assert_eq!(cx.path_arg::<u8>(0).unwrap(), 7);
        assert_eq!(status(cx.path_arg::<u8>(1)), Some(400));
        assert_eq!(status(cx.path_arg::<u8>(2)), Some(400));
        assert_eq!(status(cx.path_arg::<u8>(3)), None);
        assert_eq!(status(cx.path_arg::<u8>("id")), None);
        assert_eq!((cx.path_args().len(), cx.path_kwargs().len()), (3, 0));
    }

    #[test]
    fn path_arguments_by_name() {
        let mut cx = Context::of_test(1);
        cx.path_arguments =
            types::Arguments::Named(vec![("id".into(), Some("7".into())), ("tag".into(), None)]);
        assert_eq!(cx.path_arg::<String>("id").unwrap(), "7");
        assert_eq!(status(cx.path_arg::<String>("tag")), Some(400));
        assert_eq!(status(cx.path_arg::<String>("other")), None);
        assert_eq!((cx.path_args().len(), cx.path_kwargs().len()), (0, 2));
    }
}
