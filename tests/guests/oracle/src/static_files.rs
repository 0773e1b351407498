//! That of `static_files.py`.

use waterspout_sdk::prelude::*;

#[derive(Default)]
pub struct Urls;

#[handler]
#[route("/urls")]
impl RequestHandler for Urls {
    async fn get(&mut self, cx: &Context) -> Result {
        let path = cx.get_query_argument("path")?;
        let url = match cx.get_query_argument_or("version", "yes")?.as_str() {
            "yes" => cx.static_url(&path)?,
            _ => cx.unversioned_static_url(&path)?,
        };
        cx.write(url)
    }
}
