//! Built for the contract as version 0.1.0 has it: its bindings are of the copy in `tests/contract/0.1.0`, whatever `wit/`
//! has by now. It exports all that the host knows and imports a function of each interface. There is one such guest for
//! each released version, and a test of `contract` serves it: a host has to serve what was built for an older one.
//!
//! A GET answers in JSON what has happened in its instance so far, and registers a task.

#![allow(unsafe_code, reason = "`export!` of wit-bindgen is made of it")]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::json;

wit_bindgen::generate!({
    path: "../../contract/0.1.0",
    inline: "
        package waterspout:snapshot;
        world snapshot {
            include waterspout:component/web@0.1.0;
            include waterspout:component/lifecycle@0.1.0;
            include waterspout:component/background@0.1.0;
        }
    ",
    generate_all,
});

use exports::waterspout::background::work;
use exports::waterspout::lifecycle::lifecycle;
use exports::waterspout::web::handler;
use handler::{HandlerClass, MessageHead, Route};
use waterspout::background::{background, executor};
use waterspout::kv::kv;
use waterspout::logging::logging;
use waterspout::pubsub::pubsub;
use waterspout::settings::settings;
use waterspout::web::types::{Arguments, Call, Failure, Outcome, Response};
use waterspout::web::{application, request, request_body, response};

const FUNCTION: &str = "reverse";

/// How often each of these was called.
static STARTED: AtomicU64 = AtomicU64::new(0);
static TASKS: AtomicU64 = AtomicU64::new(0);
static RAN: AtomicU64 = AtomicU64::new(0);

struct Snapshot;

export!(Snapshot);

impl lifecycle::Guest for Snapshot {
    async fn describe() -> Vec<String> {
        vec!["single".to_owned(), "start".to_owned(), "stop".to_owned()]
    }

    async fn start() -> Result<(), String> {
        STARTED.fetch_add(1, Relaxed);
        Ok(())
    }

    async fn stop() {
        logging::log(logging::Level::Info, "the snapshot stops");
    }
}

impl work::Guest for Snapshot {
    async fn describe() -> work::Description {
        let schedule = work::Schedule {
            name: "yearly".to_owned(),
            timing: work::Timing::Cron("0 0 1 1 *".to_owned()),
            function: FUNCTION.to_owned(),
            arguments: Some("[1]".to_owned()),
            jitter: Some(1_000_000_000),
            time_zone: Some("Europe/Berlin".to_owned()),
        };
        work::Description {
            functions: vec![FUNCTION.to_owned()],
            schedules: vec![schedule],
        }
    }

    async fn run(_: u64) -> Result<(), String> {
        RAN.fetch_add(1, Relaxed);
        Ok(())
    }

    async fn cancel(_: u64) {}

    async fn call(_: String, mut arguments: Vec<u8>) -> Result<Vec<u8>, String> {
        arguments.reverse();
        Ok(arguments)
    }
}

impl handler::Guest for Snapshot {
    async fn describe() -> Vec<HandlerClass> {
        vec![HandlerClass {
            name: "Snapshot".to_owned(),
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            functions: vec!["initialize".to_owned(), "on-finish".to_owned()],
            routes: vec![Route {
                pattern: "/snapshot".to_owned(),
                name: Some("snapshot".to_owned()),
                host: None,
                kwargs: Some("{\"a\":1}".to_owned()),
            }],
        }]
    }

    async fn initialize(_: Call, kwargs: Option<String>) -> Outcome {
        assert_eq!(kwargs.as_deref(), Some("{\"a\":1}"));
        Outcome::Proceed
    }

    async fn get(call: Call, _: Arguments) -> Outcome {
        let task = TASKS.fetch_add(1, Relaxed);
        let spawned = background::spawn(task, "a task").is_ok();
        let called = executor::call(FUNCTION.to_owned(), b"abc".to_vec()).await;
        let stored = match kv::open("snapshot") {
            Ok(bucket) => bucket.increment("gets".to_owned(), 1).await.is_ok(),
            Err(_) => false,
        };
        let published = pubsub::publish("snapshot".to_owned(), b"a".to_vec()).await;
        let body = json!({
            "started": STARTED.load(Relaxed),
            "ran": RAN.load(Relaxed),
            "spawned": spawned,
            "called": called.ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            "stored": stored,
            "published": published.ok(),
            "settings": settings::app(Some(call.request)),
            "reversed": application::reverse_url(None, "snapshot", &[]).ok(),
            "method": request::head(call.request).method,
        });
        finished(body.to_string().into_bytes())
    }

    /// The body, sent in a piece of its own.
    async fn post(call: Call, _: Arguments) -> Outcome {
        let request = call.request;
        let body = loop {
            match request_body::take_body(request) {
                Some(body) => break body.expect("a body"),
                None => request_body::wait_body(request).await,
            }
        };
        let head = response::ResponseHead {
            status: 200,
            reason: None,
            headers: vec![("content-length".to_owned(), body.len().to_string().into())],
        };
        match response::flush(request, Some(head), body).await {
            Ok(()) => finished(Vec::new()),
            Err(_) => Outcome::Cancelled,
        }
    }

    async fn on_finish(_: Call) {}

    async fn cancel(_: u64) {}

    async fn release(_: u64) {}

    async fn prepare(_: Call, _: Arguments) -> Outcome {
        unreachable!()
    }

    async fn head(_: Call, _: Arguments) -> Outcome {
        unreachable!()
    }

    async fn put(_: Call, _: Arguments) -> Outcome {
        unreachable!()
    }

    async fn delete(_: Call, _: Arguments) -> Outcome {
        unreachable!()
    }

    async fn patch(_: Call, _: Arguments) -> Outcome {
        unreachable!()
    }

    async fn options(_: Call, _: Arguments) -> Outcome {
        unreachable!()
    }

    async fn method(_: Call, _: u32, _: Arguments) -> Outcome {
        unreachable!()
    }

    async fn execute(
        _: Call,
        _: Option<String>,
        _: Option<u32>,
        _: Arguments,
        _: Option<MessageHead>,
    ) -> Outcome {
        unreachable!()
    }

    async fn write_error(_: Call, _: Failure) -> Outcome {
        unreachable!()
    }

    async fn on_connection_close(_: Call) {}
}

fn finished(body: Vec<u8>) -> Outcome {
    Outcome::Finished(Response {
        status: 200,
        reason: None,
        headers: Vec::new(),
        body,
    })
}
