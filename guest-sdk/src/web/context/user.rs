//! What is known of the user of a request, and where a login leads. Asks nobody.

use std::any::Any;
use std::rc::Rc;

use anyhow::Context as _;

use crate::result::Result;
use crate::runtime::bindings::waterspout::web::application;
use crate::web::context::Context;

/// The user as it was told, of the handler's type.
pub(super) type Asked = Option<Rc<dyn Any>>;

impl Context {
    /// The user, once it was asked for. `None`: it was not, or by a base whose users are of another type.
    pub(crate) fn known_user<T: 'static>(&self) -> Option<Option<Rc<T>>> {
        match self.user.get()? {
            None => Some(None),
            Some(user) => user.clone().downcast().ok().map(Some),
        }
    }

    /// Keeps what was told of the user.
    pub(crate) fn keep_user<T: 'static>(&self, user: Option<T>) -> Option<Rc<T>> {
        let user = user.map(Rc::new);
        let any = user.clone().map(|user| user as Rc<dyn Any>);
        let _ = self.user.set(any);
        user
    }

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
