//! Static files: a page that names its stylesheet, a picture and a text by `static_url`, with the hash of each. The host
//! serves the files from `examples/static`, and no handler runs for them.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Files;

#[handler]
impl RequestHandler for Files {
    async fn get(&mut self, cx: &Context) -> Result {
        let page = include_str!("page.html")
            .replace("<!-- stylesheet -->", &cx.static_url("files.css")?)
            .replace("<!-- picture -->", &cx.static_url("rain.svg")?)
            .replace("<!-- text -->", &cx.static_url("weather.txt")?);
        cx.write(page)
    }
}

export!(Files);
