//! The pages as HTML. Knows no request.

use std::fmt::Write;

use waterspout_sdk::escape::xhtml_escape;

use crate::listing::{Example, TORNADO};

/// All examples, with where each is tried, what it answers at, and where it is from.
pub fn front(listing: &[Example]) -> String {
    let items: String = listing.iter().map(item).collect();
    include_str!("front.html").replace("<!-- items -->", &items)
}

fn item(example: &Example) -> String {
    let Example { name, line, .. } = example;
    let page = example.page();
    let about = about(example);
    format!(
        "<li id=\"{name}\">\n<h2><a href=\"{page}\">{name}</a></h2>\n<p>{line}</p>\n\
         <p class=\"about\">{about}</p>\n</li>\n"
    )
}

/// The forms that send what the example answers, with room for the answer.
pub fn trial(example: &Example, form: &str, origin: &str) -> String {
    let Example { name, line, .. } = example;
    let about = about(example);
    let form = form.replace("<!-- origin -->", &xhtml_escape(origin));
    page(
        name,
        &format!(
            "<h1>{name}</h1>\n<p>{line}</p>\n\
             <p class=\"about\">{about}</p>\n{form}\n<script src=\"/try.js\"></script>"
        ),
    )
}

/// The files of an example.
pub fn source(example: &Example) -> String {
    let Example { name, .. } = example;
    let mut main = format!("<h1>The source of {name}</h1>\n");
    for (file, text) in example.sources {
        let text = xhtml_escape(text);
        let _ = write!(
            main,
            "<h2>examples/{name}/src/{file}</h2>\n\
             <pre tabindex=\"0\" role=\"region\" aria-label=\"{file}\"><code>{text}</code></pre>\n"
        );
    }
    let page_of = example.page();
    let _ = write!(main, "<p><a href=\"{page_of}\">Try {name}</a></p>");
    page(&format!("The source of {name}"), &main)
}

/// Its routes, the chapter that it is from, and its source.
fn about(example: &Example) -> String {
    let routes = example.routes.iter();
    let routes: String = routes
        .map(|route| format!("<code>{route}</code> "))
        .collect();
    let (guide, chapter) = example.chapter;
    let name = example.name;
    let language = if guide == TORNADO { "en" } else { "zh" };
    format!(
        "<span>{routes}</span> <cite lang=\"{language}\">{guide}: {chapter}</cite> \
         <a href=\"/source/{name}\">Source<span class=\"hidden\"> of {name}</span></a>"
    )
}

fn page(title: &str, main: &str) -> String {
    include_str!("page.html")
        .replace("<!-- title -->", title)
        .replace("<!-- main -->", main)
}
