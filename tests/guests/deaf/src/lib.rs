//! Ignores `cancel`: its `get` waits for a minute whatever happens. A test of `instances` sees it drained and replaced.

use raw::{Arguments, Call, Description, Guest, Outcome, RequestId, wasi::clocks::monotonic_clock};

struct Deaf;

raw::export!(Deaf with_types_in raw);

impl Guest for Deaf {
    async fn describe() -> Description {
        raw::only_get("Deaf")
    }

    async fn get(_: Call, _: Arguments) -> Outcome {
        monotonic_clock::wait_for(60_000_000_000).await;
        raw::ok("at last")
    }

    async fn cancel(_: RequestId) {}

    async fn release(_: RequestId) {}

    raw::never! { start stop initialize prepare head post put delete patch options }
    raw::never! { write_error on_connection_close on_finish }
}
