//! Test a Waterspout app as its users meet it: built, served on a free port, and fetched from. In Tornado that is
//! [`AsyncHTTPTestCase`](https://www.tornadoweb.org/en/stable/testing.html), and names are as there. Links no server:
//! it runs the command `waterspout`.
//!
//! A dev-dependency of the handlers' crate, and a file in its `tests/`, as `waterspout new` makes it:
//!
//! ```no_run
// The file that `waterspout new` writes, read by rustdoc alone.
#![cfg_attr(any(doc, doctest), doc = include_str!("../doc/app.rs"))]
//! ```
//!
//! - [`App::serve`] builds the app, once for all tests of a file, and serves it: to each test a server of its own, on
//!   a port of its own, which ends when the `App` is dropped, and in any case with the test's process.
//! - [`App::fetch`] asks it, waits for the answer, and panics where there is none.
//! - [`App::fetch_streaming`] reads a response while it arrives, and [`App::session`] keeps cookies.
//! - [`App::ws_connect`] opens a WebSocket, and [`App::tcp_connect`] a stream to a handler of `[[tcp]]`.
//! - [`App::builder`] is for a test that wants it otherwise: another configuration, another folder.
//! - [`App::expect_log`] waits for a line of the server's log. When a test fails, all of the log is shown.
//!
//! What is served is a temporary folder, with copies of what the app may write and links to the rest: no test sees what
//! another has written, and a server that serves the app itself is not disturbed. `tls`, `[log]` and the file of `[kv]`
//! are set aside, see `docs/testing.md`.
//!
//! The command is the one that the environment variable `WATERSPOUT` names, or else the one on the `PATH`. A fetch
//! may take 5 seconds; `ASYNC_TEST_TIMEOUT` says how many otherwise.
//!
//! The app is built as `waterspout build` does it, with `--release` and beside the tests in the same target folder.
//! `RUSTFLAGS` are those of the tests; a component has its own in `CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS`.

#![warn(missing_docs)]

#[cfg(not(unix))]
compile_error!(
    "waterspout-test runs a server, which needs a Unix system: where Cargo is told to build for wasm32-wasip2, run \
     `cargo test --target` with the machine's own"
);

mod app;
mod build;
mod builder;
mod command;
mod config;
mod entry;
mod exchange;
mod http_request;
mod http_response;
mod jar;
mod message;
mod options;
#[doc(hidden)]
pub mod process;
mod server;
mod session;
mod stage;
mod streamed_response;
mod websocket;
mod websocket_request;

/// `json!` makes what [`HttpResponse::json`] is compared with.
pub use serde_json::{self, json};
/// What [`HttpResponse::headers`] is made of.
pub use ureq::http;

pub use app::App;
pub use builder::Builder;
pub use http_request::HttpRequest;
pub use http_response::HttpResponse;
pub use message::Message;
pub use session::Session;
pub use streamed_response::StreamedResponse;
pub use websocket::{Refused, WebSocket};
pub use websocket_request::WebSocketRequest;

/// What every request says of its sender.
const USER_AGENT: &str = concat!("waterspout-test/", env!("CARGO_PKG_VERSION"));
