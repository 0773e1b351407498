//! Panics. A test of `invoke` sees a 500, and the message in the log.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Panic;

#[handler]
impl RequestHandler for Panic {
    async fn get(&mut self, cx: &Context) -> Result {
        let nothing: Option<&str> = cx.path_args().first().and_then(Option::as_deref);
        cx.write(nothing.expect("panics on purpose"))
    }
}

export!(Panic);
