//! Registers as many tasks as it is let, none of which ends or heeds `cancel`: they wait for ever, or spin where the
//! query says `spin`. Answers with how many were taken. A test of `background` sees that it costs its instance alone.

use std::cell::Cell;

use raw::waterspout::background::background;
use raw::waterspout::web::request;
use raw::{Arguments, Call, HandlerClass, Outcome, RequestNumber, work};

thread_local! {
    static SPINS: Cell<bool> = const { Cell::new(false) };
}

struct Hostile;

raw::export!(Hostile with_types_in raw);
raw::work::export!(Hostile with_types_in raw::work);

impl raw::Guest for Hostile {
    async fn describe() -> Vec<HandlerClass> {
        raw::only_get("Hostile")
    }

    async fn get(call: Call, _: Arguments) -> Outcome {
        let query = request::head(call.request).query;
        SPINS.set(query == "spin");
        let wanted = if query.is_empty() { 0 } else { 10_000 };
        let taken = (0..wanted).filter(|task| {
            let name = "x".repeat(100_000);
            let length = if *task == 0 { 100_000 } else { 1 };
            background::spawn(*task, &name[..length]).is_ok()
        });
        let taken = match query.as_str() {
            "spin" => u64::from(background::spawn(1, "spin").is_ok()),
            _ => taken.count() as u64,
        };
        raw::ok(taken.to_string())
    }

    async fn cancel(_: RequestNumber) {}

    async fn release(_: RequestNumber) {}

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish }
}

impl work::Guest for Hostile {
    async fn describe() -> work::Description {
        work::Description {
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
