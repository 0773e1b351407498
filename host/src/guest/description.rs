//! A component's description of itself: read once when it is loaded, and trusted from then on. Runs no guest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::{HeaderValue, Method};

use crate::base::error::Error;
use crate::guest::bindings::tcpserver::StreamClass;
use crate::guest::bindings::websocket::WebsocketClass;
use crate::guest::bindings::{handler, work};

/// All that a component says of itself.
#[derive(Clone, Debug, Default)]
pub struct Description {
    pub handlers: Vec<HandlerClass>,
    /// The handlers of streams.
    pub streams: Vec<Arc<Class>>,
    pub lifecycle: Lifecycle,
    /// The functions that are called by name.
    pub functions: Vec<String>,
    pub schedules: Vec<work::Schedule>,
}

/// One handler.
#[derive(Clone, Debug)]
pub struct HandlerClass {
    pub name: String,
    pub class: Arc<Class>,
    pub routes: Vec<handler::Route>,
}

/// What a request needs to know of its handler.
#[derive(Debug, Default)]
pub struct Class {
    /// Unique in the component.
    pub name: String,
    /// In the order in which the handler names them.
    pub methods: Vec<Method>,
    pub hooks: Hooks,
    /// For a WebSocket handler.
    pub socket: Option<SocketHooks>,
}

/// Which functions a WebSocket handler has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a name of the WIT")]
pub struct SocketHooks {
    pub accept: bool,
    /// `accept` decides about the origin.
    pub check_origin: bool,
    pub open: bool,
    pub on_message: bool,
    pub on_ping: bool,
    pub on_pong: bool,
    pub on_close: bool,
    pub suspend: bool,
    pub resume: bool,
}

/// Which functions a handler has beside its methods, and what it asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a name of the WIT")]
pub struct Hooks {
    pub initialize: bool,
    pub prepare: bool,
    pub execute: bool,
    pub write_error: bool,
    pub on_connection_close: bool,
    pub on_finish: bool,
    /// `execute` brings the head of the request.
    pub head: bool,
    /// The body is taken piece by piece.
    pub stream_request_body: bool,
    /// It decides itself about pages of other origins.
    pub check_trusted_origin: bool,
}

/// How the instances of a component begin and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// No more than one instance takes requests.
    pub single: bool,
    pub start: bool,
    pub stop: bool,
}

impl Description {
    /// Reads what a component says of itself. An error if it is too much, not known here, or nothing.
    pub fn read(
        classes: Vec<handler::HandlerClass>,
        lifecycle: &[String],
        work: Option<work::Description>,
        sockets: &[WebsocketClass],
        streams: Vec<StreamClass>,
    ) -> Result<Self, Error> {
        check_amount(&classes, work.as_ref(), &streams)?;
        let (functions, schedules) = work
            .map(|work| (work.functions, work.schedules))
            .unwrap_or_default();
        let description = Self {
            handlers: handlers(classes, sockets)?,
            streams: self::streams(streams)?,
            lifecycle: self::lifecycle(lifecycle)?,
            functions,
            schedules,
        };
        match description.has_nothing() {
            true => Err(Error::component(
                "describes nothing that could be called: no handler, no function and no `start`",
            )),
            false => Ok(description),
        }
    }

    /// Whether there is nothing for the host to call.
    fn has_nothing(&self) -> bool {
        self.handlers.is_empty()
            && self.streams.is_empty()
            && self.functions.is_empty()
            && self.schedules.is_empty()
            && !self.lifecycle.start
    }
}

/// What a component may describe: the host keeps it all, and reads it on a thread that others need.
const MAX_HANDLERS: usize = 1_000;
const MAX_ROUTES: usize = 10_000;
const MAX_FUNCTIONS: usize = 10_000;
const MAX_SCHEDULES: usize = 1_000;

/// The longest of all texts of a description together, in bytes.
const MAX_TEXT: usize = 4 << 20;

