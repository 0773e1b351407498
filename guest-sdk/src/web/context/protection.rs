//! The token that a handler's forms bring back, so that no page of another site can send them.

use http::HeaderValue;

use crate::escape::xhtml_escape;
use crate::result::Result;
use crate::runtime::bindings::waterspout::web::protection;
use crate::web::context::Context;

impl Context {
    /// The token for forms and scripts of this page. Tornado's
    /// [`xsrf_token`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.xsrf_token).
    ///
    /// With `[settings] xsrf_cookies`, the host refuses each request but GET, HEAD and OPTIONS that does not bring it: in
    /// the field `_xsrf` of a form, or in the header `X-Xsrftoken`. The first call sets a cookie, where the client has
    /// none. It lasts for 30 days where the user is known by then, and else as long as the browser runs, unless
    /// `xsrf_cookie_kwargs` says for how long.
    ///
    /// An error where the cookie can't be set, because the response has begun.
    pub fn xsrf_token(&self) -> Result<&str> {
        if let Some(token) = self.xsrf_token.get() {
            return Ok(token);
        }
        let made = protection::xsrf_token(self.request.number(), self.knows_user());
        if let Some(line) = made.set_cookie {
            self.response.borrow().refuse_late("set a cookie")?;
            let name = line.split_once('=').map_or("", |(name, _)| name);
            let value = HeaderValue::from_str(&line)?;
            self.response.borrow_mut().set_cookie(name, value);
        }
        Ok(self.xsrf_token.get_or_init(|| made.text))
    }

    /// The hidden field of a form, with [`xsrf_token`](Self::xsrf_token).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// let field = cx.xsrf_form_html()?;
    /// cx.write(format!(r#"<form method="post">{field}<button>Send</button></form>"#))
    /// # }
    /// ```
    pub fn xsrf_form_html(&self) -> Result<String> {
        let token = xhtml_escape(self.xsrf_token()?);
        Ok(format!(
            r#"<input type="hidden" name="_xsrf" value="{token}"/>"#
        ))
    }
}
