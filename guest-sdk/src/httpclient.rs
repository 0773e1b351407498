//! Tornado's [`tornado.httpclient`](https://www.tornadoweb.org/en/stable/httpclient.html): requests to other servers,
//! with redirects, credentials and timeouts. The connections are the host's, and the host decides what may be reached.
//!
//! ```
//! # use waterspout_sdk::prelude::*;
//! # async fn get(cx: &Context) -> Result {
//! let response = fetch("https://api.example.com/stories").await?;
//! cx.write(response.body)
//! # }
//! ```
//!
//! A component may reach what its table in `waterspout.toml` grants:
//! `allow = { http = ["https://api.example.com", "self"] }`.

mod body_writer;
mod exchange;
mod fetch;
mod incoming;
mod request;
pub(crate) mod response;
mod streamed;
pub(crate) mod url;

pub use self::body_writer::BodyWriter;
pub use self::fetch::{fetch, fetch_streaming};
pub use self::request::HttpRequest;
pub use self::response::{HttpClientError, HttpResponse};
pub use self::streamed::StreamedResponse;
