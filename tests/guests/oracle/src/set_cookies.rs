//! Those of `set_cookies.py`.

use std::str::FromStr;

use waterspout_sdk::cookie::time::{Duration, OffsetDateTime};
use waterspout_sdk::cookie::{Cookie, CookieBuilder, SameSite};
use waterspout_sdk::prelude::*;

/// An argument as it was sent, so that control characters stay.
fn asked(cx: &Context, name: &str) -> Option<String> {
    let value = cx.request().query_arguments().get(name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn number<T: FromStr>(cx: &Context, name: &str) -> Option<T> {
    asked(cx, name)?.parse().ok()
}

/// The cookie that the query describes, but for what does not count when it is cleared.
fn cookie(cx: &Context) -> CookieBuilder<'static> {
    let name = asked(cx, "name").unwrap_or_default();
    let mut cookie = Cookie::build((name, asked(cx, "value").unwrap_or_default()));
    if let Some(domain) = asked(cx, "domain") {
        cookie = cookie.domain(domain);
    }
    if let Some(path) = asked(cx, "path") {
        cookie = cookie.path(path);
    }
    if let Some(same_site) = asked(cx, "samesite") {
        cookie = cookie.same_site(match same_site.as_str() {
            "Strict" => SameSite::Strict,
            "Lax" => SameSite::Lax,
            _ => SameSite::None,
        });
    }
    cookie.secure(asked(cx, "secure").is_some())
}

#[derive(Default)]
pub struct Sets;

#[handler]
#[route("/set")]
impl RequestHandler for Sets {
    async fn get(&mut self, cx: &Context) -> Result {
        let mut cookie = cookie(cx).http_only(asked(cx, "httponly").is_some());
        if let Some(seconds) = number(cx, "max_age") {
            cookie = cookie.max_age(Duration::seconds(seconds));
        }
        if let Some(seconds) = number(cx, "expires") {
            cookie = cookie.expires(OffsetDateTime::from_unix_timestamp(seconds)?);
        }
        cx.set_cookie(cookie)?;
        cx.write("set")
    }
}

#[derive(Default)]
pub struct Clears;

#[handler]
#[route("/clear")]
impl RequestHandler for Clears {
    async fn get(&mut self, cx: &Context) -> Result {
        match asked(cx, "name") {
            Some(_) => cx.clear_cookie(cookie(cx))?,
            None => cx.clear_all_cookies()?,
        }
        cx.write("cleared")
    }
}

#[derive(Default)]
pub struct Keeps;

#[handler]
#[route("/kept/([a-z_]+)")]
impl RequestHandler for Keeps {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_cookie(("a", "1"))?;
        match cx.path_arg::<String>(0)?.as_str() {
            "twice" => {
                cx.set_cookie(("b", "2"))?;
                cx.set_cookie(Cookie::build(("a", "3")).path("/b"))
            }
            "set_and_cleared" => cx.clear_cookie("a"),
            "beside_a_header" => cx.add_header("Set-Cookie", "b=2"),
            "cleared" => {
                cx.set_status(404);
                cx.clear();
                Ok(())
            }
            "failed" => bail!(HttpError::new(403)),
            "failed_with_message" => {
                let error = HttpError::new(418).with_reason("Teapot");
                bail!(error.with_message("said to the log"))
            }
            "sent" => cx.send_error(HttpError::new(404).with_reason("Elsewhere")),
            "redirected" => cx.redirect("/"),
            "no_content" => {
                cx.set_status(204);
                Ok(())
            }
            "not_read" => cx.write(cx.get_cookie("a").unwrap_or("nothing")),
            what => bail!("there is no {what}"),
        }
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}
