//! Those of `streams.py`.

use serde_json::json;
use waterspout_sdk::prelude::*;

use crate::show;

#[derive(Default)]
pub struct Flushed;

#[handler]
#[route("/flushed")]
impl RequestHandler for Flushed {
    async fn get(&mut self, cx: &Context) -> Result {
        run(cx).await
    }

    async fn head(&mut self, cx: &Context) -> Result {
        run(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        run(cx).await
    }
}

async fn run(cx: &Context) -> Result {
    for step in cx.get_query_arguments("do")? {
        let (name, value) = step.split_once(':').unwrap_or((&step, ""));
        match name {
            "write" => cx.write(value)?,
            "flush" => cx.flush().await?,
            "status" => cx.set_status(value.parse()?),
            "length" => cx.set_header("Content-Length", value)?,
            "type" => cx.set_header("Content-Type", value)?,
            "cookie" => cx.set_cookie(("a", value))?,
            "etag" => cx.set_header("Etag", value)?,
            _ => cx.finish()?,
        }
    }
    Ok(())
}

#[derive(Default)]
pub struct Started;

#[handler]
#[route("/started")]
impl RequestHandler for Started {
    async fn prepare(&mut self, cx: &Context) -> Result {
        cx.set_header("X-A", "1")?;
        cx.write("before ")?;
        cx.flush().await
    }

    async fn get(&mut self, cx: &Context) -> Result {
        run(cx).await
    }

    async fn head(&mut self, cx: &Context) -> Result {
        run(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        run(cx).await
    }
}

#[derive(Default)]
pub struct Received {
    notes: Vec<&'static str>,
    bytes: usize,
}

#[handler]
#[route("/received")]
#[stream_request_body]
impl RequestHandler for Received {
    async fn prepare(&mut self, cx: &Context) -> Result {
        self.notes.push("prepare");
        if let Ok(most) = cx.get_query_argument("most") {
            cx.request().set_max_body_size(most.parse()?);
        }
        match cx.request().query().starts_with("redirect") {
            true => cx.redirect("/elsewhere"),
            false => Ok(()),
        }
    }

    async fn data_received(&mut self, _: &Context, chunk: Bytes) -> Result {
        self.bytes += chunk.len();
        Ok(())
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.notes.push("post");
        let arguments = cx.request().body_arguments().await?;
        let mut arguments: Vec<_> = arguments.iter().map(|(name, _)| name).collect();
        arguments.sort_unstable();
        let body = cx.request().body().await?.len();
        show(cx, &json!([self.notes, self.bytes, body, arguments]))
    }

    async fn put(&mut self, cx: &Context) -> Result {
        self.post(cx).await
    }
}
