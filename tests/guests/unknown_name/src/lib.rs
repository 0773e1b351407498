//! Names a function that this version of the host does not know. A test of `contract` sees it refused.

use raw::{Guest, HandlerClass};

struct UnknownName;

raw::export!(UnknownName with_types_in raw);

impl Guest for UnknownName {
    async fn describe() -> Vec<HandlerClass> {
        let mut handlers = raw::only_get("UnknownName");
        handlers[0].functions.push("on-dream".to_owned());
        handlers
    }

    raw::never! { initialize prepare get head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish cancel release }
}
