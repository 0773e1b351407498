//! The workload `json`: a body of JSON is read, parsed whole, and written back.

use serde_json::Value;
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Json;

#[handler]
impl RequestHandler for Json {
    async fn post(&mut self, cx: &Context) -> Result {
        let value: Value = cx.request().body_json().await?;
        cx.write_json(&value)
    }
}

export!(Json);
