//! Who sends a request: asked once, and sent to the login page where nobody is known. Where a login leads afterwards.

use std::any::Any;
use std::rc::Rc;

use anyhow::{Context as _, ensure};
use http::Method;

use crate::escape::url_escape;
use crate::result::Result;
use crate::runtime::bindings::waterspout::web::application;
use crate::web::context::Context;
use crate::web::error::HttpError;
use crate::web::handler::RequestHandler;

/// The user as it was told, of the handler's type.
pub(super) type Asked = Option<Rc<dyn Any>>;

/// The user of a request, asked once.
pub(crate) async fn current<H: RequestHandler>(
    handler: &mut H,
    cx: &Context,
) -> Result<Option<Rc<H::User>>> {
    if cx.user.get().is_none() {
        let user = handler.get_current_user(cx).await?;
        let user = user.map(|user| Rc::new(user) as Rc<dyn Any>);
        let _ = cx.user.set(user);
    }
    let user = cx.user.get().cloned().flatten();
    // A base may have asked, whose users are of another type.
    match user.map(Rc::downcast).transpose() {
        Ok(user) => Ok(user),
        Err(_) => Ok(handler.get_current_user(cx).await?.map(Rc::new)),
    }
}

/// Whether the request was answered, because nobody is logged in: what `#[authenticated]` does.
pub async fn send_to_login<H: RequestHandler>(handler: &mut H, cx: &Context) -> Result<bool> {
    if current(handler, cx).await?.is_some() {
        return Ok(false);
    }
    let is_page = matches!(*cx.request.method(), Method::GET | Method::HEAD);
    ensure!(is_page, HttpError::new(403));
    let url = handler.get_login_url(cx)?;
    if url.contains('?') {
        cx.redirect(&url)?;
        return Ok(true);
    }
    // A page elsewhere has to know the whole address.
    let next = match url.contains("://") {
        true => cx.request.full_url(),
        false => cx.request.uri().to_owned(),
    };
    cx.redirect(&format!("{url}?next={}", url_escape(next, true)))?;
    Ok(true)
}

impl Context {
    /// `[settings] login_url`.
    pub(crate) fn login_url(&self) -> Result<String> {
        application::login_url(self.request.number()).context(
            "You must define the 'login_url' setting to use #[authenticated]: in waterspout.toml, \
             `[settings] login_url = \"/login\"`",
        )
    }

    /// Whether the user was asked for and is known.
    pub(super) fn knows_user(&self) -> bool {
        self.user.get().is_some_and(Option::is_some)
    }

    /// Where a login leads: the argument `next`, which `#[authenticated]` has added to the address of the login page, from
    /// the query or a form; `default` where it is absent, or leads to another site. A link with a `next` of somebody else
    /// so takes nobody away.
    ///
    /// Fails as [`get_argument`](Self::get_argument) does.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// cx.set_signed_cookie(("user", "ben"))?;
    /// cx.redirect(&cx.get_next_url("/").await?)
    /// # }
    /// ```
    pub async fn get_next_url(&self, default: &str) -> Result<String> {
        let next = self.get_argument_or("next", "").await?;
        let own = format!("{}://{}", self.request.protocol(), self.request.host());
        Ok(match local(&next, &own) {
            true => next,
            false => default.to_owned(),
        })
    }
}

/// Whether an address stays on this site, whatever a browser makes of it: it drops control characters, and takes `\` for `/`
/// (WHATWG URL, section 4.4). `own`: scheme and authority of this site.
fn local(url: &str, own: &str) -> bool {
    if url.chars().any(|char| char.is_control() || char == '\\') {
        return false;
    }
    let path = match url.get(..own.len()) {
        Some(origin) if origin.eq_ignore_ascii_case(own) => &url[own.len()..],
        _ => url,
    };
    path.starts_with('/') && !path.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_no_other_site() {
        let own = "https://example.com";
        for url in [
            "/",
            "/a?b=c#d",
            "/a//b",
            "https://example.com/a",
            "HTTPS://EXAMPLE.COM/",
        ] {
            assert!(local(url, own), "{url}");
        }
        for url in [
            "",
            "a",
            "?a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "\n//evil.example",
            " //evil.example",
            "https://evil.example/",
            "https://example.com.evil.example/",
            "https://example.com@evil.example/",
            "https://example.com",
            "https://example.com//evil.example",
            "http://example.com/",
            "javascript:alert(1)",
            "https:/evil.example",
            "https:evil.example",
        ] {
            assert!(!local(url, own), "{url}");
        }
    }
}
