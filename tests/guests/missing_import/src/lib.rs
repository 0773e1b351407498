//! Imports an interface that no host has. A test of `generation` sees it refused, with the interface named.

use waterspout_sdk::prelude::*;

wit_bindgen::generate!({
    inline: "
        package nowhere:to;
        interface be-found {
            find: func() -> string;
        }
        world lost {
            import be-found;
        }
    ",
});

#[derive(Default)]
struct Lost;

#[handler]
impl RequestHandler for Lost {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(nowhere::to::be_found::find())
    }
}

waterspout_sdk::export!(Lost);
