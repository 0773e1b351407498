//! The functions of one instance. Their places are looked up once for a component, and each function is type-checked
//! when it is first used. Calls none of them.

use std::sync::{Arc, OnceLock};

use http::Method;
use wasmtime::AsContextMut;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc,
};
use wasmtime::error::Context as _;

use crate::guest::bindings::handler::{HandlerClass, MessageHead};
use crate::guest::bindings::tcpserver::StreamClass;
use crate::guest::bindings::websocket::{Acceptance, SocketCall, WebsocketClass};
use crate::guest::bindings::{Arguments, Call, Failure, Outcome, ReceivedMessage, work};
use crate::guest::resources::Ctx;

/// The interfaces that a component may export, each of which it may do without.
const HANDLER: &str = "waterspout:web/handler@0.1.0";
const LIFECYCLE: &str = "waterspout:lifecycle/lifecycle@0.1.0";
const WORK: &str = "waterspout:background/work@0.1.0";
const STATE: &str = "waterspout:lifecycle/state@0.1.0";
const WEBSOCKET: &str = "waterspout:sockets/websocket@0.1.0";
const TCPSERVER: &str = "waterspout:tcp/tcpserver@0.1.0";

/// The methods that have a function of their own, in the order of [`Handler::methods`].
const METHODS: [(Method, &str); 7] = [
    (Method::GET, "get"),
    (Method::HEAD, "head"),
    (Method::POST, "post"),
    (Method::PUT, "put"),
    (Method::DELETE, "delete"),
    (Method::PATCH, "patch"),
    (Method::OPTIONS, "options"),
];

/// The interfaces that a component exports, and the places of their functions.
pub struct Exports {
    handler: Option<HandlerExports>,
    lifecycle: Option<[ComponentExportIndex; 3]>,
    work: Option<[ComponentExportIndex; 4]>,
    websocket: Option<[ComponentExportIndex; 9]>,
    state: Option<[ComponentExportIndex; 2]>,
    tcpserver: Option<[ComponentExportIndex; 2]>,
}

struct HandlerExports {
    describe: ComponentExportIndex,
    methods: [ComponentExportIndex; METHODS.len()],
    others: [ComponentExportIndex; OTHERS.len()],
}

/// The functions of a handler that belong to no method.
const OTHERS: [&str; 9] = [
    "initialize",
    "prepare",
    "method",
    "execute",
    "write-error",
    "on-connection-close",
    "on-finish",
    "cancel",
    "release",
];

impl Exports {
    /// Whether the component hands its state over.
    pub fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// Whether the component has handlers of streams.
    pub fn has_streams(&self) -> bool {
        self.tcpserver.is_some()
    }

    /// Whether the component has work beside its requests.
    pub fn has_work(&self) -> bool {
        self.work.is_some()
    }

    /// Looks the functions up, whatever their types.
    pub fn of(component: &Component) -> wasmtime::Result<Self> {
        let handler = match find::<1>(component, HANDLER, ["describe"])? {
            None => None,
            Some([describe]) => Some(HandlerExports {
                describe,
                methods: all(component, HANDLER, METHODS.map(|(_, name)| name))?,
                others: all(component, HANDLER, OTHERS)?,
            }),
        };
        let exports = Self {
            handler,
            lifecycle: find(component, LIFECYCLE, ["describe", "start", "stop"])?,
            work: find(component, WORK, ["describe", "run", "cancel", "call"])?,
            state: find(component, STATE, ["save", "restore"])?,
            tcpserver: find(component, TCPSERVER, ["describe", "serve"])?,
            websocket: find(
                component,
                WEBSOCKET,
                [
                    "describe",
                    "accept",
                    "open",
                    "on-message",
                    "on-ping",
                    "on-pong",
                    "on-close",
                    "suspend",
                    "resume",
                ],
            )?,
        };
        let has_none =
            exports.handler.is_none() && exports.work.is_none() && exports.tcpserver.is_none();
        match has_none {
            true => wasmtime::bail!("{}", nothing_known(component)),
            false => Ok(exports),
        }
    }
}

/// Functions of an interface. `None`: the component does not have the interface.
fn find<const N: usize>(
    component: &Component,
    interface: &str,
    names: [&str; N],
) -> wasmtime::Result<Option<[ComponentExportIndex; N]>> {
    match component.get_export_index(None, interface) {
        None => Ok(None),
        Some(_) => all(component, interface, names).map(Some),
    }
}

