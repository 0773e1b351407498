//! Registers a task and a loop, and exports no `work` by which they would be run: a test of `background` reads what
//! becomes of both.

use raw::waterspout::background::background;
use raw::{Arguments, Call, Guest, HandlerClass, Outcome, RequestNumber};

struct Jobless;

raw::export!(Jobless with_types_in raw);

impl Guest for Jobless {
    async fn describe() -> Vec<HandlerClass> {
        raw::only_get("Jobless")
    }

    async fn get(_: Call, _: Arguments) -> Outcome {
        let task = background::spawn(1, "a task");
        let repeated = background::spawn_loop(2, "a loop");
        raw::ok(format!("{task:?} {repeated:?}"))
    }

    async fn cancel(_: RequestNumber) {}

    async fn release(_: RequestNumber) {}

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish }
}
