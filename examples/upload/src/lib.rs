//! A form with files.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Upload;

#[handler]
impl RequestHandler for Upload {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(include_str!("upload.html"))
    }

    async fn post(&mut self, cx: &Context) -> Result {
        let title = cx.get_body_argument_or("title", "nothing").await?;
        cx.set_header("Content-Type", "text/plain; charset=UTF-8")?;
        cx.write(format!("{title}\n"))?;
        for file in cx.request().files().await?.get_all("file") {
            // What a client calls a file may be a path; what it may be stored under is another thing.
            let name = file.base_name().unwrap_or("no name");
            let (content_type, size) = (file.content_type(), file.body().len());
            cx.write(format!("{name}: {content_type}, {size} bytes\n"))?;
        }
        Ok(())
    }
}

export!(Upload);
