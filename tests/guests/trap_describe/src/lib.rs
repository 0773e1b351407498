//! Traps in `describe`. A test of `generation` sees it refused, and the old version serve on.

use raw::{Description, Guest};

struct TrapDescribe;

raw::export!(TrapDescribe with_types_in raw);

impl Guest for TrapDescribe {
    async fn describe() -> Description {
        unreachable!()
    }

    raw::never! { start stop initialize prepare get head post put delete patch options }
    raw::never! { write_error on_connection_close on_finish cancel release }
}
