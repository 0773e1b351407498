//! Sets headers in all the ways there are. Tests of `outputs` see what becomes of them.

use std::time::Duration;

use waterspout_sdk::cookie::Cookie;
use waterspout_sdk::prelude::*;

/// Says in the query what is to be set to what.
#[derive(Default)]
struct Set;

#[handler]
#[route("/set")]
impl RequestHandler for Set {
    async fn get(&mut self, cx: &Context) -> Result {
        let arguments = cx.request().query_arguments();
        let value =
            String::from_utf8_lossy(arguments.get("value").unwrap_or_default()).into_owned();
        match cx.get_query_argument("call")?.as_str() {
            "set_header" => cx.set_header("X-A", &*value)?,
            "add_header" => cx.add_header("X-A", &*value)?,
            "name" => cx.set_header(&*value, "1")?,
            "etag" => cx.set_etag(Some(&value))?,
            "no etag" => cx.set_etag(None)?,
            "reason" => cx.set_status_with_reason(200, value),
            "error" => bail!(HttpError::new(400).with_reason(value)),
            "redirect" => return cx.redirect(&value),
            "send_error" => return cx.send_error(HttpError::new(400).with_reason(value)),
            "cookie" => cx.set_cookie(("a", value))?,
            "cookie name" => cx.set_cookie((value, "1"))?,
            "cookie domain" => cx.set_cookie(Cookie::build(("a", "1")).domain(value))?,
            "cookie path" => cx.set_cookie(Cookie::build(("a", "1")).path(value))?,
            "clear_cookie" => cx.clear_cookie(value)?,
            "clear_cookie domain" => cx.clear_cookie(Cookie::build("a").domain(value))?,
            "clear_cookie path" => cx.clear_cookie(Cookie::build("a").path(value))?,
            "clear_all_cookies" => cx.clear_all_cookies()?,
            other => bail!("there is no {other}"),
        }
        cx.write("set")
    }
}

/// Begins all its answers alike.
#[derive(Default)]
struct Defaults;

#[handler]
#[route("/defaults/(ok|error|cleared)")]
impl RequestHandler for Defaults {
    fn set_default_headers(cx: &Context) -> Result {
        cx.set_header("X-Default", "yes")?;
        cx.set_header("Content-Type", "text/plain")
    }

    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_header("X-Own", "yes")?;
        match cx.path_arg::<String>(0)?.as_str() {
            "error" => bail!(HttpError::new(403)),
            "cleared" => cx.clear(),
            _ => {}
        }
        cx.write("text")
    }
}

/// As long as it was told, and of that type.
#[derive(Default)]
struct Long;

#[handler]
#[route("/long/([0-9]+)/(.*)")]
impl RequestHandler for Long {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_header("Content-Type", cx.path_arg::<String>(1)?)?;
        cx.write("x".repeat(cx.path_arg(0)?))
    }
}

/// Says how long its body is, right or wrong: `/said/LENGTH/BODY`.
#[derive(Default)]
struct Said;

#[handler]
#[route("/said/([^/]*)/(.*)")]
impl RequestHandler for Said {
    async fn get(&mut self, cx: &Context) -> Result {
        self.head(cx).await?;
        cx.write(cx.path_arg::<String>(1)?)
    }

    async fn head(&mut self, cx: &Context) -> Result {
        cx.set_status(cx.get_query_argument_or("status", "200")?.parse()?);
        cx.set_header("Content-Length", cx.path_arg::<String>(0)?)
    }
}

/// Sets a cookie, and fails as it was not meant to. With a page of its own, and without.
#[derive(Default)]
struct Breaks;

#[handler]
#[route("/breaks")]
impl RequestHandler for Breaks {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_cookie(("a", "1"))?;
        bail!("an error")
    }
}

#[derive(Default)]
struct BreaksWithPage;

#[handler]
#[route("/breaks/page")]
impl RequestHandler for BreaksWithPage {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_cookie(("a", "1"))?;
        bail!("an error")
    }

    async fn write_error(&mut self, cx: &Context, _: &Failure) -> Result {
        cx.write("my page")
    }
}

/// Says how long it has been there, and waits before it as long as it is told, in milliseconds.
#[derive(Default)]
struct Timed;

#[handler]
#[route("/timed/([0-9]+)")]
impl RequestHandler for Timed {
    async fn get(&mut self, cx: &Context) -> Result {
        let before = cx.request().request_time();
        sleep(Duration::from_millis(cx.path_arg(0)?)).await;
        let after = cx.request().request_time();
        cx.write_json(&[before.as_secs_f64(), after.as_secs_f64()])
    }

    fn on_finish(&mut self, cx: &Context) -> Result {
        log::info!("timed for {:?}", cx.request().request_time());
        Ok(())
    }
}

export!(Set, Defaults, Long, Said, Breaks, BreaksWithPage, Timed);
