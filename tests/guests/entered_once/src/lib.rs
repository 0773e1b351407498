//! Four handlers on bare bindings: one is entered by `execute`, one by `method`, one has `prepare` alone, and one has no
//! method and is entered by `execute`. Each answers with what it got, in JSON; tests of `contract` read that. It traps
//! where the host calls a function without a reason, or for an object that has ended.

use std::cell::RefCell;
use std::collections::BTreeSet;

use raw::{
    Arguments, Call, Failure, Guest, HandlerClass, Json, MessageHead, Outcome, RequestNumber,
    Response, Route,
};
use serde_json::{Value, json};

/// The handlers by their numbers.
const ONCE: u32 = 0;
const PROPERTIES: u32 = 1;
const PREPARED: u32 = 2;
const GATE: u32 = 3;

thread_local! {
    /// The objects that there are, by their requests.
    static OBJECTS: RefCell<BTreeSet<RequestNumber>> = const { RefCell::new(BTreeSet::new()) };
}

struct EnteredOnce;

raw::export!(EnteredOnce with_types_in raw);

impl Guest for EnteredOnce {
    async fn describe() -> Vec<HandlerClass> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let class = |name: &str, methods: &[&str], functions: &[&str], routes| HandlerClass {
            name: name.to_owned(),
            methods: owned(methods),
            functions: owned(functions),
            routes,
        };
        let once = vec![
            route("/entered_once", None),
            route(
                "/entered_once/of/([a-z]+)/?([a-z]+)?",
                Some("{\"from\":\"the route\"}"),
            ),
        ];
        vec![
            class(
                "Once",
                &["GET", "QUERY", "POST"],
                &["execute", "head"],
                once,
            ),
            class(
                "Properties",
                &["PROPFIND"],
                &[],
                vec![route("/entered_once/properties", None)],
            ),
            class(
                "Prepared",
                &[],
                &["prepare"],
                vec![route("/entered_once/prepared/(?P<how>[a-z]+)", None)],
            ),
            class(
                "Gate",
                &[],
                &["prepare", "execute", "write-error"],
                vec![route("/entered_once/gate/(?P<how>[a-z]+)", None)],
            ),
        ]
    }

    /// Finishes; for the handler without a method, for `done` alone.
    async fn execute(
        call: Call,
        kwargs: Option<Json>,
        method: Option<u32>,
        arguments: Arguments,
        head: Option<MessageHead>,
    ) -> Outcome {
        enter(call);
        let arguments = shown(arguments);
        if call.handler == GATE {
            assert!(kwargs.is_none() && method.is_none() && head.is_none());
            let outcome = match arguments["how"] == "done" {
                true => answer(json!({ "by": "execute", "arguments": arguments })),
                false => Outcome::Proceed,
            };
            return leave(call, outcome);
        }
        assert_eq!(call.handler, ONCE);
        let head = head.expect("the handler asks for it");
        let asked = head.headers.iter().find(|(name, _)| name == "x-asked");
        let asked = asked.map(|(_, value)| String::from_utf8_lossy(value));
        let got = json!({
            "by": "execute",
            "last": call.last,
            "kwargs": kwargs,
            "method": method,
            "arguments": arguments,
            "uri": head.uri,
            "asked": asked,
        });
        leave(call, answer(got))
    }

    async fn method(call: Call, method: u32, arguments: Arguments) -> Outcome {
        assert_eq!(call.handler, PROPERTIES);
        enter(call);
        let got = json!({
            "by": "method",
            "last": call.last,
            "method": method,
            "arguments": shown(arguments),
        });
        leave(call, answer(got))
    }

    /// Finishes for `done` alone.
    async fn prepare(call: Call, arguments: Arguments) -> Outcome {
        assert_eq!(call.handler, PREPARED);
        enter(call);
        let arguments = shown(arguments);
        let outcome = match arguments["how"] == "done" {
            true => answer(json!({ "by": "prepare", "last": call.last, "arguments": arguments })),
            false => Outcome::Proceed,
        };
        leave(call, outcome)
    }

    /// With the object that has seen `execute`.
    async fn write_error(call: Call, failure: Failure) -> Outcome {
        assert_eq!(call.handler, GATE);
        assert!(OBJECTS.with_borrow(|objects| objects.contains(&call.request)));
        let page = Outcome::Finished(Response {
            status: failure.status,
            reason: None,
            headers: Vec::new(),
            body: b"a page of its own".to_vec(),
        });
        leave(call, page)
    }

    async fn release(request: RequestNumber) {
        assert!(OBJECTS.with_borrow_mut(|objects| objects.remove(&request)));
    }

    async fn cancel(_: RequestNumber) {}

    raw::never! { initialize get head post put delete patch options }
    raw::never! { on_connection_close on_finish }
}

/// The first call for a request makes its object.
fn enter(call: Call) {
    assert!(OBJECTS.with_borrow_mut(|objects| objects.insert(call.request)));
}

/// The last one ends it, where it does not fail.
fn leave(call: Call, outcome: Outcome) -> Outcome {
    if call.last && !matches!(outcome, Outcome::Failed(_)) {
        OBJECTS.with_borrow_mut(|objects| objects.remove(&call.request));
    }
    outcome
}

fn route(pattern: &str, kwargs: Option<&str>) -> Route {
    Route {
        pattern: pattern.to_owned(),
        name: None,
        host: None,
        kwargs: kwargs.map(str::to_owned),
    }
}

fn shown(arguments: Arguments) -> Value {
    match arguments {
        Arguments::None => Value::Null,
        Arguments::Positional(values) => json!(values),
        Arguments::Named(values) => {
            let values = values.into_iter().map(|(name, value)| (name, json!(value)));
            Value::Object(values.collect())
        }
    }
}

fn answer(what: Value) -> Outcome {
    raw::ok(what.to_string())
}
