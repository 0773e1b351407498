//! What a handler sees of the request that it serves: how it is put together. What it can do is in `context/`, one
//! file for each concern.

pub(crate) mod application;
mod arguments;
mod cookies;
mod events;
mod flush;
pub(crate) mod open_socket;
pub(super) mod path_arguments;
pub(crate) mod pieces;
mod protection;
pub(crate) mod redirect;
mod signed_cookies;
mod user;
mod write;

use std::cell::{OnceCell, RefCell};

use tokio::sync::Notify;

use crate::ioloop::background::draining;
use crate::result::Result;
use crate::runtime::bindings::waterspout::web::types::RequestNumber;
use crate::web::context::open_socket::OpenSocket;
use crate::web::path_arguments::PathArguments;
use crate::web::request::Request;
use crate::web::response::Response;

/// One request, as the functions of its handler see it: Tornado's `self`, less the handler's own fields.
///
/// It is made with the handler's object and lives as long. All of it works on a shared reference, so that
/// `cx.write(cx.request().path())` is possible, and so are futures side by side.
#[derive(Debug)]
pub struct Context {
    pub(crate) request: Request,
    pub(crate) path_arguments: PathArguments,
    pub(crate) response: RefCell<Response>,
    /// The user, once it was asked for.
    user: OnceCell<user::Asked>,
    /// The token for forms, once there is one.
    xsrf_token: OnceCell<String>,
    /// For flushes that wait until another has ended.
    pub(crate) flushed: Notify,
    /// In the events of a WebSocket handler.
    pub(crate) socket: Option<Box<OpenSocket>>,
    set_default_headers: fn(&Context) -> Result,
}

impl Context {
    pub(crate) fn new(request: RequestNumber, set_default_headers: fn(&Context) -> Result) -> Self {
        let cx = Self {
            request: Request::new(request),
            path_arguments: PathArguments::None,
            response: RefCell::default(),
            user: OnceCell::new(),
            xsrf_token: OnceCell::new(),
            flushed: Notify::const_new(),
            socket: None,
            set_default_headers,
        };
        cx.set_default_headers();
        cx
    }

    /// One whose handler has no default headers.
    #[cfg(test)]
    pub(crate) fn of_test(request: RequestNumber) -> Self {
        Self::new(request, |_| Ok(()))
    }

    /// From the first event of a socket on. The handshake was the response: nothing can be added to it.
    pub(crate) fn open_socket(&mut self, id: u64) -> &mut OpenSocket {
        let response = &self.response;
        self.socket.get_or_insert_with(|| {
            response.borrow_mut().switch_protocols();
            Box::new(OpenSocket {
                id,
                close_code: None,
                close_reason: None,
            })
        })
    }

    pub(crate) fn set_default_headers(&self) {
        if let Err(error) = (self.set_default_headers)(self) {
            log::error!("Uncaught error in set_default_headers: {error:#}");
        }
    }

    /// The request: its line, headers, cookies and body.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Waits until this instance is asked to end, as [`draining`](crate::ioloop::draining) does: for streams and long
    /// polls that are to end in good order.
    pub async fn draining(&self) {
        draining().await;
    }
}
