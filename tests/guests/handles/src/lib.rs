//! Begins waits without end and keeps them all. A test of `instances` sees the limit on handles hold.

use std::future::poll_fn;

use raw::wasi::clocks::monotonic_clock;
use raw::{Arguments, Call, Guest, HandlerClass, Outcome};

struct Handles;

raw::export!(Handles with_types_in raw);

impl Guest for Handles {
    async fn describe() -> Vec<HandlerClass> {
        raw::only_get("Handles")
    }

    async fn get(_: Call, _: Arguments) -> Outcome {
        let mut waits = Vec::new();
        poll_fn(|cx| {
            loop {
                let mut wait = Box::pin(monotonic_clock::wait_for(60_000_000_000));
                let _ = wait.as_mut().poll(cx);
                waits.push(wait);
            }
        })
        .await
    }

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish cancel release }
}
