//! Those of `etags.py`.

use waterspout_sdk::prelude::*;

#[derive(Default)]
pub struct Tagged;

#[handler]
#[route("/tagged")]
impl RequestHandler for Tagged {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_etag(match cx.get_query_argument("kind")?.as_str() {
            "own" => Some("\"own\""),
            "weak" => Some("W/\"weak\""),
            "comma" => Some("\"a,b\""),
            _ => None,
        })?;
        cx.set_header("X-Kept", "1")?;
        cx.set_header("Content-Language", "en")?;
        cx.write("the body")
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}

#[derive(Default)]
pub struct Hashed;

#[handler]
#[route("/hashed")]
impl RequestHandler for Hashed {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("the ")?;
        cx.write(cx.get_query_argument_or("text", "body")?)
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}

#[derive(Default)]
pub struct Untagged;

#[handler]
#[route("/untagged/([0-9]+)")]
impl RequestHandler for Untagged {
    async fn get(&mut self, cx: &Context) -> Result {
        let status = cx.path_arg(0)?;
        if status == 400 {
            bail!(HttpError::new(status));
        }
        cx.set_status(status);
        match status {
            204 | 304 => Ok(()),
            _ => cx.write("the body"),
        }
    }
}
