//! Fetches pages of other servers while it waits for none of them: one, or several concurrently.

use std::collections::BTreeMap;

use waterspout_sdk::gen_::join_all;
use waterspout_sdk::prelude::*;

/// `/fetch?url=…`
#[derive(Default)]
struct Fetch;

#[handler]
impl RequestHandler for Fetch {
    async fn get(&mut self, cx: &Context) -> Result {
        let url = cx.get_query_argument("url")?;
        match fetch(&*url).await {
            Ok(page) => cx.write(format!("{url}: {} bytes\n", page.body.len())),
            Err(error) => bail!(HttpError::new(502).with_message(format!("{url}: {error}"))),
        }
    }
}

/// `/fetch/many?url=…&url=…`, and with `&format=map` as a map.
#[derive(Default)]
struct FetchMany;

#[handler]
impl RequestHandler for FetchMany {
    async fn get(&mut self, cx: &Context) -> Result {
        let urls = cx.get_query_arguments("url")?;
        // All at once: it takes as long as the slowest.
        let sizes = join_all(urls.iter().map(|url| size(url))).await;
        match cx.get_query_argument_or("format", "list")?.as_ref() {
            "map" => cx.write_json(&urls.iter().zip(sizes).collect::<BTreeMap<_, _>>()),
            _ => cx.write_json(&sizes),
        }
    }
}

/// How large a page is, or why nobody knows.
async fn size(url: &str) -> serde_json::Value {
    match fetch(url).await {
        Ok(page) => page.body.len().into(),
        Err(error) => error.to_string().into(),
    }
}

export!(Fetch, FetchMany);