/// Checks that a component does not describe too much, before any of it is read.
fn check_amount(
    classes: &[handler::HandlerClass],
    work: Option<&work::Description>,
    streams: &[StreamClass],
) -> Result<(), Error> {
    let routes = || classes.iter().flat_map(|class| &class.routes);
    let functions = work.map_or(&[][..], |work| &work.functions);
    let schedules = work.map_or(&[][..], |work| &work.schedules);
    for (what, count, most) in [
        ("handlers", classes.len() + streams.len(), MAX_HANDLERS),
        ("routes", routes().count(), MAX_ROUTES),
        ("functions", functions.len(), MAX_FUNCTIONS),
        ("schedules", schedules.len(), MAX_SCHEDULES),
    ] {
        if count > most {
            return Err(Error::component(format!(
                "describes {count} {what}; it may describe {most}"
            )));
        }
    }
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let of_classes = classes.iter().map(|class| class.name.len());
    let of_streams = streams.iter().map(|class| class.name.len());
    let of_routes = routes().map(|route| {
        let others = [&route.name, &route.host, &route.kwargs].map(optional);
        route.pattern.len() + others.iter().sum::<usize>()
    });
    let of_functions = functions.iter().map(String::len);
    let of_schedules = schedules.iter().map(|schedule| {
        let cron = match &schedule.timing {
            work::Timing::Cron(text) => text.len(),
            work::Timing::Every(_) => 0,
        };
        let others = [&schedule.time_zone, &schedule.arguments].map(optional);
        schedule.name.len() + schedule.function.len() + cron + others.iter().sum::<usize>()
    });
    let parts = of_classes
        .chain(of_streams)
        .chain(of_routes)
        .chain(of_functions);
    let text: usize = parts.chain(of_schedules).sum();
    match text > MAX_TEXT {
        true => Err(Error::component(format!(
            "describes itself in more than {} MB of text",
            MAX_TEXT >> 20
        ))),
        false => Ok(()),
    }
}

impl Class {
    /// The index of a method among the handler's methods.
    pub fn position(&self, method: &Method) -> Option<usize> {
        self.methods.iter().position(|known| known == method)
    }

    /// Whether a request with this method runs the guest. A handler with `prepare` and no methods runs for every
    /// method.
    pub fn takes(&self, method: &Method) -> bool {
        self.position(method).is_some() || self.methods.is_empty() && self.hooks.prepare
    }

    /// The methods, as the header `Allow` lists them. A handshake is a GET.
    pub fn allow(&self) -> HeaderValue {
        let mut methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        if self.socket.is_some() && !methods.contains(&"GET") {
            methods.insert(0, "GET");
        }
        HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static(""))
    }

    /// The names of the functions, in the order in which they are called.
    pub fn functions(&self) -> Vec<String> {
        let hooks = &self.hooks;
        let before = [
            ("initialize", hooks.initialize),
            ("check_trusted_origin", hooks.check_trusted_origin),
            ("prepare", hooks.prepare),
        ];
        let after = [
            ("write_error", hooks.write_error),
            ("on_connection_close", hooks.on_connection_close),
            ("on_finish", hooks.on_finish),
        ];
        let present = |hooks: &[(&'static str, bool)]| -> Vec<String> {
            let present = hooks.iter().filter(|(_, present)| *present);
            present.map(|(name, _)| (*name).to_owned()).collect()
        };
        let methods =
            self.methods
                .iter()
                .map(|method| match &method.as_str().to_ascii_lowercase() {
                    name if KNOWN.contains(&name.as_str()) => name.clone(),
                    _ => method.as_str().to_owned(),
                });
        let mut functions = present(&before);
        functions.extend(methods);
        if let Some(socket) = &self.socket {
            functions.extend(socket.names().map(|name| name.replace('-', "_")));
        }
        functions.extend(present(&after));
        functions
    }
}

