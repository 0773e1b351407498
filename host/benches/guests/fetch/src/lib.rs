//! What `cargo bench -- --only fetch` asks: each request fetches one URL twice, side by side.

use waterspout_sdk::gen_::multi;
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Fetch;

#[handler]
impl RequestHandler for Fetch {
    async fn get(&mut self, cx: &Context) -> Result {
        let url = cx.get_query_argument("url")?;
        let [one, other] = multi([fetch(&*url), fetch(&*url)]).await?;
        cx.write(format!("{} {}", one.text(), other.text()))
    }
}

export!(Fetch);
