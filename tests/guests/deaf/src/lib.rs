//! Ignores `cancel`: its `get` waits for a minute, or for `?N` milliseconds, whatever happens. A test of `instances`
//! sees it drained and replaced.

use raw::wasi::clocks::monotonic_clock;
use raw::waterspout::web::request;
use raw::{Arguments, Call, Guest, HandlerClass, Outcome, RequestNumber};

struct Deaf;

raw::export!(Deaf with_types_in raw);

impl Guest for Deaf {
    async fn describe() -> Vec<HandlerClass> {
        raw::only_get("Deaf")
    }

    async fn get(call: Call, _: Arguments) -> Outcome {
        let ms = request::head(call.request).query.parse().unwrap_or(60_000);
        monotonic_clock::wait_for(ms * 1_000_000).await;
        raw::ok("at last")
    }

    async fn cancel(_: RequestNumber) {}

    async fn release(_: RequestNumber) {}

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish }
}
