//! The cookies of a request and of its response, as a handler asks for them and sets them.

use cookie::Cookie;
use cookie::time::{Duration, OffsetDateTime};

use crate::result::Result;
use crate::web::context::Context;
use crate::web::cookies::{is_name, line};

impl Context {
    /// The value of a cookie of the request, without quotes and escapes; the last one where the name was sent twice.
    /// What [`set_cookie`](Self::set_cookie) sets is not there before the next request.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// cx.write(cx.get_cookie("theme").unwrap_or("light"))
    /// # }
    /// ```
    pub fn get_cookie(&self, name: &str) -> Option<&str> {
        self.request.cookie(name)
    }

    /// Sets a cookie, in place of one of the same name that was set before: a name and a value, or a [`Cookie`] with
    /// attributes. Its path is `/` where it has none; an empty one is left out. A value is quoted and escaped where it
    /// has to be, so that it can't bring attributes along. `SameSite=None` and `Partitioned` bring `Secure`, without
    /// which browsers drop the cookie; over plain HTTP they keep none that is `Secure`, but from `localhost`. It goes
    /// out with error pages too, and after [`clear`](Self::clear); with the page of an error that is no
    /// [`HttpError`](crate::HttpError) only where the handler has a
    /// [`write_error`](crate::RequestHandler::write_error).
    ///
    /// An error where the name is no token of HTTP or, like `Path`, that of an attribute; where the value has a space
    /// or a control character; where domain or path have one, or a `;`. These are Tornado's rules.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// use waterspout_sdk::cookie::{Cookie, SameSite, time::Duration};
    ///
    /// cx.set_cookie(("theme", "dark"))?;
    /// let session = Cookie::build(("session", "0a1b2c"))
    ///     .max_age(Duration::days(30))
    ///     .http_only(true)
    ///     .secure(true)
    ///     .same_site(SameSite::Lax);
    /// cx.set_cookie(session)
    /// # }
    /// ```
    pub fn set_cookie<'c>(&self, cookie: impl Into<Cookie<'c>>) -> Result {
        let cookie = cookie.into();
        let line = line(&cookie)?;
        self.response.borrow().refuse_late("set a cookie")?;
        self.response.borrow_mut().set_cookie(cookie.name(), line);
        Ok(())
    }

    /// Has the client forget a cookie: by its name, or a [`Cookie`] with the domain and the path that it was set with.
    /// Value, `max_age` and `expires` of it do not count.
    ///
    /// Fails as [`set_cookie`](Self::set_cookie) does.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// use waterspout_sdk::cookie::Cookie;
    ///
    /// cx.clear_cookie("theme")?;
    /// cx.clear_cookie(Cookie::build("session").domain("example.com").path("/app"))
    /// # }
    /// ```
    pub fn clear_cookie<'c>(&self, cookie: impl Into<Cookie<'c>>) -> Result {
        let mut cookie = cookie.into();
        cookie.set_value("");
        cookie.set_max_age(None::<Duration>);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        self.set_cookie(cookie)
    }

    /// Has the client forget all cookies that it sent, as far as they were set with no domain and the path `/`.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// cx.clear_all_cookies()?;
    /// cx.redirect("/")
    /// # }
    /// ```
    pub fn clear_all_cookies(&self) -> Result {
        let names = self.request.cookies().iter().map(Cookie::name);
        names
            .filter(|name| is_name(name))
            .try_for_each(|name| self.clear_cookie(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_name_is_sent_and_outlives_clear() {
        let cx = Context::of_test(1);
        cx.set_cookie(("a", "1")).unwrap();
        cx.set_cookie(("b", "2")).unwrap();
        cx.set_cookie(("a", "3")).unwrap();
        cx.clear();
        let response = cx.response.borrow_mut().take();
        let lines = response
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie");
        let lines: Vec<_> = lines.map(|(_, line)| line.as_slice()).collect();
        assert_eq!(lines, [&b"b=2; Path=/"[..], b"a=3; Path=/"]);
    }

    #[test]
    fn a_cookie_that_is_cleared_ends_in_the_past() {
        let cx = Context::of_test(1);
        cx.clear_cookie(
            Cookie::build(("a", "1"))
                .path("/b")
                .max_age(Duration::days(1)),
        )
        .unwrap();
        let response = cx.response.borrow_mut().take();
        let line = std::str::from_utf8(&response.headers[1].1).unwrap();
        assert_eq!(
            line,
            "a=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/b"
        );
    }
}