fn all<const N: usize>(
    component: &Component,
    interface: &str,
    names: [&str; N],
) -> wasmtime::Result<[ComponentExportIndex; N]> {
    let parent = component.get_export_index(None, interface);
    let found = names.map(|name| component.get_export_index(parent.as_ref(), name));
    if let Some(at) = found.iter().position(Option::is_none) {
        wasmtime::bail!("no function `{}` in `{interface}`", names[at]);
    }
    Ok(found.map(|found| found.expect("each was found")))
}

/// The message that a component exports nothing useful, with its exports.
fn nothing_known(component: &Component) -> String {
    let engine = component.engine();
    let component = component.component_type();
    let exports: Vec<&str> = component.exports(engine).map(|(name, _)| name).collect();
    match exports.is_empty() {
        true => {
            format!("no export `{HANDLER}`, nor any other: does its source end with `export!(…)`?")
        }
        false => format!("no export `{HANDLER}`, but `{}`", exports.join("`, `")),
    }
}

/// One function of one instance.
pub struct Function<P, R> {
    index: ComponentExportIndex,
    found: OnceLock<TypedFunc<P, R>>,
}

impl<P, R> Function<P, R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    fn at(index: &ComponentExportIndex) -> Self {
        Self {
            index: *index,
            found: OnceLock::new(),
        }
    }

    /// The function itself, to be called.
    pub fn of(
        &self,
        instance: &Instance,
        store: impl AsContextMut<Data = Ctx>,
    ) -> wasmtime::Result<TypedFunc<P, R>> {
        if let Some(found) = self.found.get() {
            return Ok(*found);
        }
        let found = instance.get_typed_func(store, self.index)?;
        Ok(*self.found.get_or_init(|| found))
    }
}

/// A function with arguments `P` that ends with an outcome.
pub type Step<P> = Function<P, (Outcome,)>;

/// The parameters of `execute`.
pub type Execute = (
    Call,
    Option<Arc<str>>,
    Option<u32>,
    Arc<Arguments>,
    Option<MessageHead>,
);

/// The exports of one instance.
pub struct Guest {
    pub instance: Instance,
    pub handler: Option<Handler>,
    pub lifecycle: Option<Lifecycle>,
    pub work: Option<Work>,
    pub websocket: Option<WebSocket>,
    pub state: Option<State>,
    pub tcpserver: Option<TcpServer>,
}

/// The functions for requests.
pub struct Handler {
    pub describe: Function<(), (Vec<HandlerClass>,)>,
    methods: [Step<(Call, Arc<Arguments>)>; METHODS.len()],
    pub initialize: Step<(Call, Option<Arc<str>>)>,
    pub prepare: Step<(Call, Arc<Arguments>)>,
    pub method: Step<(Call, u32, Arc<Arguments>)>,
    pub execute: Step<Execute>,
    pub write_error: Step<(Call, Failure)>,
    pub on_connection_close: Function<(Call,), ()>,
    pub on_finish: Function<(Call,), ()>,
    pub cancel: Function<(u64,), ()>,
    pub release: Function<(u64,), ()>,
}

impl Handler {
    /// The function of this method, if the method has its own.
    pub fn function_of(&self, method: &Method) -> Option<&Step<(Call, Arc<Arguments>)>> {
        let at = METHODS.iter().position(|(known, _)| known == method)?;
        Some(&self.methods[at])
    }
}

/// The functions for the beginning and the end of the instance.
pub struct Lifecycle {
    pub describe: Function<(), (Vec<String>,)>,
    pub start: Function<(), (Result<(), String>,)>,
    pub stop: Function<(), ()>,
}

/// The functions for work that belongs to no request.
pub struct Work {
    pub describe: Function<(), (work::Description,)>,
    pub run: Function<(u64,), (Result<(), String>,)>,
    pub cancel: Function<(u64,), ()>,
    pub call: Function<(String, Vec<u8>), (Called,)>,
}

/// The functions for the state of a component.
pub struct State {
    pub save: Function<(), (Called,)>,
    pub restore: Reaction<(Vec<u8>,)>,
}

/// The functions for streams that clients open.
pub struct TcpServer {
    pub describe: Function<(), (Vec<StreamClass>,)>,
    pub serve: Function<(), ()>,
}

