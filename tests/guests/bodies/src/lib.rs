//! Takes bodies as they arrive. Tests of `request_body` see in what order, how many bytes, and what is refused.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::poll;
use serde_json::{Value, json};
use waterspout_sdk::prelude::*;
use waterspout_sdk::web::Request;

/// Writes down what happens to it.
#[derive(Default)]
struct Received {
    notes: Vec<String>,
    bytes: usize,
}

#[handler]
#[route("/received")]
#[stream_request_body]
impl RequestHandler for Received {
    fn initialize(&mut self, _: &Context, _: Kwargs) -> Result {
        self.note("initialize")
    }

    async fn prepare(&mut self, cx: &Context) -> Result {
        self.note("prepare")?;
        limit(cx)?;
        match cx.get_query_argument_or("in", "")?.as_str() {
            "prepare" => cx.redirect("/elsewhere"),
            _ => Ok(()),
        }
    }

    async fn data_received(&mut self, cx: &Context, chunk: Bytes) -> Result {
        if self.bytes == 0 {
            self.note("data_received")?;
        }
        self.bytes += chunk.len();
        match cx.get_query_argument_or("in", "")?.as_str() {
            "data_received" => {
                cx.write("enough")?;
                cx.finish()
            }
            "error" => bail!(HttpError::new(418)),
            _ => Ok(()),
        }
    }

    async fn get(&mut self, cx: &Context) -> Result {
        self.note("get")?;
        self.tell(cx).await
    }

    async fn put(&mut self, cx: &Context) -> Result {
        self.note("put")?;
        self.tell(cx).await
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        self.note("write_error")?;
        cx.write(format!("{}: {}", failure.status(), self.notes.join(" ")))
    }
}

impl Received {
    fn note(&mut self, what: &str) -> Result {
        self.notes.push(what.to_owned());
        Ok(())
    }

    async fn tell(&self, cx: &Context) -> Result {
        let body = cx.request().body().await?.len();
        cx.write_json(&json!({
            "notes": self.notes,
            "bytes": self.bytes,
            "body": body,
            "arguments": cx.request().body_arguments().await?.iter().count(),
        }))
    }
}

fn limit(cx: &Context) -> Result {
    if let Ok(bytes) = cx.get_query_argument("max") {
        cx.request().set_max_body_size(bytes.parse()?);
    }
    if let Ok(ms) = cx.get_query_argument("ms") {
        cx.request()
            .set_body_timeout(Duration::from_millis(ms.parse()?));
    }
    Ok(())
}

/// Counts, and tells what came after.
#[derive(Default)]
struct Counted;

#[handler]
#[route("/counted")]
impl RequestHandler for Counted {
    async fn prepare(&mut self, cx: &Context) -> Result {
        limit(cx)
    }

    async fn put(&mut self, cx: &Context) -> Result {
        let before = cx.request().trailers().len();
        let mut bytes = 0;
        match cx.get_query_argument_or("read", "")?.as_str() {
            "whole" => bytes = cx.request().body().await?.len(),
            "both" => {
                cx.request().body_chunk().await?;
                let whole = cx.request().body().await.map(<[u8]>::len);
                return cx.write(format!("{whole:?}"));
            }
            _ => {
                while let Some(chunk) = cx.request().body_chunk().await? {
                    bytes += chunk.len();
                }
            }
        }
        let trailers = cx.request().trailers();
        let trailers = trailers
            .iter()
            .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]));
        let trailers: Vec<Value> = trailers.collect();
        cx.write_json(&json!({ "bytes": bytes, "before": before, "trailers": trailers }))
    }
}

/// Takes a form apart while it arrives. With `?read=names` it leaves the parts unread.
#[derive(Default)]
struct Apart;

