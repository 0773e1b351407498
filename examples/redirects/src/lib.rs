//! Where redirects lead: those of `waterspout.toml`, for good and without a handler; and one for now, after a form.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Photos;

#[handler]
impl RequestHandler for Photos {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(format!("the photo {}", cx.path_arg::<String>(0)?))
    }
}

#[derive(Default)]
struct Guestbook;

#[handler]
impl RequestHandler for Guestbook {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("thank you")
    }

    async fn post(&mut self, cx: &Context) -> Result {
        // So that a reload of the page does not send the form again.
        cx.redirect("/guestbook")
    }
}

export!(Photos, Guestbook);
