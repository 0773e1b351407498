//! Serves, and exports an interface that this version of the host does not know. A test of `contract` sees it serve all
//! the same.

#![allow(unsafe_code, reason = "`export!` of wit-bindgen is made of it")]

use raw::{Arguments, Call, HandlerClass, Outcome};

wit_bindgen::generate!({
    inline: "
        package example:%future@0.9.0;
        interface dreams {
            record dream {
                about: string,
                seconds: u64,
            }
            describe: async func() -> list<string>;
            on-dream: async func(dream: dream) -> result<_, string>;
        }
        world dreaming {
            export dreams;
        }
    ",
});

use exports::example::future::dreams;

struct FromTheFuture;

raw::export!(FromTheFuture with_types_in raw);
export!(FromTheFuture);

impl raw::Guest for FromTheFuture {
    async fn describe() -> Vec<HandlerClass> {
        raw::only_get("FromTheFuture")
    }

    async fn get(_: Call, _: Arguments) -> Outcome {
        raw::ok("served")
    }

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish cancel release }
}

impl dreams::Guest for FromTheFuture {
    async fn describe() -> Vec<String> {
        unreachable!()
    }

    async fn on_dream(_: dreams::Dream) -> Result<(), String> {
        unreachable!()
    }
}
