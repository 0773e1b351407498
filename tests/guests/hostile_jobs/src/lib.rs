//! Registers as many tasks as it is let, none of which ends or heeds `cancel`: they wait for ever, or spin where the
//! query says `spin`. Answers with how many were taken. A test of `background` sees that it costs its instance alone.

#![allow(unsafe_code, reason = "`export!` of wit-bindgen is made of it")]

use std::cell::Cell;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package waterspout:hostile;
        world hostile {
            include waterspout:web/web-with-jobs@0.1.0;
        }
    ",
    generate_all,
});

use exports::waterspout::web::{handler, jobs};
use handler::{Arguments, Call, Description, Failure, Functions, HandlerClass, Outcome};
use waterspout::web::background::{self, Kind};
use waterspout::web::{request, types};

thread_local! {
    static SPINS: Cell<bool> = const { Cell::new(false) };
}

struct Hostile;

export!(Hostile);

impl handler::Guest for Hostile {
    async fn describe() -> Description {
        Description {
            handlers: vec![HandlerClass {
                name: "Hostile".to_owned(),
                functions: Functions::GET,
                routes: Vec::new(),
            }],
            single: false,
            start: false,
            stop: false,
        }
    }

    async fn get(call: Call, _: Arguments) -> Outcome {
        let query = request::head(call.request).query;
        SPINS.set(query == "spin");
        let wanted = if query.is_empty() { 0 } else { 10_000 };
        let taken = (0..wanted).filter(|task| {
            let name = "x".repeat(100_000);
            background::register(
                *task,
                &name[..if *task == 0 { 100_000 } else { 1 }],
                Kind::Spawned,
            )
            .is_ok()
        });
        let taken = match query.as_str() {
            "spin" => u64::from(background::register(1, "spin", Kind::Spawned).is_ok()),
            _ => taken.count() as u64,
        };
        Outcome::Finished(types::Response {
            status: 200,
            reason: None,
            headers: Vec::new(),
            body: taken.to_string().into_bytes(),
        })
    }

    async fn start() -> Result<(), String> {
        unreachable!()
    }
    async fn stop() {
        unreachable!()
    }
    async fn initialize(_: Call, _: String) -> Outcome {
        unreachable!()
    }
    async fn prepare(_: Call, _: Arguments) -> Outcome {
        unreachable!()
    }
    async fn head(_: Call, _: Arguments) -> Outcome {
        unreachable!()
    }
    async fn post(_: Call, _: Arguments) -> Outcome {
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
    async fn write_error(_: Call, _: Failure) -> Outcome {
        unreachable!()
    }
    async fn on_connection_close(_: Call) {
        unreachable!()
    }
    async fn on_finish(_: Call) {
        unreachable!()
    }
    async fn cancel(_: u64) {}
    async fn release(_: u64) {}
}

impl jobs::Guest for Hostile {
    async fn describe() -> jobs::JobDescription {
        jobs::JobDescription {
            functions: Vec::new(),
            schedules: Vec::new(),
        }
    }

    async fn run(_: u64) -> Result<(), String> {
        while SPINS.get() {
            std::hint::black_box(());
        }
        std::future::pending().await
    }

    async fn cancel(_: u64) {}

    async fn call(_: String, _: Vec<u8>) -> Result<Vec<u8>, String> {
        Err("none".to_owned())
    }
}
