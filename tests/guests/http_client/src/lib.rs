//! Fetches whatever its query says, and tells how that went. `tests/http_client.rs` sees it.

use std::cell::Cell;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};
use futures_util::poll;
use serde_json::{Value, json};
use waterspout_sdk::httpclient::{StreamedResponse, fetch_streaming};
use waterspout_sdk::prelude::*;

thread_local! {
    static KEPT: Cell<Option<StreamedResponse>> = const { Cell::new(None) };
}

/// The request that the query describes.
fn described(cx: &Context) -> Result<HttpRequest> {
    let mut request = HttpRequest::new(cx.get_query_argument("url")?).with_raise_error(false);
    if let Some(method) = given(cx, "method")? {
        request = request.with_method(method);
    }
    for header in cx.get_query_arguments("header")? {
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        request = request.with_header(name, value);
    }
    if let Some(body) = given(cx, "body")? {
        request = request.with_body(body);
    }
    if let Some(auth) = given(cx, "auth")? {
        let (user, password) = auth.split_once(':').unwrap_or((&auth, ""));
        request = request.with_auth(user, password);
    }
    if let Some(ms) = given(cx, "connect_timeout")? {
        request = request.with_connect_timeout(Duration::from_millis(ms.parse()?));
    }
    if let Some(ms) = given(cx, "request_timeout")? {
        request = request.with_request_timeout(Duration::from_millis(ms.parse()?));
    }
    if let Some(most) = given(cx, "max_redirects")? {
        request = request.with_max_redirects(most.parse()?);
    }
    if let Some(most) = given(cx, "max_body_size")? {
        request = request.with_max_body_size(most.parse()?);
    }
    if given(cx, "follow")?.is_some_and(|follow| follow == "no") {
        request = request.with_follow_redirects(false);
    }
    if given(cx, "decompress")?.is_some_and(|decompress| decompress == "no") {
        request = request.with_decompress_response(false);
    }
    Ok(request)
}

fn given(cx: &Context, name: &str) -> Result<Option<String>> {
    Ok(Some(cx.get_query_argument_or(name, "")?).filter(|value| !value.is_empty()))
}

async fn told(request: HttpRequest) -> Value {
    match fetch(request).await {
        Ok(response) => {
            let headers = response.headers.iter();
            let headers = headers.map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into(),
                )
            });
            json!({
                "code": response.code,
                "body": response.text(),
                "headers": headers.collect::<serde_json::Map<_, _>>(),
                "url": response.effective_url,
            })
        }
        Err(error) => json!({ "code": error.code, "error": error.message }),
    }
}

#[derive(Default)]
struct One;

#[handler]
#[route("/one")]
impl RequestHandler for One {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write_json(&told(described(cx)?).await)
    }
}

/// All URLs at once.
#[derive(Default)]
struct Many;

#[handler]
#[route("/many")]
impl RequestHandler for Many {
    async fn get(&mut self, cx: &Context) -> Result {
        let urls = cx.get_query_arguments("url")?;
        let all = urls
            .into_iter()
            .map(|url| told(HttpRequest::new(url).with_raise_error(false)));
        cx.write_json(&join_all(all).await)
    }
}

/// The same URL twice, side by side.
#[derive(Default)]
struct Pair;

#[handler]
#[route("/pair")]
impl RequestHandler for Pair {
    async fn get(&mut self, cx: &Context) -> Result {
        let (one, other) = join(fetch(described(cx)?), fetch(described(cx)?)).await;
        cx.write(format!("{} {}", one?.code, other?.code))
    }
}

/// Reads a body to its end and keeps none of it.
#[derive(Default)]
struct Count;

#[handler]
#[route("/count")]
impl RequestHandler for Count {
    async fn get(&mut self, cx: &Context) -> Result {
        let request = described(cx)?.with_request_timeout(Duration::ZERO);
        let mut response = fetch_streaming(request).await?;
        let mut bytes = 0_u64;
        let ended = loop {
            match response.body_chunk().await {
                Ok(Some(piece)) => bytes += piece.len() as u64,
                Ok(None) => break "whole".to_owned(),
                Err(error) => break error.message,
            }
        };
        cx.write_json(&json!({ "code": response.code, "bytes": bytes, "ended": ended }))
    }
}

/// Has a response and reads none of it, until its request is over.
#[derive(Default)]
struct Hold;

#[handler]
#[route("/hold")]
impl RequestHandler for Hold {
    async fn get(&mut self, cx: &Context) -> Result {
        let response = fetch_streaming(described(cx)?).await?;
        log::info!("holding {}", response.code);
        sleep(Duration::from_secs(3600)).await;
        drop(response);
        Ok(())
    }
}

/// Sends a body as it makes it.
#[derive(Default)]
struct Upload;

#[handler]
#[route("/upload")]
impl RequestHandler for Upload {
    async fn get(&mut self, cx: &Context) -> Result {
        let pieces: usize = cx.get_query_argument("pieces")?.parse()?;
        let fails = given(cx, "fails")?.is_some();
        let request = described(cx)?.with_body_producer(move |mut body| async move {
            for _ in 0..pieces {
                body.write(vec![b'x'; 100_000]).await?;
            }
            ensure!(!fails, "nothing more to send");
            Ok(())
        });
        cx.write_json(&told(request).await)
    }
}

/// Reads a body by reads that are dropped, each when the timer beside it is over. Pieces come while the instance
/// blocks: then both are ready, and the timer is asked first.
#[derive(Default)]
struct Late;

#[handler]
#[route("/late")]
impl RequestHandler for Late {
    async fn get(&mut self, cx: &Context) -> Result {
        let mut response = fetch_streaming(described(cx)?).await?;
        loop {
            let mut timer = pin!(sleep(Duration::from_millis(1)));
            let mut read = pin!(response.body_chunk());
            let piece = match poll!(&mut read) {
                Poll::Ready(piece) => piece?,
                Poll::Pending => {
                    if poll!(&mut timer).is_ready() {
                        continue;
                    }
                    log::info!("a read waits");
                    std::thread::sleep(Duration::from_millis(20));
                    match select(timer, read).await {
                        Either::Left(_) => continue,
                        Either::Right((piece, _)) => piece?,
                    }
                }
            };
            match piece {
                Some(piece) => cx.write(piece)?,
                None => return Ok(()),
            }
        }
    }
}

/// Keeps the response of its URL for `/next`.
#[derive(Default)]
struct Keep;

#[handler]
#[route("/keep")]
impl RequestHandler for Keep {
    async fn get(&mut self, cx: &Context) -> Result {
        let response = fetch_streaming(described(cx)?).await?;
        KEPT.set(Some(response));
        cx.write("kept")
    }
}

/// `?ms=N`: the next piece of the response that is kept, `none` within that time, or `the end`.
#[derive(Default)]
struct Next;

#[handler]
#[route("/next")]
impl RequestHandler for Next {
    async fn get(&mut self, cx: &Context) -> Result {
        let within = Duration::from_millis(cx.get_query_argument("ms")?.parse()?);
        let mut response = KEPT.take().context("none is kept")?;
        let read = with_timeout(within, response.body_chunk()).await;
        KEPT.set(Some(response));
        match read {
            Ok(piece) => cx.write(piece?.unwrap_or_else(|| b"the end".to_vec())),
            Err(_) => cx.write("none"),
        }
    }
}

export!(One, Many, Pair, Count, Hold, Upload, Late, Keep, Next);
