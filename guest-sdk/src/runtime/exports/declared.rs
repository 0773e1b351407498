//! What `#[handler]` notes of a handler, and its description for the host.

use std::marker::PhantomData;

use crate::result::Result;
use crate::runtime::bindings::exports::waterspout::web::handler as wit;
use crate::runtime::bindings::websocket::exports::waterspout::sockets::websocket as wit_websocket;
use crate::web::context::Context;
use crate::web::handler::RequestHandler;
use crate::websocket::websocket_handler::WebSocketHandler;

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

    /// Which functions of a WebSocket handler it has; `None`: it is no such handler.
    const WEBSOCKET: Option<SocketFunctions> = None;

    /// Calls the method at this index of `METHODS`.
    fn call_method(&mut self, cx: &Context, at: u32) -> impl Future<Output = Result>;

    /// Itself, where it is a WebSocket handler.
    fn websocket(&mut self) -> &mut impl WebSocketHandler {
        let none: fn() -> &'static mut NoWebSocket = || undeclared();
        none()
    }
}

/// What `export!` asks of a type, before it is known to be a handler.
#[doc(hidden)]
pub struct Kind<T>(PhantomData<T>);

impl<H: Handler> Kind<H> {
    pub const IS_WEBSOCKET: Option<bool> = Some(H::WEBSOCKET.is_some());
}

/// The answer for all else, so that one mistake is one error.
#[doc(hidden)]
pub trait NoHandler {
    const IS_WEBSOCKET: Option<bool> = None;
}

impl<T> NoHandler for Kind<T> {}

/// What the handlers that are no WebSocket handlers are as such. There is none.
#[derive(Default)]
struct NoWebSocket;

impl RequestHandler for NoWebSocket {
    type User = ();
}
impl WebSocketHandler for NoWebSocket {}

pub(super) fn undeclared() -> ! {
    panic!("the host called a function that the handler does not declare")
}

/// Which functions a handler has beside its methods.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Hooks {
    pub initialize: bool,
    pub check_trusted_origin: bool,
    pub prepare: bool,
    pub write_error: bool,
    pub on_connection_close: bool,
    pub on_finish: bool,
    /// The host does not call it.
    pub set_default_headers: bool,
}

impl Hooks {
    /// Their names in the WIT.
    fn names(self) -> Vec<&'static str> {
        let hooks = [
            ("initialize", self.initialize),
            ("check-trusted-origin", self.check_trusted_origin),
            ("prepare", self.prepare),
            ("write-error", self.write_error),
            ("on-connection-close", self.on_connection_close),
            ("on-finish", self.on_finish),
        ];
        let present = hooks.into_iter().filter(|(_, present)| *present);
        present.map(|(name, _)| name).collect()
    }
}

/// Which functions of `WebSocketHandler` a handler has.
#[doc(hidden)]
#[derive(Clone, Copy, Default)]
pub struct SocketFunctions {
    pub check_origin: bool,
    pub select_subprotocol: bool,
    pub get_compression_options: bool,
    pub open: bool,
    pub on_message: bool,
    pub on_ping: bool,
    pub on_pong: bool,
    pub on_close: bool,
    pub suspend: bool,
    pub resume: bool,
}

impl SocketFunctions {
    /// Their names in the WIT.
    fn names(self, hooks: Hooks) -> Vec<&'static str> {
        // What is set on the response goes out with the handshake.
        let prepares = hooks.initialize || hooks.prepare || hooks.set_default_headers;
        let decides = self.check_origin || self.select_subprotocol || self.get_compression_options;
        let functions = [
            ("accept", prepares || decides),
            ("check-origin", self.check_origin),
            ("open", self.open),
            ("on-message", self.on_message),
            ("on-ping", self.on_ping),
            ("on-pong", self.on_pong),
            ("on-close", self.on_close),
            ("suspend", self.suspend),
            ("resume", self.resume),
        ];
        let present = functions.into_iter().filter(|(_, present)| *present);
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
        H::HOOKS.check_trusted_origin,
        H::HOOKS.prepare,
        !H::METHODS.is_empty(),
    ];
    if entries.into_iter().filter(|present| *present).count() > 1 {
        // One call in the place of several.
        functions.push("execute");
    }
    if H::STREAMS_BODY {
        functions.push("stream-request-body");
    }
    wit::HandlerClass {
        name: H::NAME.to_owned(),
        methods: owned(H::METHODS),
        functions: owned(&functions),
        routes: routes.collect(),
    }
}

/// What `describe` says of a WebSocket handler; `handler`: its index.
pub(super) fn websocket_class<H: Handler>(handler: u32) -> Option<wit_websocket::WebsocketClass> {
    let names = H::WEBSOCKET?.names(H::HOOKS).into_iter();
    Some(wit_websocket::WebsocketClass {
        handler,
        functions: names.map(str::to_owned).collect(),
    })
}
