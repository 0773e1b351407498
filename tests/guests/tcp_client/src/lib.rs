//! Opens the stream that its query describes, does with it what the query says, and tells how that went; by the SDK, and by
//! a guest's own stack. `tests/tcp_client.rs` sees it.

mod wasi;

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};
use waterspout_sdk::gen_::{Either, select};
use waterspout_sdk::iostream::{IoStream, StreamError};
use waterspout_sdk::prelude::*;
use waterspout_sdk::tcpclient::TcpClient;

/// How long what may never come is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// The host, which is in the query as JSON: of an argument the ends are stripped, and some characters are replaced.
fn host(cx: &Context) -> Result<String> {
    Ok(serde_json::from_str(&cx.get_query_argument("host")?)?)
}

fn client(cx: &Context) -> Result<TcpClient> {
    let number = |name: &str| -> Result<Option<u64>> {
        let given = cx.get_query_argument_or(name, "")?;
        Ok(match given.is_empty() {
            true => None,
            false => Some(given.parse()?),
        })
    };
    let mut client = TcpClient::new();
    if let Some(timeout) = number("timeout")? {
        client = client.with_timeout(Duration::from_millis(timeout));
    }
    if let Some(bytes) = number("max_buffer_size")? {
        client = client.with_max_buffer_size(usize::try_from(bytes)?);
    }
    if number("tls")?.is_some() {
        client = client.with_tls();
    }
    Ok(client)
}

fn told<T>(result: Result<T, StreamError>, tell: impl FnOnce(T) -> Value) -> Value {
    result.map_or_else(|error| error.to_string().into(), tell)
}

/// A text, or how long it is.
fn text(bytes: Vec<u8>) -> Value {
    match bytes.len() {
        ..200 => String::from_utf8_lossy(&bytes).into(),
        length => json!({ "bytes": length }),
    }
}

fn ok((): ()) -> Value {
    "ok".into()
}

async fn done(stream: &IoStream, step: &str) -> Result<Value> {
    let step = step.replace("\\r", "\r").replace("\\n", "\n");
    let (step, with) = step.split_once(':').unwrap_or((&step, ""));
    let number = || with.parse::<usize>();
    Ok(match step {
        "write" => told(stream.write(with).await, ok),
        "write_of" => told(stream.write("x".repeat(number()?)).await, ok),
        "until" => told(stream.read_until(with).await, text),
        "within" => {
            let (most, delimiter) = with.split_once(':').unwrap_or_default();
            let read = stream.read_until_with_max_bytes(delimiter, most.parse()?);
            told(read.await, text)
        }
        // Up to the first digit.
        "match" => {
            let digit = |bytes: &[u8]| bytes.iter().position(u8::is_ascii_digit).map(|at| at + 1);
            told(stream.read_until_match(digit, number()?).await, text)
        }
        "bytes" => told(stream.read_bytes(number()?).await, text),
        "partial" => told(stream.read_bytes_partial(number()?).await, text),
        "into" => {
            let mut buffer = vec![0; number()?];
            let read = stream.read_into(&mut buffer).await;
            told(read, |()| text(buffer))
        }
        "into_partial" => {
            let mut buffer = vec![0; number()?];
            told(stream.read_into_partial(&mut buffer).await, |read| {
                json!(read)
            })
        }
        "rest" => told(stream.read_until_close().await, text),
        // Given up, and nothing is lost.
        "glimpse" => match with_timeout(PATIENCE, stream.read_until(with)).await {
            Ok(read) => told(read, text),
            Err(_) => "nothing".into(),
        },
        // As many as go within the time.
        "fill" => match with_timeout(PATIENCE, stream.write(vec![7; number()?])).await {
            Ok(written) => told(written, ok),
            Err(_) => "full".into(),
        },
        "end" => told(stream.close_writing().await, ok),
        "closed" => match with_timeout(PATIENCE * 10, stream.closed()).await {
            Ok(()) => "closed".into(),
            Err(_) => "open".into(),
        },
        // Whichever is first.
        "either" => match select(pin!(stream.read_until(with)), pin!(stream.closed())).await {
            Either::Left((read, _)) => told(read, text),
            Either::Right(((), _)) => "closed".into(),
        },
        "close" => {
            stream.close();
            stream.is_closed().into()
        }
        "tls" => told(stream.start_tls(with).await, ok),
        other => Err(anyhow!("no step {other:?}"))?,
    })
}

/// `/talk?host=…&port=…&do=…`: by the SDK.
#[derive(Default)]
struct Talk;

#[handler]
#[route("/talk")]
impl RequestHandler for Talk {
    async fn get(&mut self, cx: &Context) -> Result {
        let port = cx.get_query_argument("port")?.parse()?;
        let stream = match client(cx)?.connect(&host(cx)?, port).await {
            Ok(stream) => stream,
            Err(error) => return cx.write_json(&json!({ "error": error.to_string() })),
        };
        let mut all = Vec::new();
        for step in cx.get_query_arguments("do")? {
            all.push(done(&stream, &step).await?);
        }
        cx.write_json(&json!({
            "done": all,
            "remote": stream.remote_address(),
            "local": stream.local_address(),
        }))
    }
}

/// `/both?host=…&port=…&times=…`, with the host as it is: one task writes numbered lines, another reads them.
#[derive(Default)]
struct Both;

#[handler]
#[route("/both")]
impl RequestHandler for Both {
    async fn get(&mut self, cx: &Context) -> Result {
        let (host, port) = (
            cx.get_query_argument("host")?,
            cx.get_query_argument("port")?,
        );
        let times: u32 = cx.get_query_argument("times")?.parse()?;
        let stream = client(cx)?.connect(&host, port.parse()?).await?;
        let writer = stream.clone();
        spawn(async move {
            for number in 0..times {
                writer.write(format!("{number}\n")).await?;
            }
            Ok(())
        })?;
        for number in 0..times {
            let line = stream.read_until(b"\n").await?;
            ensure!(
                line == format!("{number}\n").as_bytes(),
                "{number}: {line:?}"
            );
        }
        cx.write(times.to_string())
    }
}

export!(Talk, Both, wasi::Dial);
