//! A page by maud: the template is a macro in Rust.

use maud::{DOCTYPE, Markup, html};
use waterspout_sdk::prelude::*;

#[derive(Default)]
pub struct Stories;

#[handler]
#[route("/stories")]
impl RequestHandler for Stories {
    async fn get(&mut self, cx: &Context) -> Result {
        let titles = cx.get_query_arguments("title")?;
        let page = page(
            "Stories",
            html! {
                ul {
                    @for title in &titles { li { (**title) } }
                }
            },
        );
        cx.write(page.into_string())
    }
}

/// What all pages have.
fn page(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { title { (title) } }
            body { h1 { (title) } (body) }
        }
    }
}
