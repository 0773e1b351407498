use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Upload;

#[component]
impl RequestHandler for Upload {
    async fn data_received(&mut self, _: &Context, _: Bytes) -> Result {
        Ok(())
    }
}

#[derive(Default)]
struct Other;

#[component]
#[stream_request_body]
impl RequestHandler for Other {}

export!(Upload, Other);

fn main() {}
