//! Those of `encodings.py`.

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;

use crate::{latin1, show};

#[derive(Default)]
pub struct Body;

#[handler]
#[route("/body")]
impl RequestHandler for Body {
    async fn post(&mut self, cx: &Context) -> Result {
        let said = |name: &str| {
            let value = cx.request().header(name);
            value.map_or(Value::Null, |value| latin1(value.as_bytes()).into())
        };
        let arguments = cx.get_body_arguments("a").await?;
        let body = latin1(cx.request().body().await?);
        let names = [
            said("Content-Encoding"),
            said("X-Consumed-Content-Encoding"),
        ];
        show(cx, &json!([body, arguments, names[0], names[1]]))
    }

    async fn put(&mut self, cx: &Context) -> Result {
        self.post(cx).await
    }
}

#[derive(Default)]
pub struct Long;

#[handler]
#[route("/long/([0-9]+)")]
impl RequestHandler for Long {
    async fn get(&mut self, cx: &Context) -> Result {
        let content_type = cx.get_query_argument_or("type", "text/plain; charset=UTF-8")?;
        cx.set_header("Content-Type", content_type)?;
        let coding = cx.get_query_argument_or("coding", "")?;
        if !coding.is_empty() {
            cx.set_header("Content-Encoding", coding)?;
        }
        cx.set_status(cx.get_query_argument_or("status", "200")?.parse()?);
        cx.write("x".repeat(cx.path_arg(0)?))
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}
