//! Write request handlers in [Tornado](https://www.tornadoweb.org/en/stable/)'s model, compile them to a WebAssembly
//! component, drop the file into the `handlers/` folder of a Waterspout app.
//!
//! ```
// For rustdoc only: an edit of an example must not make every guest compile its SDK again.
#![cfg_attr(any(doc, doctest), doc = include_str!("../doc/hello.rs"))]
//! ```
//!
//! ```text
//! cargo build --release --target wasm32-wasip2      # a `cdylib` crate
//! ```
//!
//! - A handler is a struct that is `Default` and implements [`RequestHandler`], or [`WebSocketHandler`], under
//!   [`#[handler]`](macro@handler). Each request gets an object of its own; its fields live as long as the request. What
//!   has to outlive it is a `static` or a `thread_local!`: module state, one copy for each instance of the component.
//! - Each function gets a [`Context`]: the [`request()`](Context::request), the arguments, the response under
//!   construction, the app. What is asked of the host is asked when it is needed, and once.
//! - Each function returns [`Result`], so `?` works with any error. [`HttpError`] makes the error page of its status,
//!   any other error that of a 500.
//! - Functions that wait are `async`, and others run meanwhile.
//! - [`export!`] makes the component: its handlers, and what runs when an instance starts and stops.
//! - The macros of the [`log`] crate write to the app log; so does what is printed.
//!
//! # Modules
//!
//! The [`prelude`] has what most handlers need. All else is in a module with the name of Tornado's:
//!
//! | module | Tornado's | what is in it |
//! |---|---|---|
//! | [`web`] | `tornado.web` | handlers, requests, responses, cookies, forms, server-sent events |
//! | [`websocket`] | `tornado.websocket` | handlers of WebSockets, messages, the sockets themselves, and WebSockets to other servers |
//! | [`gen_`] | `tornado.gen` | waiting for several futures, for each as it comes, or not for long |
//! | [`ioloop`] | `tornado.ioloop` | work without a request: now, later, again and again, in another instance |
//! | [`httpclient`] | `tornado.httpclient` | requests to other servers |
//! | [`tcpserver`], [`tcpclient`], [`iostream`] | `tornado.tcpserver`, `tornado.tcpclient`, `tornado.iostream` | streams of bytes from clients, and to other servers |
//! | [`locks`], [`queues`] | `tornado.locks`, `tornado.queues` | order between the requests of one instance |
//! | [`escape`] | `tornado.escape` | text for HTML, URLs and JSON |
//! | [`kv`], [`pubsub`] | | state and messages between all instances and components |
//!
//! Names, order and behaviour are those of Tornado. Where Rust needs another shape, the item says so.
//!
//! # Types of other crates
//!
//! These are part of the public API. A new major version of one of these crates makes a new major version of the SDK.
//! The crates on the left are also exported as a whole, where their names stand alone: `waterspout_sdk::http`.
//!
//! | from | public |
//! |---|---|
//! | `anyhow` | `anyhow::Error` in each `Result`; in the prelude `anyhow::Context`, `anyhow::anyhow`, `anyhow::bail`, `anyhow::ensure` |
//! | `bytes` | `bytes::Bytes` for pieces of bodies |
//! | `cookie` | `cookie::Cookie` |
//! | `futures_util::Stream` | what subscriptions and watchers are |
//! | `futures_util::join` | and `futures_util::try_join`, `futures_util::join_all`, `futures_util::select`, `futures_util::Either` in `gen_` |
//! | `http` | `http::HeaderMap`, `http::HeaderName`, `http::HeaderValue`, `http::Method`; `http::Error` where one of them is made |
//! | `log` | its macros |
//! | `serde::Serialize` | and `serde::DeserializeOwned`, for values in JSON |

#![warn(missing_docs)]

/// The guide and the reference, whose blocks of code are compiled with the examples in here.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../doc/guide/quick-start.md")]
    mod quick_start {}
    #[doc = include_str!("../doc/guide/handlers.md")]
    mod handlers {}
    #[doc = include_str!("../doc/guide/errors-and-redirects.md")]
    mod errors_and_redirects {}
    #[doc = include_str!("../doc/guide/asynchronous.md")]
    mod asynchronous {}
    #[doc = include_str!("../doc/guide/coroutines.md")]
    mod coroutines {}
    #[doc = include_str!("../doc/guide/templates-and-security.md")]
    mod templates_and_security {}
    #[doc = include_str!("../doc/guide/running.md")]
    mod running {}
    #[doc = include_str!("../doc/reference.md")]
    mod reference {}
    #[doc = include_str!("../doc/security.md")]
    mod security {}
}

