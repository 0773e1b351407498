//! A JSON body, read before the method runs, whichever it is.

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Json {
    body: Value,
}

#[handler]
impl RequestHandler for Json {
    async fn prepare(&mut self, cx: &Context) -> Result {
        let content_type = cx.request().header("content-type");
        let is_json =
            content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
        ensure!(
            is_json,
            HttpError::new(415).with_message("send application/json")
        );
        self.body = cx.request().body_json().await?;
        Ok(())
    }

    async fn post(&mut self, cx: &Context) -> Result {
        cx.write_json(&self.body)
    }

    async fn put(&mut self, cx: &Context) -> Result {
        cx.set_status(201);
        cx.write_json(&self.body)
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        // What a client did wrong it may know; what went wrong in here it may not.
        let message = match failure.cause() {
            Cause::HttpError => failure.message(),
            _ => None,
        };
        cx.write_json(&json!({ "error": message.unwrap_or(failure.reason()) }))
    }
}

export!(Json);
