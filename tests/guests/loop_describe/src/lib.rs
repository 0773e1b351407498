//! Never returns in `describe`. A test of `generation` sees it refused, and the old version serve on.

use raw::{Guest, HandlerClass};

struct LoopDescribe;

raw::export!(LoopDescribe with_types_in raw);

impl Guest for LoopDescribe {
    async fn describe() -> Vec<HandlerClass> {
        loop {
            std::hint::spin_loop();
        }
    }

    raw::never! { initialize prepare get head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish cancel release }
}