pub mod escape;
pub mod gen_;
pub mod httpclient;
mod httputil;
pub mod ioloop;
pub mod iostream;
pub mod kv;
pub mod locks;
pub mod pubsub;
pub mod queues;
mod result;
mod runtime;
pub mod tcpclient;
pub mod tcpserver;
#[cfg(test)]
mod testing;
pub mod web;
pub mod websocket;

pub use anyhow::{self, Error};
pub use bytes;
pub use cookie;
pub use http;
pub use log;
/// Makes the component: its handlers in the order of their routes, and what else there is.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Counter;
/// # #[handler] impl RequestHandler for Counter {}
/// # #[derive(Default)] struct Reset;
/// # #[handler] impl RequestHandler for Reset {}
/// async fn load() -> Result {
///     Ok(())
/// }
///
/// async fn save() -> Result {
///     Ok(())
/// }
///
/// export!(Counter, Reset, single, start = load, stop = save);
/// ```
///
/// - `single`: the state of this component must not be split, so there is one instance of it.
/// - `websocket`: some of the handlers are a [`WebSocketHandler`].
/// - `tcp`: the handlers of streams, each a [`TcpHandler`](tcpserver::TcpHandler): `tcp = [Echo]`.
/// - `start`: an `async fn() -> Result` that runs once for each instance, before its first request. Its error refuses the
///   component.
/// - `stop`: the same, after the last request of an instance. Its error is logged.
/// - `save`, `restore`: how the state of a `single` component goes to its next version, an
///   `async fn() -> Result<Vec<u8>>` and an `async fn(Vec<u8>) -> Result`. A version that can't take what the one before
///   has saved is refused, and the old one serves on. `restore` puts the state in place of what is there, and may be
///   called again with a newer one before the first request.
/// - `functions`: what [`run_in_executor`](ioloop::run_in_executor) and schedules call by name, each
///   `fn(A) -> Result<R>` or `async fn(A) -> Result<R>`, where `A` and `R` serialize.
/// - `schedules`: when some of them are due: `every("60s", tidy_up)`, `cron("0 3 * * *", report)`, with `name`,
///   `arguments` (JSON), `jitter` and `time_zone` after that where they are wanted. What they mean is said of
///   `[[schedule]]`, the same in the configuration.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Counter;
/// # #[handler] impl RequestHandler for Counter {}
/// async fn tidy_up(keep: u32) -> Result {
///     log::info!("all but {keep} are gone");
///     Ok(())
/// }
///
/// export!(
///     Counter,
///     functions = [tidy_up],
///     schedules = [cron("0 3 * * *", tidy_up, arguments = 100, time_zone = "Europe/Berlin")],
/// );
/// ```
pub use waterspout_sdk_macros::export;
/// Notes the functions that an `impl RequestHandler` or an `impl WebSocketHandler` has, and the routes that the handler
/// declares for itself.
///
/// Routes are for apps whose configuration does not name the component. The first argument is the pattern, anchored at
/// both ends, in the syntax of the [`regex`](https://docs.rs/regex) crate. Without routes, such an app has the handler
/// of `hello.wasm` at `/hello`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Story;
/// #[handler]
/// #[route("/latest")]
/// #[route("/story/([0-9]+)", name = "story", host = r"example\.com", kwargs = { "db": "main" })]
/// impl RequestHandler for Story {
///     async fn get(&mut self, cx: &Context) -> Result {
///         cx.write("a story")
///     }
/// }
/// ```
///
/// - `name`: for [`reverse_url`](Context::reverse_url); unique in the app.
/// - `host`: a pattern for the host; absent: any.
/// - `kwargs`: a JSON object for [`initialize`](RequestHandler::initialize).
///
/// A method may have `#[addslash]` or `#[removeslash]` before it, Tornado's
/// [decorators](https://www.tornadoweb.org/en/stable/web.html#tornado.web.addslash): `GET` and `HEAD` of a path without
/// a slash at its end, or with one, are redirected to the other for good (301), with their query; any other method is
/// answered with 404. The route has to take both: `/stories/?`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Stories;
/// #[handler]
/// #[route("/stories/?")]
/// impl RequestHandler for Stories {
///     #[removeslash]
///     async fn get(&mut self, cx: &Context) -> Result {
///         cx.write("all stories")
///     }
/// }
/// ```
///
/// With `#[authenticated]`, Tornado's
/// [decorator](https://www.tornadoweb.org/en/stable/web.html#tornado.web.authenticated), a method is for users that
/// [`get_current_user`](RequestHandler::get_current_user) knows. Anybody else is redirected to the
/// [login page](RequestHandler::get_login_url) for GET and HEAD, with the address in `next`, and answered with 403
/// for any other method.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Account;
/// #[handler]
/// impl RequestHandler for Account {
///     async fn get_current_user(&mut self, cx: &Context) -> Result<Option<Vec<u8>>> {
///         cx.get_signed_cookie("user")
///     }
///
///     #[authenticated]
///     async fn get(&mut self, cx: &Context) -> Result {
///         let user = self.current_user(cx).await?;
///         cx.write(user.as_deref().map_or(&[][..], |name| name))
///     }
/// }
/// ```
///
/// What several handlers have in common goes into a base, Tornado's `BaseHandler`: a handler itself, in a field `base`.
/// Each function and each method that a handler does not write is then the base's, and so on through its own base. One
/// that it writes may call the base's as any other function: `self.base.prepare(cx).await`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// #[derive(Default)]
/// struct Base {
///     user: Option<String>,
/// }
///
/// #[handler]
/// impl RequestHandler for Base {
///     async fn prepare(&mut self, cx: &Context) -> Result {
///         self.user = cx.request().cookie("user").map(str::to_owned);
///         Ok(())
///     }
///
///     async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
///         cx.write(format!("Sorry: {}", failure.reason()))
///     }
/// }
///
/// #[derive(Default)]
/// struct Page {
///     base: Base,
/// }
///
/// #[handler(base = Base)]
/// impl RequestHandler for Page {
///     async fn get(&mut self, cx: &Context) -> Result {
///         cx.write(self.base.user.as_deref().unwrap_or("nobody"))
///     }
/// }
/// ```
///
/// In an `impl WebSocketHandler` stand the functions of [`RequestHandler`] as well, and go where they belong. Its base is
/// a `RequestHandler`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Echo;
/// #[handler]
/// #[route("/echo")]
/// impl WebSocketHandler for Echo {
///     async fn prepare(&mut self, cx: &Context) -> Result {
///         cx.set_cookie(("seen", "yes"))
///     }
///
///     async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
///         cx.socket().write_message(message).await?;
///         Ok(())
///     }
/// }
/// ```
///
/// With `#[stream_request_body]` below it, Tornado's
/// [decorator](https://www.tornadoweb.org/en/stable/web.html#tornado.web.stream_request_body), the body goes piece by piece
/// to [`data_received`](RequestHandler::data_received), before the method is called.
///
/// A method beyond the seven is named by `#[method("…")]` before its function, which may have any name. Tornado's
/// counterpart is `SUPPORTED_METHODS`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Search;
/// #[handler]
/// impl RequestHandler for Search {
///     #[method("QUERY")]
///     async fn query(&mut self, cx: &Context) -> Result {
///         cx.write(cx.request().body().await?)
///     }
/// }
/// ```
pub use waterspout_sdk_macros::handler;
/// A line below [`#[handler]`](macro@handler).
pub use waterspout_sdk_macros::{route, stream_request_body};