#[handler]
#[route("/parts")]
impl RequestHandler for Apart {
    async fn post(&mut self, cx: &Context) -> Result {
        let is_read = cx.get_query_argument_or("read", "")? != "names";
        let mut told = Vec::new();
        let mut parts = cx.request().parts()?;
        while let Some(mut part) = parts.next().await? {
            let (mut bytes, mut sum) = (0, 0u64);
            while is_read && let Some(chunk) = part.chunk().await? {
                bytes += chunk.len();
                sum += chunk.iter().copied().map(u64::from).sum::<u64>();
            }
            told.push(json!({
                "name": part.name(),
                "filename": part.filename(),
                "base_name": part.base_name(),
                "content_type": part.content_type(),
                "x": part.headers().get("x-a").is_some(),
                "bytes": bytes,
                "sum": sum,
            }));
        }
        cx.write_json(&told)
    }
}

/// Reads a body by reads that are dropped, each when the timer beside it is over. Pieces come while the instance
/// blocks: then both are ready, and the timer is asked first. With `?then=body` it asks for the whole after the
/// first that is dropped.
#[derive(Default)]
struct Late;

#[handler]
#[route("/late")]
impl RequestHandler for Late {
    async fn put(&mut self, cx: &Context) -> Result {
        let then_whole = cx.get_query_argument_or("then", "")? == "body";
        loop {
            let mut timer = pin!(sleep(Duration::from_millis(1)));
            let mut read = pin!(cx.request().body_chunk());
            let piece = match poll!(&mut read) {
                Poll::Ready(piece) => piece?,
                Poll::Pending => {
                    if poll!(&mut timer).is_ready() {
                        continue;
                    }
                    log::info!("a read waits");
                    std::thread::sleep(Duration::from_millis(20));
                    if then_whole {
                        break;
                    }
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
        cx.write(cx.request().body().await?)
    }
}

/// Reads as its query says, step by step: `/steps?prepare=leave_chunk&do=body`.
#[derive(Default)]
struct Steps;

#[handler]
#[route("/steps")]
impl RequestHandler for Steps {
    async fn prepare(&mut self, cx: &Context) -> Result {
        steps(cx, "prepare").await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        steps(cx, "do").await
    }
}

async fn steps(cx: &Context, of: &str) -> Result {
    let request = cx.request();
    for step in cx.get_query_argument_or(of, "")?.split_terminator(',') {
        match step {
            "body" => cx.write(request.body().await?)?,
            "chunks" => {
                while let Some(piece) = request.body_chunk().await? {
                    cx.write(piece)?;
                }
            }
            "leave_body" => leave(request.body()).await?,
            "leave_chunk" => leave(request.body_chunk()).await?,
            "two_bodies" => {
                let (one, two) = try_join!(request.body(), request.body())?;
                cx.write([one, b" ", two].concat())?;
            }
            "two_chunks" => {
                let (one, two) = try_join!(told(request), told(request))?;
                cx.write([one, two].concat())?;
            }
            "two_arguments" => {
                let (a, b) = try_join!(cx.get_body_argument("a"), cx.get_body_argument("b"))?;
                cx.write(format!("{a} {b}"))?;
            }
            "beside_one_that_stands_still" => {
                let mut read = pin!(request.body_chunk());
                assert!(poll!(&mut read).is_pending());
                log::info!("a read waits");
                cx.write(request.body().await?)?;
            }
            "then_less_time" => {
                let less = async {
                    request.set_body_timeout(Duration::from_millis(50));
                    Ok(())
                };
                try_join!(request.body(), less)?;
            }
            "then_less_room" => {
                let less = async {
                    request.set_max_body_size(9);
                    Ok(())
                };
                try_join!(request.body(), less)?;
            }
            "less_room" => request.set_max_body_size(9),
            "as_error" => match request.body().await {
                Ok(body) => cx.write(body)?,
                Err(error) => cx.write(error.to_string())?,
            },
            other => bail!("there is no step {other:?}"),
        }
    }
    Ok(())
}

/// Begins a read, looks away while what it waits for comes, and drops it.
async fn leave<T>(read: impl Future<Output = Result<T>>) -> Result {
    let mut read = pin!(read);
    if poll!(&mut read).is_ready() {
        bail!("it does not wait");
    }
    log::info!("a read waits");
    sleep(Duration::from_millis(100)).await;
    Ok(())
}

async fn told(request: &Request) -> Result<Vec<u8>> {
    log::info!("a read waits");
    Ok(request.body_chunk().await?.unwrap_or_default())
}

export!(Received, Counted, Apart, Late, Steps);
