//! Fetches by a library that knows WASI 0.3 and nothing of Waterspout. `tests/http_client.rs` sees it.

use http_body_util::BodyExt;
use wasip3::http::client::send;
use wasip3::http_compat::{http_from_wasi_response, http_into_wasi_request};
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Fetch;

#[handler]
impl RequestHandler for Fetch {
    async fn post(&mut self, cx: &Context) -> Result {
        let body = String::from_utf8(cx.request().body().await?.to_vec())?;
        let request = http::Request::post(&*cx.get_query_argument("url")?).body(body)?;
        let response = send(http_into_wasi_request(request)?).await?;
        let response = http_from_wasi_response(response)?;
        cx.write(response.into_body().collect().await?.to_bytes())
    }
}

export!(Fetch);
