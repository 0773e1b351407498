//! Registers a task and a loop, and exports no `jobs` by which they would be run: a test of `background` reads what
//! becomes of both.

use raw::waterspout::web::background::{self, Kind};
use raw::{Arguments, Call, Description, Guest, Outcome, RequestId};

struct Jobless;

raw::export!(Jobless with_types_in raw);

impl Guest for Jobless {
    async fn describe() -> Description {
        raw::only_get("Jobless")
    }

    async fn get(_: Call, _: Arguments) -> Outcome {
        let task = background::register(1, "a task", Kind::Spawned);
        let repeated = background::register(2, "a loop", Kind::Loop);
        raw::ok(format!("{task:?} {repeated:?}"))
    }

    async fn cancel(_: RequestId) {}

    async fn release(_: RequestId) {}

    raw::never! { start stop initialize prepare head post put delete patch options }
    raw::never! { write_error on_connection_close on_finish }
}
