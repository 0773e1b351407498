//! Those of `targets.py`.

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;

use crate::{latin1, show};

#[derive(Default)]
pub struct Target;

#[handler]
#[route("/at/(.*)")]
#[route("/at")]
#[route("/(a/[^/]*)/(.*)")]
impl RequestHandler for Target {
    async fn get(&mut self, cx: &Context) -> Result {
        let request = cx.request();
        let said = json!([
            request.method().as_str(),
            request.uri(),
            request.path(),
            request.query(),
            request.version(),
            request.host(),
            request.protocol(),
            request.full_url(),
            cx.path_args(),
        ]);
        show(cx, &said)
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}

#[derive(Default)]
pub struct Headers;

#[handler]
#[route("/headers")]
impl RequestHandler for Headers {
    async fn get(&mut self, cx: &Context) -> Result {
        let value = cx.request().header("X-A");
        let value = value.map_or(Value::Null, |value| latin1(value.as_bytes()).into());
        show(cx, &value)
    }
}

#[derive(Default)]
pub struct Length;

#[handler]
#[route("/length")]
impl RequestHandler for Length {
    async fn post(&mut self, cx: &Context) -> Result {
        let length = cx.request().body().await?.len();
        show(cx, &json!([cx.request().version(), length]))
    }

    async fn get(&mut self, cx: &Context) -> Result {
        self.post(cx).await
    }
}
