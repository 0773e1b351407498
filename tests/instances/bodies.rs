//! Bodies of requests: read whole or by pieces, in the memory that they may take.

use std::time::Duration;

use super::{serve, serve_with};
use crate::harness::{Client, Running, soon};

async fn begin(server: &Running, path: &str, framing: &str, body: &str) -> Client {
    let mut client = server.connect().await;
    client
        .send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}"
        ))
        .await;
    client
}

fn length(bytes: usize) -> String {
    format!("Content-Length: {bytes}")
}

const CHUNKED: &str = "Transfer-Encoding: chunked";

async fn body(mut client: Client) -> (u16, serde_json::Value) {
    let answer = soon(client.answer()).await;
    let echo: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    (answer.status, echo["body"].clone())
}

#[tokio::test]
async fn a_body_is_read_whole_or_by_pieces_however_it_is_framed() {
    let server = serve("echo", "").await;
    for path in ["/echo", "/echo?read=chunks"] {
        let sized = begin(&server, path, &length(11), "hello world").await;
        assert_eq!(body(sized).await, (200, "hello world".into()));
        let chunks = "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n";
        let chunked = begin(&server, path, CHUNKED, chunks).await;
        assert_eq!(body(chunked).await, (200, "hello world".into()));
        let empty = begin(&server, path, &length(0), "").await;
        assert_eq!(body(empty).await, (200, "".into()));
    }
}

#[tokio::test]
async fn a_piece_is_handed_on_as_it_arrives() {
    let server = serve("echo", "").await;
    let large = "x".repeat(300_000);
    let mut client = begin(&server, "/echo?read=chunks", CHUNKED, "5\r\nfirst\r\n").await;
    server.until_in_flight("echo.wasm", 1).await;
    client
        .send(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len()))
        .await;
    assert_eq!(body(client).await, (200, format!("first{large}").into()));
}

#[tokio::test]
async fn a_body_that_is_not_read_does_no_harm() {
    let server = serve("echo", "").await;
    let mut client = begin(&server, "/echo?read=nothing", &length(5), "hello").await;
    assert_eq!(soon(client.answer()).await.status, 200);
    assert_eq!(soon(client.get("/echo")).await.status, 200);
}

#[tokio::test]
async fn a_body_larger_than_max_body_size_is_a_413() {
    let server = serve_with("echo", "", "[server]\nmax_body_size = \"1KB\"").await;
    let sized = begin(&server, "/echo", &length(1025), "").await;
    assert_eq!(body(sized).await.0, 413);
    for path in ["/echo", "/echo?read=chunks"] {
        let mut body_ = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600));
        body_ = format!("{body_}{body_}0\r\n\r\n");
        let chunked = begin(&server, path, CHUNKED, &body_).await;
        assert_eq!(body(chunked).await.0, 413, "{path}");
    }
}

#[tokio::test]
async fn a_body_larger_than_body_memory_is_a_413_only_where_it_is_read_whole() {
    let server = serve("echo", "body_memory = \"64KB\"").await;
    let large = "x".repeat(70_000);
    let whole = begin(&server, "/echo", &length(large.len()), &large).await;
    assert_eq!(body(whole).await.0, 413);
    let pieces = begin(&server, "/echo?read=chunks", &length(large.len()), &large).await;
    assert_eq!(body(pieces).await, (200, large.into()));
}

/// Clients that have sent all but the last byte of such bodies.
async fn all_but_one_byte(server: &Running, text: &str, count: u64) -> Vec<Client> {
    let mut clients = Vec::new();
    for number in 1..=count {
        let sent = &text[1..];
        clients.push(begin(server, "/echo", &length(text.len()), sent).await);
        server.until_in_flight("echo.wasm", number).await;
    }
    clients
}

