//! Tornado's decorator `@authenticated`: who is not logged in is sent to the page where that is done.

use anyhow::ensure;
use http::Method;

use crate::escape::url_escape;
use crate::result::Result;
use crate::web::context::Context;
use crate::web::error::HttpError;
use crate::web::handler::RequestHandler;

/// Whether the request was answered, because nobody is logged in: what `#[authenticated]` does.
pub async fn send_to_login<H: RequestHandler>(handler: &mut H, cx: &Context) -> Result<bool> {
    if handler.current_user(cx).await?.is_some() {
        return Ok(false);
    }
    let request = cx.request();
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD);
    ensure!(is_page, HttpError::new(403));
    let url = handler.get_login_url(cx)?;
    if url.contains('?') {
        cx.redirect(&url)?;
        return Ok(true);
    }
    // A page elsewhere has to know the whole address.
    let next = match url.contains("://") {
        true => request.full_url(),
        false => request.uri().to_owned(),
    };
    cx.redirect(&format!("{url}?next={}", url_escape(next, true)))?;
    Ok(true)
}
