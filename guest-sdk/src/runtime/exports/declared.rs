//! What `#[handler]` notes of a handler, and its description for the host.

use crate::result::Result;
use crate::runtime::bindings::exports::waterspout::web::handler as wit;
use crate::web::context::Context;
use crate::web::handler::RequestHandler;

/// What [`#[handler]`](macro@crate::handler) notes of a handler.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "needs `#[handler] impl RequestHandler for {Self}`"
)]
pub trait Handler: RequestHandler {
    const NAME: &'static str;
    /// The methods that it answers, by their names in HTTP.
    const METHODS: &'static [&'static str];
    const HOOKS: Hooks;
    const ROUTES: &'static [Route];
    /// Whether the body goes to `data_received`.
    const STREAMS_BODY: bool = false;

    /// Calls the method at this index of `METHODS`.
    fn call_method(&mut self, cx: &Context, at: u32) -> impl Future<Output = Result>;
}

/// Which functions a handler has beside its methods.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Hooks {
    pub initialize: bool,
    pub prepare: bool,
    pub write_error: bool,
    pub on_connection_close: bool,
    pub on_finish: bool,
}

impl Hooks {
    /// Their names in the WIT.
    fn names(self) -> Vec<&'static str> {
        let hooks = [
            ("initialize", self.initialize),
            ("prepare", self.prepare),
            ("write-error", self.write_error),
            ("on-connection-close", self.on_connection_close),
            ("on-finish", self.on_finish),
        ];
        let present = hooks.into_iter().filter(|(_, present)| *present);
        present.map(|(name, _)| name).collect()
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
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut functions = H::HOOKS.names();
    let entries = [
        H::HOOKS.initialize,
        H::HOOKS.prepare,
        !H::METHODS.is_empty(),
    ];
    if entries.into_iter().filter(|present| *present).count() > 1 {
        // One call in the place of two or three.
        functions.push("execute");
    }
    wit::HandlerClass {
        name: H::NAME.to_owned(),
        methods: owned(H::METHODS),
        functions: owned(&functions),
        routes: routes.collect(),
    }
}