#[tokio::test]
async fn whole_bodies_past_body_memory_wait() {
    let server = serve("echo", "instances = 1\nbody_memory = \"64KB\"").await;
    let text = "x".repeat(40_000);
    // One has what there is, and one the reserve.
    let mut held = all_but_one_byte(&server, &text, 2).await;
    let mut third = begin(&server, "/echo", &length(text.len()), &text).await;
    server.until_in_flight("echo.wasm", 3).await;
    let early = tokio::time::timeout(Duration::from_millis(200), third.answer()).await;
    assert!(early.is_err(), "{early:?}");
    let mut first = held.remove(0);
    first.send("x").await;
    assert_eq!(body(first).await.0, 200);
    assert_eq!(body(third).await.0, 200);
    let mut second = held.remove(0);
    second.send("x").await;
    assert_eq!(body(second).await.0, 200);
}

#[tokio::test]
async fn bodies_that_wait_hold_up_no_small_one() {
    let server = serve("echo", "instances = 1\nbody_memory = \"64KB\"").await;
    let text = "x".repeat(40_000);
    let _held = all_but_one_byte(&server, &text, 4).await;
    let small = begin(&server, "/echo", &length(5), "small").await;
    assert_eq!(body(small).await, (200, "small".into()));
    let chunked = begin(&server, "/echo", CHUNKED, "5\r\nsmall\r\n0\r\n\r\n").await;
    assert_eq!(body(chunked).await, (200, "small".into()));
}

#[tokio::test]
async fn what_was_announced_and_has_not_come_takes_no_memory() {
    let server = serve("echo", "instances = 1\nbody_memory = \"64KB\"").await;
    let mut stalled = Vec::new();
    for _ in 0..10 {
        stalled.push(begin(&server, "/echo", &length(60_000), "x").await);
        stalled.push(begin(&server, "/echo", CHUNKED, "1\r\nx\r\n").await);
    }
    server.until_in_flight("echo.wasm", 20).await;
    let text = "x".repeat(60_000);
    let sized = begin(&server, "/echo", &length(text.len()), &text).await;
    assert_eq!(body(sized).await.0, 200);
    let chunks = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
    let chunked = begin(&server, "/echo", CHUNKED, &chunks).await;
    assert_eq!(body(chunked).await.0, 200);
}

#[tokio::test]
async fn body_memory_of_any_size_takes_the_largest_body() {
    for bytes in [1000, 100_001] {
        let server = serve("echo", &format!("body_memory = {bytes}")).await;
        let text = "x".repeat(bytes);
        let sized = begin(&server, "/echo", &length(bytes), &text).await;
        assert_eq!(body(sized).await.0, 200);
        let chunked = format!("{bytes:x}\r\n{text}\r\n0\r\n\r\n");
        let chunked = begin(&server, "/echo", CHUNKED, &chunked).await;
        assert_eq!(body(chunked).await.0, 200);
    }
}

#[tokio::test]
async fn body_memory_comes_back_from_those_that_leave() {
    let server = serve("echo", "instances = 1\nbody_memory = \"64KB\"").await;
    let text = "x".repeat(40_000);
    for _ in 0..20 {
        let leaving = begin(&server, "/echo", &length(text.len()), "some").await;
        server.until_in_flight("echo.wasm", 1).await;
        drop(leaving);
        server.until_in_flight("echo.wasm", 0).await;
    }
    let whole = begin(&server, "/echo", &length(text.len()), &text).await;
    assert_eq!(body(whole).await.0, 200);
}

#[tokio::test]
async fn a_late_body_is_a_408() {
    let server = serve_with("echo", "", "[server]\nbody_timeout = \"200ms\"").await;
    for path in ["/echo", "/echo?read=chunks"] {
        let late = begin(&server, path, &length(5), "hel").await;
        assert_eq!(body(late).await.0, 408, "{path}");
    }
}

#[tokio::test]
async fn a_malformed_chunk_is_a_400() {
    let server = serve("echo", "").await;
    for path in ["/echo", "/echo?read=chunks"] {
        let malformed = begin(&server, path, CHUNKED, "5\r\nhello\r\nnonsense\r\n").await;
        assert_eq!(body(malformed).await.0, 400, "{path}");
    }
}