impl SocketHooks {
    /// All names, and whether they are there.
    fn all(&mut self) -> [(&'static str, &mut bool); 9] {
        [
            ("accept", &mut self.accept),
            ("check-origin", &mut self.check_origin),
            ("open", &mut self.open),
            ("on-message", &mut self.on_message),
            ("on-ping", &mut self.on_ping),
            ("on-pong", &mut self.on_pong),
            ("on-close", &mut self.on_close),
            ("suspend", &mut self.suspend),
            ("resume", &mut self.resume),
        ]
    }

    /// The names of those that a person has written.
    fn names(self) -> impl Iterator<Item = &'static str> {
        let mut hooks = self;
        let present = hooks.all().map(|(name, is_there)| (name, *is_there));
        let present = present.into_iter().filter(|(_, is_there)| *is_there);
        present
            .map(|(name, _)| name)
            .filter(|name| *name != "accept")
    }
}

/// The methods that have functions of their own.
const KNOWN: [&str; 7] = ["get", "head", "post", "put", "delete", "patch", "options"];

/// Reads the handlers of a component.
fn handlers(
    classes: Vec<handler::HandlerClass>,
    sockets: &[WebsocketClass],
) -> Result<Vec<HandlerClass>, Error> {
    let mut handlers: Vec<HandlerClass> = Vec::new();
    let mut names = BTreeSet::new();
    let mut hooks_of_sockets = socket_hooks(sockets, classes.len())?;
    for (at, class) in classes.into_iter().enumerate() {
        let name = class.name;
        if !names.insert(name.clone()) {
            return Err(Error::component(format!(
                "describes two handlers named `{name}`"
            )));
        }
        let methods = methods(&name, &class.methods)?;
        let hooks = hooks(&name, &class.functions)?;
        handlers.push(HandlerClass {
            class: Arc::new(Class {
                name: name.clone(),
                methods,
                hooks,
                socket: hooks_of_sockets.remove(&at),
            }),
            name,
            routes: class.routes,
        });
    }
    Ok(handlers)
}

/// Reads the handlers of streams.
fn streams(classes: Vec<StreamClass>) -> Result<Vec<Arc<Class>>, Error> {
    let mut names = BTreeSet::new();
    let mut streams = Vec::new();
    for StreamClass { name } in classes {
        if !names.insert(name.clone()) {
            return Err(Error::component(format!(
                "describes two stream handlers named `{name}`"
            )));
        }
        streams.push(Arc::new(Class {
            name,
            ..Class::default()
        }));
    }
    Ok(streams)
}

/// The functions of the WebSocket handlers among so many, by their places.
fn socket_hooks(
    sockets: &[WebsocketClass],
    handlers: usize,
) -> Result<BTreeMap<usize, SocketHooks>, Error> {
    let mut hooks = BTreeMap::new();
    for class in sockets {
        let at = class.handler as usize;
        let mut of_this = SocketHooks::default();
        for name in &class.functions {
            let known = of_this.all().into_iter().find(|(known, _)| known == name);
            match known {
                Some((_, hook)) => *hook = true,
                None => return Err(unknown("a WebSocket handler of it", name)),
            }
        }
        if at >= handlers || hooks.insert(at, of_this).is_some() {
            return Err(Error::component(format!(
                "describes a WebSocket handler {at} that is none of its handlers, or twice"
            )));
        }
    }
    Ok(hooks)
}

fn methods(handler: &str, names: &[String]) -> Result<Vec<Method>, Error> {
    /// Each request is compared with them. All that are registered with IANA are some forty.
    const MOST: usize = 100;
    if names.len() > MOST {
        let count = names.len();
        return Err(Error::component(format!(
            "its handler `{handler}` names {count} methods; it may name {MOST}"
        )));
    }
    let mut methods = Vec::new();
    for name in names {
        let method = Method::from_bytes(name.as_bytes()).map_err(|_| {
            Error::component(format!(
                "its handler `{handler}` names a method {name:?}, which is none (RFC 9110, section 9.1)"
            ))
        })?;
        if method == Method::CONNECT {
            return Err(Error::component(format!(
                "its handler `{handler}` names the method CONNECT, which no handler gets"
            )));
        }
        if methods.contains(&method) {
            return Err(Error::component(format!(
                "its handler `{handler}` names the method {method} twice"
            )));
        }
        methods.push(method);
    }
    Ok(methods)
}

