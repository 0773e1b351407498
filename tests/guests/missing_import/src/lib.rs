//! Imports interfaces that no host has. Tests of `generation` and of `inspect` see it refused, with them named.

use waterspout_sdk::prelude::*;

wit_bindgen::generate!({
    inline: "
        package nowhere:to;
        interface be-found {
            resource way {
                constructor();
            }
            find: func(way: borrow<way>) -> string;
            wait: async func();
        }
        interface be-seen {
            look: func();
        }
        world lost {
            import be-found;
            import be-seen;
        }
    ",
});

#[derive(Default)]
struct Lost;

#[handler]
impl RequestHandler for Lost {
    async fn get(&mut self, cx: &Context) -> Result {
        nowhere::to::be_seen::look();
        nowhere::to::be_found::wait().await;
        let way = nowhere::to::be_found::Way::new();
        cx.write(nowhere::to::be_found::find(&way))
    }
}

waterspout_sdk::export!(Lost);