pub use result::Result;
#[doc(inline)]
pub use web::{Context, HttpError, RequestHandler};
#[doc(inline)]
pub use websocket::WebSocketHandler;

/// What most handlers need: `use waterspout_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::gen_::{join, multi, sleep, try_join, with_timeout};
    pub use crate::httpclient::{HttpClientError, HttpRequest, fetch};
    pub use crate::ioloop::{
        PeriodicCallback, call_at, call_later, draining, run_in_executor, spawn, spawn_loop,
    };
    pub use crate::web::{Cause, Context, Failure, HttpError, Kwargs, RequestHandler};
    pub use crate::websocket::{Message, Socket, WebSocketHandler};
    pub use crate::{Result, export, handler, log, route, stream_request_body};
    pub use anyhow::{Context as _, anyhow, bail, ensure};
    pub use bytes::Bytes;
}

/// What the macros expand to. Not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::runtime::bindings;
    pub use crate::runtime::bindings::__export_bindings as export_bindings;
    pub use crate::runtime::bindings::state::__export_state as export_state;
    pub use crate::runtime::bindings::tcpserver::__export_tcpserver as export_tcpserver;
    pub use crate::runtime::bindings::websocket::__export_websocket as export_websocket;
    pub use crate::runtime::exports::Exported;
    pub use crate::runtime::exports::base::{call_base, count, join};
    pub use crate::runtime::exports::component::Component;
    pub use crate::runtime::exports::declared::{
        Handler, Hooks, Kind, NoHandler, Route, SocketFunctions,
    };
    pub use crate::runtime::exports::work::{Called, Schedule, ScheduleTiming, call, call_nothing};
    pub use crate::runtime::place::tried;
    pub use crate::web::authenticated::send_to_login;
    pub use crate::web::context::redirect::{add_slash, remove_slash};
}
