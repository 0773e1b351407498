//! A page by askama: the template is a file in `templates/` of the crate.

use askama::Template;
use waterspout_sdk::prelude::*;

#[derive(Template)]
#[template(path = "story.html")]
struct Page<'a> {
    title: &'a str,
    pages: &'a [String],
}

#[derive(Default)]
pub struct Story;

#[handler]
#[route("/story")]
impl RequestHandler for Story {
    async fn get(&mut self, cx: &Context) -> Result {
        let title = cx.get_query_argument("title")?;
        let pages = cx.get_query_arguments("page")?;
        let page = Page {
            title: &title,
            pages: &pages,
        };
        cx.write(page.render()?)
    }
}