/// The functions for sockets.
pub struct WebSocket {
    pub describe: Function<(), (Vec<WebsocketClass>,)>,
    pub accept: Function<(SocketCall, Vec<String>), (Acceptance,)>,
    pub open: Reaction<(SocketCall, Arc<Arguments>)>,
    pub on_message: Reaction<(SocketCall, ReceivedMessage)>,
    pub on_ping: Reaction<(SocketCall, Vec<u8>)>,
    pub on_pong: Reaction<(SocketCall, Vec<u8>)>,
    pub on_close: Reaction<(SocketCall, Option<u16>, Option<String>)>,
    pub suspend: Function<(SocketCall,), (Called,)>,
    pub resume: Reaction<(SocketCall, Arc<Arguments>, Vec<u8>)>,
}

/// A function with arguments `P` that is told of something.
pub type Reaction<P> = Function<P, (Result<(), String>,)>;

/// The result of a function that is called by its name.
pub type Called = Result<Vec<u8>, String>;

impl Guest {
    /// The functions of this instance. None of them is checked yet.
    pub fn of(instance: Instance, exports: &Exports) -> Self {
        Self {
            instance,
            handler: exports.handler.as_ref().map(Handler::of),
            lifecycle: exports.lifecycle.as_ref().map(|at| Lifecycle {
                describe: Function::at(&at[0]),
                start: Function::at(&at[1]),
                stop: Function::at(&at[2]),
            }),
            work: exports.work.as_ref().map(|at| Work {
                describe: Function::at(&at[0]),
                run: Function::at(&at[1]),
                cancel: Function::at(&at[2]),
                call: Function::at(&at[3]),
            }),
            websocket: exports.websocket.as_ref().map(|at| WebSocket {
                describe: Function::at(&at[0]),
                accept: Function::at(&at[1]),
                open: Function::at(&at[2]),
                on_message: Function::at(&at[3]),
                on_ping: Function::at(&at[4]),
                on_pong: Function::at(&at[5]),
                on_close: Function::at(&at[6]),
                suspend: Function::at(&at[7]),
                resume: Function::at(&at[8]),
            }),
            state: exports.state.as_ref().map(|at| State {
                save: Function::at(&at[0]),
                restore: Function::at(&at[1]),
            }),
            tcpserver: exports.tcpserver.as_ref().map(|at| TcpServer {
                describe: Function::at(&at[0]),
                serve: Function::at(&at[1]),
            }),
        }
    }

    /// Checks the types of all functions. The result holds for every instance of the component.
    pub fn check(&self, mut store: impl AsContextMut<Data = Ctx>) -> wasmtime::Result<()> {
        let mut store = store.as_context_mut();
        let instance = &self.instance;
        /// Each of these functions, by its name in the WIT.
        macro_rules! check {
            ($interface:literal, $functions:expr, $($field:ident),*) => {
                $(
                    $functions.$field.of(instance, &mut store).with_context(|| {
                        format!("{}.{}", $interface, stringify!($field).replace('_', "-"))
                    })?;
                )*
            };
        }
        if let Some(handler) = &self.handler {
            check!(
                "handler", handler, describe, initialize, prepare, method, execute
            );
            check!(
                "handler",
                handler,
                write_error,
                on_connection_close,
                on_finish
            );
            check!("handler", handler, cancel, release);
            for (method, (_, name)) in handler.methods.iter().zip(&METHODS) {
                method
                    .of(instance, &mut store)
                    .with_context(|| format!("handler.{name}"))?;
            }
        }
        if let Some(lifecycle) = &self.lifecycle {
            check!("lifecycle", lifecycle, describe, start, stop);
        }
        if let Some(work) = &self.work {
            check!("work", work, describe, run, cancel, call);
        }
        if let Some(state) = &self.state {
            check!("state", state, save, restore);
        }
        if let Some(tcpserver) = &self.tcpserver {
            check!("tcpserver", tcpserver, describe, serve);
        }
        if let Some(websocket) = &self.websocket {
            check!("websocket", websocket, describe, accept, open);
            check!("websocket", websocket, on_message, on_ping, on_pong);
            check!("websocket", websocket, on_close, suspend, resume);
        }
        Ok(())
    }
}

impl Handler {
    fn of(exports: &HandlerExports) -> Self {
        let [
            initialize,
            prepare,
            method,
            execute,
            write_error,
            on_connection_close,
            on_finish,
            cancel,
            release,
        ] = &exports.others;
        Self {
            describe: Function::at(&exports.describe),
            methods: exports.methods.each_ref().map(Function::at),
            initialize: Function::at(initialize),
            prepare: Function::at(prepare),
            method: Function::at(method),
            execute: Function::at(execute),
            write_error: Function::at(write_error),
            on_connection_close: Function::at(on_connection_close),
            on_finish: Function::at(on_finish),
            cancel: Function::at(cancel),
            release: Function::at(release),
        }
    }
}
