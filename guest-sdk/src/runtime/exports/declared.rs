//! What `#[handler]` notes of a handler, and how the host is told of it.

use crate::runtime::bindings::exports::waterspout::web::handler::{self as wit, Functions};
use crate::web::handler::RequestHandler;

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

/// What `describe` says of a handler.
pub(super) fn class<H: Handler>() -> wit::HandlerClass {
    let routes = H::ROUTES.iter().map(|route| wit::Route {
        pattern: route.pattern.to_owned(),
        name: route.name.map(str::to_owned),
        host: route.host.map(str::to_owned),
        kwargs: route.kwargs.map(str::to_owned),
    });
    wit::HandlerClass {
        name: H::NAME.to_owned(),
        functions: H::FUNCTIONS,
        routes: routes.collect(),
    }
}
