//! Traps in `describe`. A test of `generation` sees it refused, and the old version serve on.

use raw::{Guest, HandlerClass};

struct TrapDescribe;

raw::export!(TrapDescribe with_types_in raw);

impl Guest for TrapDescribe {
    async fn describe() -> Vec<HandlerClass> {
        unreachable!()
    }

    raw::never! { initialize prepare get head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish cancel release }
}
