//! Streams of handlers to other servers: what is granted, the reads and the writes, TLS, limits, and the end. The servers
//! are the test's own, on loopback.

mod grants;
mod rebinding;
mod spellings;
mod streams;

use std::net::SocketAddr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{App, Running, guest, soon};

const FILE: &str = "tcp_client.wasm";

/// How the guest dials: by the SDK, the standard library, and WASI 0.2 and 0.3 as they are.
const WAYS: [&str; 4] = ["SDK", "std", "0.2", "0.3"];

/// The guest that opens what it is told to, granted these servers. `keys` are in its table.
fn app(grants: &[String], keys: &str) -> App {
    App::new()
        .handler(FILE, guest("tcp_client"))
        .config(&format!(
            "[component.{FILE:?}]\ninstances = 1\nallow = {{ tcp = {grants:?} }}\n{keys}\n"
        ))
}

/// The path of a request in which the guest opens this server, and takes these steps. `more` is in its query, too.
fn talk(host: &str, port: u16, more: &str, steps: &[&str]) -> String {
    let steps: String = steps
        .iter()
        // Of an argument the ends are stripped.
        .map(|step| step.replace('\r', "\\r").replace('\n', "\\n"))
        .map(|step| format!("&do={}", encoded(&step)))
        .collect();
    format!("/talk?host={}&port={port}{more}{steps}", json(host))
}

/// A host for the guest. In JSON also its ends and its control characters come through.
fn json(host: &str) -> String {
    encoded(&Value::from(host).to_string())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The path of a request in which the guest dials this server, sends a line, and tells what comes back.
fn dial(by: &str, host: &str, port: u16) -> String {
    format!("/dial?by={by}&host={}&port={port}", json(host))
}

/// What it tells then.
async fn dialled(app: &Running, by: &str, host: &str, port: u16) -> Value {
    soon(told(app, &dial(by, host, port))).await
}

/// What the guest tells.
async fn told(app: &Running, path: &str) -> Value {
    let answer = app.get(path).await;
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{path}: {answer:?}"))
}

/// A server on loopback, which does this with each stream.
async fn serve<F>(each: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(each(stream));
        }
    });
    address
}

/// Sends back what comes, until its end.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let (mut reader, mut writer) = split(&mut stream);
    // A client that is gone is no fault of the server's.
    let _ = tokio::io::copy(&mut reader, &mut writer).await;
    let _ = writer.shutdown().await;
}
