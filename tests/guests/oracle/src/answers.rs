//! Those of `answers.py`.

use serde_json::json;
use waterspout_sdk::prelude::*;

#[derive(Default)]
pub struct Answers;

#[handler]
#[route("/answers/([a-z0-9_]+)")]
impl RequestHandler for Answers {
    fn set_default_headers(cx: &Context) -> Result {
        cx.set_header("X-Default", "default")
    }

    async fn get(&mut self, cx: &Context) -> Result {
        let what: String = cx.path_arg(0)?;
        match what.as_str() {
            "nothing" => Ok(()),
            "text" => cx.write("caf\u{e9} \u{20ac}"),
            "binary" => cx.write(b"\x00\xff\xfe"),
            "pieces" => {
                cx.write("one, ")?;
                cx.write("two, ")?;
                cx.write("three")?;
                cx.finish()
            }
            "json" => cx.write_json(&json!({"a": [1, null, true, "<b>"], "b": {"c": 1.5}})),
            "typed" => {
                cx.set_header("Content-Type", "text/plain; charset=ISO-8859-1")?;
                cx.write(b"caf\xe9")
            }
            "untyped" => {
                cx.clear_header("Content-Type");
                cx.write("no type")
            }
            "typed_json" => {
                cx.write_json(&json!({}))?;
                cx.set_header("Content-Type", "application/problem+json")
            }
            "headers" => headers(cx),
            "latin1" => cx.set_header("X-A", &b"caf\xe9"[..]),
            "cookies" => {
                cx.add_header("Set-Cookie", "a=1; Path=/")?;
                cx.add_header("Set-Cookie", "b=2; HttpOnly")
            }
            "cleared" => {
                cx.set_status(404);
                cx.set_header("X-A", "1")?;
                cx.write("lost")?;
                cx.clear();
                cx.write("kept")
            }
            "reasoned" => {
                cx.set_status_with_reason(200, "Very Well");
                Ok(())
            }
            "unknown" => {
                cx.set_status(299);
                Ok(())
            }
            "created" => {
                cx.set_status(201);
                cx.set_header("Location", "/answers/1")?;
                cx.write_json(&json!({"id": 1}))
            }
            "no_content" => {
                cx.set_status(204);
                Ok(())
            }
            "redirect_written" => {
                cx.write("go there")?;
                cx.redirect("/there")
            }
            _ => bail!("there is no {what}"),
        }
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}

fn headers(cx: &Context) -> Result {
    cx.set_header("X-A", "1")?;
    cx.set_header("x-a", "2")?;
    cx.add_header("X-A", "3")?;
    cx.set_header("X-Number", 7)?;
    cx.set_header("X-Empty", "")?;
    cx.set_header("X-Long", "y".repeat(500))?;
    cx.set_header("X-Default", "another")?;
    cx.add_header("X-Gone", "1")?;
    cx.clear_header("x-gone");
    cx.clear_header("X-Never");
    Ok(())
}

#[derive(Default)]
pub struct Redirects;

#[handler]
#[route("/redirect")]
impl RequestHandler for Redirects {
    async fn get(&mut self, cx: &Context) -> Result {
        let url = cx.get_query_argument("url")?;
        let is_permanent = cx.request().query_arguments().get("permanent").is_some();
        match cx.get_query_argument_or("status", "")?.parse() {
            Ok(status) => cx.redirect_with_status(&url, status),
            Err(_) if is_permanent => cx.redirect_permanent(&url),
            Err(_) => cx.redirect(&url),
        }
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}
