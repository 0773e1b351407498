//! `sockets`: what the server does with WebSockets, as a client of it sees that, frame by frame.

mod events;
mod examples;
mod handshake;
mod limits;
mod many;
mod moves;
mod protocol;
mod shutdown;
mod sleep;
mod topics;
mod unread;

use serde_json::{Value, json};

use crate::harness::{App, Running, Ws, guest};

const FILE: &str = "sockets.wasm";

/// An app with the guest `sockets`, under these rules for it.
fn app(rules: &str) -> App {
    App::new()
        .handler(FILE, guest("sockets"))
        .config(&format!("[component.{FILE:?}]\n{rules}\n"))
}

async fn serve(rules: &str) -> Running {
    app(rules).serve().await
}

/// One instance, whose log is the same for all requests, whichever settings there are.
const ONE: &str = "instances = 1";

async fn connect(server: &Running, path: &str) -> Ws {
    Ws::connect(server.address, path).await
}

/// Sends a message, and waits until it is sent back.
async fn echoed(ws: &mut Ws, text: &str) {
    ws.send_text(text).await;
    ws.expect_text(text).await;
}

/// The log of the instance, once it has this line.
async fn logged(server: &Running, line: &str) -> Vec<String> {
    let log = server
        .until_json("/log", |log| lines(log).iter().any(|other| other == line))
        .await;
    lines(&log)
}

fn lines(log: &Value) -> Vec<String> {
    let lines = log.as_array().expect("an array").iter();
    lines
        .map(|line| line.as_str().expect("a text").to_owned())
        .collect()
}

/// What the socket's object has seen so far.
async fn seen(ws: &mut Ws) -> Value {
    ws.send_text("seen").await;
    let frame = ws.next().await;
    serde_json::from_slice(&frame.payload).unwrap_or_else(|_| panic!("no JSON: {frame:?}"))
}

/// Waits until so many sockets are open.
async fn until_open(server: &Running, file: &str, count: u64) {
    server.until_count(file, "sockets", count).await;
}

/// Publishes a text, and returns how many have heard it.
async fn publish(server: &Running, topic: &str, text: &str) -> Value {
    let answer = server
        .request(&format!("POST /publish/{topic}"), "", text)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    json!(answer.body.parse::<u64>().expect("a number"))
}
