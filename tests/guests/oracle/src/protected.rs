//! Those of `protected.py` and `origins.py`.

use serde_json::json;
use waterspout_sdk::prelude::*;

use crate::show;

/// Says what came of a form.
#[derive(Default)]
pub struct Tokens;

#[handler]
#[route("/protected")]
impl RequestHandler for Tokens {
    async fn get(&mut self, cx: &Context) -> Result {
        field(cx).await
    }

    async fn head(&mut self, cx: &Context) -> Result {
        field(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        field(cx).await
    }

    async fn put(&mut self, cx: &Context) -> Result {
        field(cx).await
    }

    async fn delete(&mut self, cx: &Context) -> Result {
        field(cx).await
    }

    async fn patch(&mut self, cx: &Context) -> Result {
        field(cx).await
    }

    async fn options(&mut self, cx: &Context) -> Result {
        field(cx).await
    }
}

async fn field(cx: &Context) -> Result {
    let fields = cx.get_body_arguments("field").await?;
    show(cx, &json!([cx.request().method().as_str(), fields.last()]))
}

/// Says its method.
#[derive(Default)]
pub struct Changes;

#[handler]
#[route("/changes")]
impl RequestHandler for Changes {
    async fn get(&mut self, cx: &Context) -> Result {
        method(cx)
    }

    async fn head(&mut self, cx: &Context) -> Result {
        method(cx)
    }

    async fn post(&mut self, cx: &Context) -> Result {
        method(cx)
    }

    async fn put(&mut self, cx: &Context) -> Result {
        method(cx)
    }

    async fn delete(&mut self, cx: &Context) -> Result {
        method(cx)
    }

    async fn patch(&mut self, cx: &Context) -> Result {
        method(cx)
    }

    async fn options(&mut self, cx: &Context) -> Result {
        method(cx)
    }
}

fn method(cx: &Context) -> Result {
    show(cx, &json!(cx.request().method().as_str()))
}

/// Trusts what the query says.
#[derive(Default)]
pub struct Decides {
    base: Changes,
}

#[handler(base = Changes)]
#[route("/decides")]
impl RequestHandler for Decides {
    fn check_trusted_origin(&mut self, cx: &Context, origin: &str) -> Result<bool> {
        Ok(origin.ends_with(&cx.get_query_argument("trusted")?))
    }
}
