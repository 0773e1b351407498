//! Sets headers in all the ways there are. Tests of `outputs` see what becomes of them.

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

export!(Set, Defaults, Long);
