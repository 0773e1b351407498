//! Answers with everything that can be asked of a request, as JSON. Tests of `request` compare it with what they sent.
//!
//! The body is read whole, or piece by piece with `?read=chunks`, or not at all with `?read=nothing`. A path that
//! goes on after `/echo/` brings path arguments, one after `/echo-named/` named ones.

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;
use waterspout_sdk::web::Arguments;

#[derive(Default)]
struct Echo;

#[handler]
#[route("/echo", name = "echo")]
#[route("/echo/([^/]+)(?:/([^/]+))?", name = "echo-two")]
#[route("/echo-named/(?P<first>[^/]+)(?:/(?P<second>[^/]+))?")]
impl RequestHandler for Echo {
    async fn get(&mut self, cx: &Context) -> Result {
        echo(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        echo(cx).await
    }

    async fn put(&mut self, cx: &Context) -> Result {
        echo(cx).await
    }

    async fn patch(&mut self, cx: &Context) -> Result {
        echo(cx).await
    }

    async fn delete(&mut self, cx: &Context) -> Result {
        echo(cx).await
    }
}

async fn echo(cx: &Context) -> Result {
    let mut chunks = Vec::new();
    let body = match cx.get_query_argument_or("read", "")?.as_str() {
        "chunks" => {
            let mut body = Vec::new();
            while let Some(chunk) = cx.request().body_chunk().await? {
                chunks.push(chunk.len());
                body.extend(chunk);
            }
            body
        }
        "nothing" => Vec::new(),
        _ => cx.request().body().await?.to_vec(),
    };
    let body_arguments = if chunks.is_empty() {
        pairs(cx.request().body_arguments().await?)
    } else {
        Value::Null
    };
    let request = cx.request();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| [name.as_str().into(), text(value.as_bytes())]);
    let cookies = request
        .cookies()
        .iter()
        .map(|cookie| [cookie.name(), cookie.value_trimmed()]);
    let echo = json!({
        "method": request.method().as_str(),
        "uri": request.uri(),
        "path": request.path(),
        "query": request.query(),
        "version": request.version(),
        "protocol": request.protocol(),
        "host": request.host(),
        "remote_ip": request.remote_ip(),
        "headers": headers.collect::<Vec<_>>(),
        "cookies": cookies.collect::<Vec<_>>(),
        "query_arguments": pairs(request.query_arguments()),
        "body_arguments": body_arguments,
        "path_args": cx.path_args(),
        "path_kwargs": cx.path_kwargs(),
        "settings": cx.settings::<Value>()?,
        "body": text(&body),
        "chunks": chunks,
    });
    cx.write_json(&echo)
}

fn pairs(arguments: &Arguments) -> Value {
    arguments
        .iter()
        .map(|(name, value)| json!([name, text(value)]))
        .collect()
}

/// A byte that is no UTF-8 becomes U+FFFD.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

export!(Echo);
