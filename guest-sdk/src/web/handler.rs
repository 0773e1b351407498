//! The handler: the trait with the functions of Tornado's `RequestHandler`, in its order.

#![expect(
    async_fn_in_trait,
    reason = "a component has one thread: there is nothing to be Send for"
)]

use std::rc::Rc;

use bytes::Bytes;

use crate::result::Result;
use crate::web::context::Context;
use crate::web::error::HttpError;
use crate::web::failure::Failure;
use crate::web::kwargs::Kwargs;

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
/// `initialize` and `on_finish` can't wait. A future that they poll nevertheless, with `now_or_never` for example,
/// traps where it must wait for the host. [`spawn`](crate::ioloop::spawn) runs it.
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
    /// What [`get_current_user`](Self::get_current_user) tells of a user. [`#[handler]`](macro@crate::handler) takes it
    /// from that function, or from the base, so it need not be written.
    type User: 'static;

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

    /// Whether a page of another origin may send this request: one that changes something, from an origin that the
    /// configuration does not trust. Called before `prepare`; `false` is answered with 403. A handler without this
    /// function is not entered for such a request. Tornado's
    /// [`check_trusted_origin`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.check_trusted_origin).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Api;
    /// #[handler]
    /// impl RequestHandler for Api {
    ///     fn check_trusted_origin(&mut self, _: &Context, origin: &str) -> Result<bool> {
    ///         Ok(origin.ends_with(".example.com"))
    ///     }
    /// }
    /// ```
    fn check_trusted_origin(&mut self, cx: &Context, origin: &str) -> Result<bool> {
        let _ = (cx, origin);
        Ok(false)
    }

    /// Who sends the request; none: nobody that is known. Tornado's
    /// [`get_current_user`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.get_current_user).
    /// It is called when [`current_user`](Self::current_user) or `#[authenticated]` asks first.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Base;
    /// #[handler]
    /// impl RequestHandler for Base {
    ///     async fn get_current_user(&mut self, cx: &Context) -> Result<Option<String>> {
    ///         let name = cx.get_signed_cookie("user")?;
    ///         Ok(name.and_then(|name| String::from_utf8(name).ok()))
    ///     }
    /// }
    /// ```
    async fn get_current_user(&mut self, cx: &Context) -> Result<Option<Self::User>> {
        let _ = cx;
        Ok(None)
    }

    /// The user of the request, asked once.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Page;
    /// #[handler]
    /// impl RequestHandler for Page {
    /// #   async fn get_current_user(&mut self, _: &Context) -> Result<Option<String>> { Ok(None) }
    ///     async fn get(&mut self, cx: &Context) -> Result {
    ///         match self.current_user(cx).await? {
    ///             Some(name) => cx.write(format!("Hello, {name}")),
    ///             None => cx.write("Hello, stranger"),
    ///         }
    ///     }
    /// }
    /// ```
    async fn current_user(&mut self, cx: &Context) -> Result<Option<Rc<Self::User>>> {
        match cx.known_user() {
            Some(user) => Ok(user),
            None => {
                let user = self.get_current_user(cx).await?;
                Ok(cx.keep_user(user))
            }
        }
    }

    /// Where `#[authenticated]` sends those that are not logged in: `[settings] login_url`. An error where there is
    /// none.
    fn get_login_url(&mut self, cx: &Context) -> Result<String> {
        cx.login_url()
    }

    /// Called before each method. [`Context::finish`] and [`Context::redirect`] in here skip the method.
    async fn prepare(&mut self, cx: &Context) -> Result {
        let _ = cx;
        Ok(())
    }

    /// Called for each piece of the body as it arrives, after `prepare` and before the method, where the handler has
    /// `#[stream_request_body]` under its [`#[handler]`](macro@crate::handler). The body is then nowhere else:
    /// [`body`](crate::web::Request::body) is empty. [`Context::finish`] in here skips what is left of the body, and
    /// the method.
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

/// The host answers 405 itself; this is for a handler that calls another method of its own.
fn not_implemented(_: &Context) -> Result {
    Err(HttpError::new(405).into())
}
