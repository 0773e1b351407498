//! The handler: the trait whose functions Tornado's `RequestHandler` has, in its order.

#![expect(
    async_fn_in_trait,
    reason = "a component has one thread: there is nothing to be Send for"
)]

use anyhow::Context as _;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::bindings::exports::waterspout::web::handler::Functions;
use crate::{Context, Failure, HttpError, Result};

/// A handler of requests. Tornado's
/// [`RequestHandler`](https://www.tornadoweb.org/en/stable/web.html#request-handlers).
///
/// Implement it under [`#[handler]`](macro@crate::handler), which notes the functions that are really there: the host
/// calls no other, and answers 405 for the methods among them.
///
/// For each request there is a new object, made by `Default`. Its functions are called in this order, one at a time;
/// functions of other objects run while one awaits. Any function can return an error: up to the method it leads to
/// the error page, later it is logged.
///
/// When the client is gone or the deadline has passed, a function ends at its next `.await` and its locals are
/// dropped; the object stays for `on_connection_close` and `on_finish`.
///
/// `initialize` and `on_finish` can't wait. A future that they poll all the same, say with `now_or_never`, traps where it
/// must wait for the host, as one of tokio's panics outside of its runtime; [`spawn`](crate::spawn) runs it.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// #[derive(Default)]
/// struct Report {
///     title: String,
/// }
///
/// #[handler]
/// impl RequestHandler for Report {
///     fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
///         self.title = kwargs.get("title")?;
///         Ok(())
///     }
///
///     async fn prepare(&mut self, cx: &Context) -> Result {
///         match cx.request().cookie("user") {
///             Some(_) => Ok(()),
///             None => cx.redirect("/login"), // and `get` is skipped
///         }
///     }
///
///     async fn get(&mut self, cx: &Context) -> Result {
///         cx.write(&self.title)
///     }
///
///     async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
///         cx.write(format!("no report: {}", failure.reason()))
///     }
///
///     fn on_finish(&mut self, cx: &Context) -> Result {
///         log::info!("{} was answered with {}", self.title, cx.get_status());
///         Ok(())
///     }
/// }
/// ```
pub trait RequestHandler: Default + 'static {
    /// Sets the headers that every response of this handler begins with: before `initialize`, and again wherever what
    /// was said so far is [cleared](Context::clear), as for an error page. The error page of a handler that has this
    /// function has them too. An error is logged.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Story;
    /// #[handler]
    /// impl RequestHandler for Story {
    ///     fn set_default_headers(cx: &Context) -> Result {
    ///         cx.set_header("Cache-Control", "no-store")
    ///     }
    /// }
    /// ```
    fn set_default_headers(cx: &Context) -> Result {
        let _ = cx;
        Ok(())
    }

    /// Called first, with the `kwargs` of the route. The path arguments are not there yet.
    fn initialize(&mut self, cx: &Context, kwargs: Kwargs) -> Result {
        let _ = (cx, kwargs);
        Ok(())
    }

    /// Called before the method, whichever it is. [`Context::finish`] and [`Context::redirect`] in here skip the method.
    async fn prepare(&mut self, cx: &Context) -> Result {
        let _ = cx;
        Ok(())
    }

    /// Called for each piece of the body as it arrives, after `prepare` and before the method, where the handler has
    /// `#[stream_request_body]` under its [`#[handler]`](macro@crate::handler). The body is then nowhere else:
    /// [`body`](crate::Request::body) is empty. [`Context::finish`] in here skips what is left of the body, and the
    /// method.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// #[derive(Default)]
    /// struct Upload {
    ///     bytes: usize,
    /// }
    ///
    /// #[handler]
    /// #[stream_request_body]
    /// impl RequestHandler for Upload {
    ///     async fn data_received(&mut self, _: &Context, chunk: Bytes) -> Result {
    ///         self.bytes += chunk.len();
    ///         Ok(())
    ///     }
    ///
    ///     async fn put(&mut self, cx: &Context) -> Result {
    ///         cx.write(format!("{} bytes", self.bytes))
    ///     }
    /// }
    /// ```
    async fn data_received(&mut self, cx: &Context, chunk: Bytes) -> Result {
        let _ = (cx, chunk);
        Ok(())
    }

    /// Answers `GET`.
    async fn get(&mut self, cx: &Context) -> Result {
        not_implemented(cx)
    }

    /// Answers `HEAD`, which `get` does not. The body is left out on the wire.
    async fn head(&mut self, cx: &Context) -> Result {
        not_implemented(cx)
    }

    /// Answers `POST`.
    async fn post(&mut self, cx: &Context) -> Result {
        not_implemented(cx)
    }

    /// Answers `PUT`.
    async fn put(&mut self, cx: &Context) -> Result {
        not_implemented(cx)
    }

    /// Answers `DELETE`.
    async fn delete(&mut self, cx: &Context) -> Result {
        not_implemented(cx)
    }

    /// Answers `PATCH`.
    async fn patch(&mut self, cx: &Context) -> Result {
        not_implemented(cx)
    }

    /// Answers `OPTIONS`.
    async fn options(&mut self, cx: &Context) -> Result {
        not_implemented(cx)
    }

    /// Makes the error page. What was written is cleared and the status is set. After a trap, and where the host
    /// refused the request, this is a new object that saw `initialize` and nothing else.
    ///
    /// Without this function it is Tornado's page; where it fails too, the host makes that.
    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        cx.write(failure.page())
    }

    /// The client is gone; what was under way has ended.
    async fn on_connection_close(&mut self, cx: &Context) -> Result {
        let _ = cx;
        Ok(())
    }

    /// The last byte was handed to the connection, or the connection is gone. Always the last.
    fn on_finish(&mut self, cx: &Context) -> Result {
        let _ = cx;
        Ok(())
    }
}

