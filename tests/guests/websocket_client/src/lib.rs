//! Opens the WebSocket that its query describes, does with it what the query says, and tells how that went.
//! `tests/websocket_client.rs` sees it.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;
use waterspout_sdk::websocket::{
    CompressionOptions, WebSocketClientConnection, WebSocketRequest, websocket_connect,
};

thread_local! {
    static KEPT: RefCell<Vec<WebSocketClientConnection>> = const { RefCell::new(Vec::new()) };
}

/// How long a message waits for room before it counts as one for which there is none.
const PATIENCE: Duration = Duration::from_millis(300);

/// The request that the query describes.
fn described(cx: &Context) -> Result<WebSocketRequest> {
    let mut request = WebSocketRequest::new(cx.get_query_argument("url")?);
    for header in cx.get_query_arguments("header")? {
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        request = request.with_header(name, value);
    }
    request = request.with_subprotocols(cx.get_query_arguments("subprotocol")?);
    if let Some(level) = number(cx, "level")? {
        let level = u8::try_from(level)?;
        request = request
            .with_compression_options(CompressionOptions::default().with_compression_level(level));
    }
    let millis = |name| -> Result<_> { Ok(number(cx, name)?.map(Duration::from_millis)) };
    if let Some(timeout) = millis("connect_timeout")? {
        request = request.with_connect_timeout(timeout);
    }
    if let Some(interval) = millis("ping_interval")? {
        request = request.with_ping_interval(interval);
    }
    if let Some(timeout) = millis("ping_timeout")? {
        request = request.with_ping_timeout(timeout);
    }
    if let Some(size) = number(cx, "max_message_size")? {
        request = request.with_max_message_size(usize::try_from(size)?);
    }
    Ok(request)
}

fn number(cx: &Context, name: &str) -> Result<Option<u64>> {
    let given = cx.get_query_argument_or(name, "")?;
    Ok(match given.is_empty() {
        true => None,
        false => Some(given.parse()?),
    })
}

/// What the steps in the query's `do` have led to, one after the other: `text:hello`, `binary:3` bytes, `read`, and more.
async fn done(cx: &Context, ws: &WebSocketClientConnection) -> Result<Vec<Value>> {
    let mut done = Vec::new();
    for step in cx.get_query_arguments("do")? {
        let (step, with) = step.split_once(':').unwrap_or((&step, ""));
        done.push(match step {
            "text" => told(ws.write_message(with).await),
            "text_of" => told(ws.write_message("x".repeat(with.parse()?)).await),
            "binary" => told(ws.write_message(vec![7; with.parse()?]).await),
            "read" => match ws.read_message().await? {
                None => Value::Null,
                Some(Message::Text(text)) if text.len() > 100 => json!({ "text_of": text.len() }),
                Some(Message::Text(text)) => json!({ "text": text }),
                Some(Message::Binary(bytes)) => json!({ "binary": bytes.len() }),
            },
            // Reads while it waits for something else, and gives that up.
            "glimpse" => match with_timeout(PATIENCE, ws.read_message()).await {
                Ok(message) => json!({ "came": message?.is_some() }),
                Err(_) => "nothing".into(),
            },
            // Sends back what comes, until there is no more.
            "echo" => {
                let mut echoed = 0;
                while let Some(message) = ws.read_message().await? {
                    match ws.write_message(message).await {
                        Ok(()) => echoed += 1,
                        Err(error) if error.is_closed() => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                echoed.into()
            }
            "fill" => {
                let mut sent = 0;
                let message = vec![7_u8; with.parse()?];
                while let Ok(written) =
                    with_timeout(PATIENCE, ws.write_message(message.clone())).await
                {
                    written?;
                    sent += 1;
                }
                sent.into()
            }
            "ping" => told(ws.ping(with)),
            "close" => {
                let (code, reason) = with.split_once(':').unwrap_or((with, ""));
                let code = code.parse().ok();
                told(ws.close(code, Some(reason).filter(|reason| !reason.is_empty())))
            }
            "closed" => json!([ws.close_code(), ws.close_reason()]),
            "keep" => {
                KEPT.with_borrow_mut(|kept| kept.push(ws.clone()));
                Value::Null
            }
            other => bail!("no step: {other}"),
        });
    }
    Ok(done)
}

fn told<E: std::fmt::Display>(result: Result<(), E>) -> Value {
    match result {
        Ok(()) => "ok".into(),
        Err(error) => error.to_string().into(),
    }
}

#[derive(Default)]
struct Talk;

#[handler]
#[route("/talk")]
impl RequestHandler for Talk {
    async fn get(&mut self, cx: &Context) -> Result {
        let ws = match websocket_connect(described(cx)?).await {
            Ok(ws) => ws,
            Err(error) => {
                let has_response = error.response.is_some();
                return cx.write_json(
                    &json!({ "code": error.code, "error": error.message, "response": has_response }),
                );
            }
        };
        let extensions = ws.headers().get("sec-websocket-extensions");
        let extensions = extensions.map(|value| String::from_utf8_lossy(value.as_bytes()));
        let subprotocol = ws.selected_subprotocol();
        let done = done(cx, &ws).await?;
        cx.write_json(
            &json!({ "subprotocol": subprotocol, "extensions": extensions, "done": done }),
        )
    }
}

/// Goes on with the one that was kept last.
#[derive(Default)]
struct Again;

#[handler]
#[route("/again")]
impl RequestHandler for Again {
    async fn get(&mut self, cx: &Context) -> Result {
        let kept = KEPT.with_borrow(|kept| kept.last().cloned());
        let ws = kept.context("none is kept")?;
        let done = done(cx, &ws).await?;
        cx.write_json(&json!({ "done": done }))
    }
}

export!(Talk, Again);
