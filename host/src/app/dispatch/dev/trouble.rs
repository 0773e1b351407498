//! The page that says why an app can't be served as it is. Needs nothing from elsewhere.

use http::{HeaderValue, Response, StatusCode, header};

use super::workbench::Trouble;
use super::{plain, script};
use crate::app::dispatch::Reply;

const PAGE: &str = include_str!("trouble.html");

/// The page for a browser, with the colours of the terminal. It reloads itself.
pub fn page(trouble: &Trouble, version: &str) -> Response<Reply> {
    let text = html(&trouble.text);
    // Text from elsewhere comes last, so that nothing is replaced inside of it.
    let page = PAGE
        .replace("@TITLE@", &trouble.title)
        .replace("@VERSION@", version)
        .replace("@SCRIPT@", script::TEXT)
        .replace("@TEXT@", &text);
    answer(trouble, "text/html; charset=UTF-8", page)
}

/// The text for other clients.
pub fn text(trouble: &Trouble) -> Response<Reply> {
    let text = anstream::adapter::strip_str(&trouble.text);
    let text = format!("{}\n\n{text}\n", trouble.title);
    answer(trouble, "text/plain; charset=UTF-8", text)
}

fn answer(trouble: &Trouble, content_type: &'static str, text: String) -> Response<Reply> {
    let mut response = plain(content_type, text.into());
    *response.status_mut() = trouble.status;
    if trouble.status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, soon);
    }
    response
}

fn html(text: &str) -> String {
    ansi_to_html::convert(text).unwrap_or_else(|_| {
        // Plain text has no colours.
        let plain = anstream::adapter::strip_str(text).to_string();
        ansi_to_html::Esc(&plain).to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn colours_are_kept_and_text_is_escaped() {
        assert_eq!(
            html("\x1b[1m\x1b[91merror\x1b[0m: <b>&"),
            "<b><span style='color:var(--bright-red,#f55)'>error</span></b>: &lt;b&gt;&amp;"
        );
        assert_eq!(html("\x1b[38;5;999m<\x1b[0m"), "&lt;");
    }
}
