//! Three handlers on bare bindings: one is entered by `execute`, one by `method` and one has `prepare` alone. Each answers
//! with what it got, in JSON; a test of `contract` reads that. A function that the host has no reason to call traps.

use raw::{
    Arguments, Call, Guest, HandlerClass, Json, MessageHead, Outcome, RequestNumber, Route,
};
use serde_json::{Value, json};

/// The handlers by their numbers.
const ONCE: u32 = 0;
const PROPERTIES: u32 = 1;
const PREPARED: u32 = 2;

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
        ]
    }

    async fn execute(
        call: Call,
        kwargs: Option<Json>,
        method: Option<u32>,
        arguments: Arguments,
        head: Option<MessageHead>,
    ) -> Outcome {
        assert_eq!(call.handler, ONCE);
        let head = head.expect("the handler asks for it");
        let asked = head.headers.iter().find(|(name, _)| name == "x-asked");
        let asked = asked.map(|(_, value)| String::from_utf8_lossy(value));
        answer(json!({
            "by": "execute",
            "last": call.last,
            "kwargs": kwargs,
            "method": method,
            "arguments": shown(arguments),
            "uri": head.uri,
            "asked": asked,
        }))
    }

    async fn method(call: Call, method: u32, arguments: Arguments) -> Outcome {
        assert_eq!(call.handler, PROPERTIES);
        answer(json!({
            "by": "method",
            "last": call.last,
            "method": method,
            "arguments": shown(arguments),
        }))
    }

    /// Finishes for `done` alone.
    async fn prepare(call: Call, arguments: Arguments) -> Outcome {
        assert_eq!(call.handler, PREPARED);
        let arguments = shown(arguments);
        match arguments["how"] == "done" {
            true => answer(json!({ "by": "prepare", "last": call.last, "arguments": arguments })),
            false => Outcome::Proceed,
        }
    }

    async fn cancel(_: RequestNumber) {}

    async fn release(_: RequestNumber) {}

    raw::never! { initialize get head post put delete patch options }
    raw::never! { write_error on_connection_close on_finish }
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