/// The `kwargs` of a route, as [`initialize`](RequestHandler::initialize) gets them.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// #[derive(Default)]
/// struct Story {
///     db: String,
/// }
///
/// #[handler]
/// impl RequestHandler for Story {
///     fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
///         self.db = kwargs.get("db")?;
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Kwargs(serde_json::Map<String, serde_json::Value>);

impl Kwargs {
    /// One of them. `Option` is for those that may be absent.
    ///
    /// An error where it is absent or of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let value = self.0.get(name).cloned().unwrap_or(serde_json::Value::Null);
        let missing = if self.0.contains_key(name) {
            ""
        } else {
            ", which is missing"
        };
        serde_json::from_value(value)
            .with_context(|| format!("reading the keyword argument {name:?}{missing}"))
    }

    /// All of them, read into a struct. With `#[serde(deny_unknown_fields)]` it is as strict as a Python function.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # fn initialize(kwargs: Kwargs) -> Result {
    /// #[derive(serde::Deserialize)]
    /// #[serde(deny_unknown_fields)]
    /// struct Arguments {
    ///     db: String,
    ///     size: Option<u32>,
    /// }
    ///
    /// let Arguments { db, size } = kwargs.parse()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn parse<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_value(self.0.into()).context("reading the keyword arguments")
    }

    /// `text`: a JSON object, or nothing.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let text = if text.is_empty() { "{}" } else { text };
        serde_json::from_str(text)
            .map(Self)
            .context("reading the keyword arguments")
    }
}

/// What [`#[handler]`](macro@crate::handler) notes of a handler.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "needs `#[handler] impl RequestHandler for {Self}`"
)]
pub trait Handler: RequestHandler {
    const NAME: &'static str;
    const FUNCTIONS: Functions;
    const ROUTES: &'static [Route];
    /// Whether the body goes to `data_received`.
    const STREAMS_BODY: bool = false;

    fn has(function: Functions) -> bool {
        Self::FUNCTIONS.contains(function)
    }
}

/// A route that a handler declares with `#[route]`.
#[doc(hidden)]
pub struct Route {
    pub pattern: &'static str,
    pub name: Option<&'static str>,
    pub host: Option<&'static str>,
    pub kwargs: Option<&'static str>,
}

/// The host answers 405 itself; this is for a handler that calls another method of its own.
fn not_implemented(_: &Context) -> Result {
    Err(HttpError::new(405).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kwargs_by_name() {
        let kwargs = Kwargs::new(r#"{"db": "main", "size": 3}"#).unwrap();
        assert_eq!(kwargs.get::<String>("db").unwrap(), "main");
        assert_eq!(kwargs.get::<Option<String>>("cache").unwrap(), None);
        let missing = kwargs.get::<String>("cache").unwrap_err().to_string();
        assert_eq!(
            missing,
            r#"reading the keyword argument "cache", which is missing"#
        );
        assert!(kwargs.get::<String>("size").is_err());
    }

    #[test]
    fn kwargs_as_a_struct() {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Strict {
            db: String,
        }
        assert_eq!(
            Kwargs::new(r#"{"db": "main"}"#)
                .unwrap()
                .parse::<Strict>()
                .unwrap()
                .db,
            "main"
        );
        assert!(
            Kwargs::new(r#"{"db": "main", "size": 3}"#)
                .unwrap()
                .parse::<Strict>()
                .is_err()
        );
        assert!(Kwargs::new("").unwrap().parse::<Strict>().is_err());
    }
}
