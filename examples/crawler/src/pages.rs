//! Pages to crawl: each of the first leads to two more, to the first one again, and elsewhere. Crawls nothing.

use waterspout_sdk::prelude::*;

/// How many there are.
const PAGES: u32 = 31;

#[derive(Default)]
pub struct Page;

#[handler]
#[route("/crawler/page/([0-9]*)")]
impl RequestHandler for Page {
    async fn get(&mut self, cx: &Context) -> Result {
        let number: u32 = match &*cx.path_arg::<String>(0)? {
            "" => 0,
            number => number.parse()?,
        };
        if number >= PAGES {
            bail!(HttpError::new(404));
        }
        // The children of a node in a binary tree; those of the last ones are not there.
        let (left, right) = (2 * number + 1, 2 * number + 2);
        cx.write(format!(
            "<html><body><a href=\"{left}\">left</a> <a href='/crawler/page/{right}#top'>right</a> \
             <a href=\"/crawler/page/\">up</a> <a href=\"http://example.com/\">away</a></body></html>"
        ))
    }
}
