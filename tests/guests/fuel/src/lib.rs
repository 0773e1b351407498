//! Hands the host more data in one call than its whole memory may hold: a list in which each string is the same
//! bytes. A test of `instances` sees the limit on a call's data hold.

use std::mem::ManuallyDrop;

use raw::waterspout::web::application;
use raw::{Arguments, Call, Guest, HandlerClass, Outcome};

struct Fuel;

raw::export!(Fuel with_types_in raw);

impl Guest for Fuel {
    async fn describe() -> Vec<HandlerClass> {
        raw::only_get("Fuel")
    }

    async fn get(call: Call, _: Arguments) -> Outcome {
        let mut bytes = ManuallyDrop::new("x".repeat(1 << 20));
        let (start, length, capacity) = (bytes.as_mut_ptr(), bytes.len(), bytes.capacity());
        // SAFETY: all of them are only read, and none is ever dropped.
        #[allow(unsafe_code, reason = "no safe code has the same bytes twice")]
        let again = || unsafe { String::from_raw_parts(start, length, capacity) };
        let aliases: Vec<String> = std::iter::repeat_with(again).take(1000).collect();
        let aliases = ManuallyDrop::new(aliases);
        let path = application::reverse_url(Some(call.request), "nowhere", &aliases);
        raw::ok(path.unwrap_or_default())
    }

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish cancel release }
}
