//! Tornado's [`tornado.web`](https://www.tornadoweb.org/en/stable/web.html): handlers, and their view of a request and
//! its response.
//!
//! A handler implements [`RequestHandler`]. Its functions get a [`Context`], by which they ask for the
//! [request](Request) and make the response. They fail with an [`HttpError`] or with any other error.

mod arguments;
pub(crate) mod authenticated;
pub(crate) mod context;
mod cookies;
pub(crate) mod error;
pub(crate) mod failure;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub(crate) mod handler;
pub(crate) mod kwargs;
mod multipart;
pub(crate) mod path_arguments;
mod request;
mod request_body;
mod response;
pub(crate) mod settings;
pub(crate) mod signing;
mod sse;
pub(crate) mod static_files;

pub use self::arguments::{ArgumentName, Arguments, Unstripped};
pub use self::context::Context;
pub use self::context::path_arguments::PathIndex;
pub use self::error::HttpError;
pub use self::failure::{Cause, Failure};
pub use self::handler::RequestHandler;
pub use self::kwargs::Kwargs;
pub use self::multipart::{Files, HttpFile};
pub use self::request::Request;
pub use self::request_body::{Part, Parts};
pub use self::settings::settings;
pub use self::signing::{Verification, create_signed_value, decode_signed_value};
pub use self::sse::Event;
pub use self::static_files::static_url;
