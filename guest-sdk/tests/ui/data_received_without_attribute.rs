use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Upload;

#[handler]
impl RequestHandler for Upload {
    async fn data_received(&mut self, _: &Context, _: Bytes) -> Result {
        Ok(())
    }
}

#[derive(Default)]
struct Other;

#[handler]
#[stream_request_body]
impl RequestHandler for Other {}

export!(Upload, Other);

fn main() {}
