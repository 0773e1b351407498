//! Write request handlers in [Tornado](https://www.tornadoweb.org/en/stable/)'s model, compile them to a WebAssembly
//! component, drop the file into the `handlers/` folder of a Waterspout app.
//!
//! ```
// Read by rustdoc alone: an example that is edited must not make every guest compile its SDK anew.
#![cfg_attr(any(doc, doctest), doc = include_str!("../doc/hello.rs"))]
//! ```
//!
//! ```text
//! cargo build --release --target wasm32-wasip2      # a `cdylib` crate
//! ```
//!
//! - A handler is a struct that is `Default` and implements [`RequestHandler`] under [`#[handler]`](macro@handler).
//!   Each request gets an object of its own; its fields live as long as the request. What has to outlive it is a
//!   `static` or a `thread_local!`: module state, one copy for each instance of the component.
//! - Each function gets a [`Context`]: the [`request()`](Context::request), the arguments, the response under
//!   construction, the app. What is asked of the host is asked when it is needed, and once.
//! - Each function returns [`Result`], so `?` works with any error. [`HttpError`] makes the error page of its status,
//!   any other error that of a 500.
//! - Functions that wait are `async`, and others run meanwhile: [`sleep`], [`multi`], [`with_timeout`],
//!   [`WaitIterator`] and [`interleave`] are Tornado's `gen`; [`locks`] and [`queues`] are between requests.
//! - [`export!`] makes the component: its handlers, and what runs when an instance starts and stops.
//! - What goes on without a request is begun by [`spawn`], [`call_later`], [`PeriodicCallback`] or [`spawn_loop`]; what
//!   computes for long is handed to another instance by [`run_in_executor`].
//! - The macros of the [`log`] crate write to the app log; so does whatever is printed.
//!
//! Names, order and behaviour are those of Tornado's
//! [`tornado.web`](https://www.tornadoweb.org/en/stable/web.html). Where Rust needs another shape, the item says so.

#![warn(missing_docs)]

/// The guide, whose blocks of code are compiled with the examples in here.
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
}

mod application;
mod arguments;
mod background;
#[doc(hidden)]
pub mod bindings;
mod cancel;
mod clocks;
mod context;
mod cookies;
mod coroutines;
mod error;
mod executor;
mod handler;
pub mod http_client;
mod jobs;
mod kept;
pub mod kv;
mod lifecycle;
pub mod locks;
mod logging;
mod multipart;
pub mod pubsub;
pub mod queues;
mod redirect;
mod request;
mod request_body;
mod response;
mod sse;
mod timers;

pub use anyhow::Error;
pub use bytes::{self, Bytes};
pub use cookie::{self, Cookie, SameSite};
pub use futures_util::future::join_all;
pub use futures_util::{join, try_join};
pub use http;
pub use log;
pub use waterspout_sdk_macros::{export, handler};

pub use arguments::{ArgumentName, Arguments, PathIndex, Unstripped};
pub use background::{draining, spawn, spawn_loop};
pub use clocks::sleep;
pub use context::Context;
pub use coroutines::{
    Children, Started, Tasks, TimeoutError, WaitIterator, interleave, moment, multi, with_timeout,
};
pub use error::{Cause, Failure, HttpError, Result};
pub use executor::run_in_executor;
pub use handler::{Kwargs, RequestHandler};
pub use http_client::{HttpClientError, HttpRequest, HttpResponse, fetch};
pub use jobs::Function;
pub use multipart::{Files, HttpFile};
pub use request::Request;
pub use request_body::{Part, Parts};
pub use sse::Event;
pub use timers::{PeriodicCallback, Timeout, call_at, call_later};

/// Everything that a handler needs: `use waterspout_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Bytes, Cause, Context, Failure, HttpClientError, HttpError, HttpRequest, Kwargs,
        PeriodicCallback, RequestHandler, Result, call_at, call_later, draining, export, fetch,
        handler, join, log, multi, run_in_executor, sleep, spawn, spawn_loop, try_join,
        with_timeout,
    };
    pub use anyhow::{Context as _, anyhow, bail, ensure};
}

/// What the macros expand to. Not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings;
    pub use crate::bindings::__export_bindings as export_bindings;
    pub use crate::bindings::exports::waterspout::web::handler::Functions;
    pub use crate::handler::{Handler, Route};
    pub use crate::jobs::{Called, Schedule, call, call_nothing};
    pub use crate::lifecycle::{Component, Exported};
    pub use crate::redirect::{add_slash, remove_slash};
}
