//! The arguments of the path: the groups of the route's pattern.

use std::str::FromStr;

use anyhow::Context as _;

use crate::result::Result;
use crate::web::context::Context;
use crate::web::error::HttpError;
use crate::web::path_arguments::PathArguments;

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
            PathArguments::Positional(values) => values,
            PathArguments::None | PathArguments::Named(_) => &[],
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
            PathArguments::None | PathArguments::Positional(_) => &[],
            PathArguments::Named(values) => values,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status<T: std::fmt::Debug>(result: Result<T>) -> Option<u16> {
        result.unwrap_err().downcast_ref().map(HttpError::status)
    }

    #[test]
    fn path_arguments_by_position() {
        let mut cx = Context::of_test(1);
        cx.path_arguments =
            PathArguments::Positional(vec![Some("7".into()), None, Some("x".into())]);
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
            PathArguments::Named(vec![("id".into(), Some("7".into())), ("tag".into(), None)]);
        assert_eq!(cx.path_arg::<String>("id").unwrap(), "7");
        assert_eq!(status(cx.path_arg::<String>("tag")), Some(400));
        assert_eq!(status(cx.path_arg::<String>("other")), None);
        assert_eq!((cx.path_args().len(), cx.path_kwargs().len()), (0, 2));
    }
}
