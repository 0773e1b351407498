//! The front page, a page to try each example that has none of its own, and what all pages share: one stylesheet, one
//! script.

mod listing;
mod page;

use listing::{Example, LISTING};
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Front;

#[handler]
impl RequestHandler for Front {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(page::front(LISTING))
    }
}

/// `/try/hello`
#[derive(Default)]
struct Try;

#[handler]
impl RequestHandler for Try {
    async fn get(&mut self, cx: &Context) -> Result {
        let example = find(cx)?;
        let Some(form) = example.form else {
            return cx.redirect(&example.page());
        };
        // Where this app is, for the example that fetches from it.
        let (protocol, host) = (cx.request().protocol(), cx.request().host());
        cx.write(page::trial(example, form, &format!("{protocol}://{host}")))
    }
}

/// `/source/hello`
#[derive(Default)]
struct Source;

#[handler]
impl RequestHandler for Source {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(page::source(find(cx)?))
    }
}

/// The example that the path names.
fn find(cx: &Context) -> Result<&'static Example> {
    let name: String = cx.path_arg(0)?;
    let example = LISTING.iter().find(|example| example.name == name);
    Ok(example.ok_or(HttpError::new(404))?)
}

/// What the pages of all examples load.
#[derive(Default)]
struct File;

#[handler]
impl RequestHandler for File {
    async fn get(&mut self, cx: &Context) -> Result {
        let (content_type, text) = match cx.path_arg::<String>(0)?.as_str() {
            "style.css" => ("text/css; charset=UTF-8", include_str!("style.css")),
            _ => ("text/javascript; charset=UTF-8", include_str!("try.js")),
        };
        cx.set_header("Content-Type", content_type)?;
        cx.write(text)
    }
}

export!(Front, Try, Source, File);
