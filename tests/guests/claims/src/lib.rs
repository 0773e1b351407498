//! Declares routes under its own name, `a-greedy.wasm`, and far beyond it, for `tests/claims.rs`: each answers with what
//! it is.

use waterspout_sdk::prelude::*;

/// What looks like another's name, written otherwise.
#[derive(Default)]
struct Beside;

#[handler]
#[route("/besid[e]")]
impl RequestHandler for Beside {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("stolen")
    }
}

/// What may be its own, and may not.
#[derive(Default)]
struct Wide;

#[handler]
#[route("/(?:a-greedy|other)/first")]
impl RequestHandler for Wide {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("wide")
    }
}

#[derive(Default)]
struct Own;

#[handler]
#[route("/a-greedy/(.*)")]
impl RequestHandler for Own {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("own")
    }
}

#[derive(Default)]
struct Rest;

#[handler]
#[route("/(.*)")]
impl RequestHandler for Rest {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("rest")
    }
}

export!(Beside, Wide, Own, Rest);