fn hooks(handler: &str, names: &[String]) -> Result<Hooks, Error> {
    let mut hooks = Hooks::default();
    for name in names {
        let hook = match name.as_str() {
            "initialize" => &mut hooks.initialize,
            "prepare" => &mut hooks.prepare,
            "execute" => &mut hooks.execute,
            "write-error" => &mut hooks.write_error,
            "on-connection-close" => &mut hooks.on_connection_close,
            "on-finish" => &mut hooks.on_finish,
            "head" => &mut hooks.head,
            "stream-request-body" => &mut hooks.stream_request_body,
            "check-trusted-origin" => &mut hooks.check_trusted_origin,
            _ => return Err(unknown(&format!("its handler `{handler}`"), name)),
        };
        *hook = true;
    }
    Ok(hooks)
}

/// Reads the description of a component's lifecycle.
fn lifecycle(names: &[String]) -> Result<Lifecycle, Error> {
    let mut lifecycle = Lifecycle::default();
    for name in names {
        let property = match name.as_str() {
            "single" => &mut lifecycle.single,
            "start" => &mut lifecycle.start,
            "stop" => &mut lifecycle.stop,
            _ => return Err(unknown("it", name)),
        };
        *property = true;
    }
    Ok(lifecycle)
}

fn unknown(what: &str, name: &str) -> Error {
    Error::component(format!(
        "{what} names {name:?}, which this version of Waterspout does not know: it needs a newer one"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(methods: &[&str], functions: &[&str]) -> Result<Vec<HandlerClass>, Error> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        handlers(
            vec![handler::HandlerClass {
                name: "A".to_owned(),
                methods: owned(methods),
                functions: owned(functions),
                routes: Vec::new(),
            }],
            &[],
        )
    }

    fn refusal<T>(read: Result<T, Error>) -> String {
        read.err().expect("it is refused").to_string()
    }

    #[test]
    fn methods_are_tokens_that_a_handler_names_once() {
        let handlers = class(&["GET", "QUERY", "M-SEARCH"], &["prepare"]).unwrap();
        let class_ = &handlers[0].class;
        assert_eq!(class_.allow(), "GET, QUERY, M-SEARCH");
        assert_eq!(class_.functions(), ["prepare", "get", "QUERY", "M-SEARCH"]);
        let query = Method::from_bytes(b"QUERY").unwrap();
        assert_eq!(class_.position(&query), Some(1));
        assert!(!class_.takes(&Method::POST));
        assert!(refusal(class(&["GET", "GET"], &[])).contains("twice"));
        assert!(refusal(class(&["A B"], &[])).contains("which is none"));
        assert!(refusal(class(&["CONNECT"], &[])).contains("no handler gets"));
        assert!(refusal(class(&["A"; 101], &[])).contains("it may name 100"));
    }

    #[test]
    fn a_name_from_the_future_refuses_the_component() {
        let refused = refusal(class(&["GET"], &["on-dream"]));
        assert!(
            refused.contains("\"on-dream\"") && refused.contains("newer"),
            "{refused}"
        );
        assert!(refusal(lifecycle(&["resume".to_owned()])).contains("newer"));
    }

    #[test]
    fn one_with_prepare_and_no_method_takes_all() {
        let takes = |functions: &[&str]| {
            let handlers = class(&[], functions).unwrap();
            handlers[0].class.takes(&Method::DELETE)
        };
        assert!(takes(&["prepare"]) && !takes(&["initialize"]));
    }
}
