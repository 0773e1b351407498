//! What the examples of `examples/` answer where Tornado's record, in `oracle.rs`, has nothing to compare.

use serde_json::Value;

use crate::harness::{Answer, App, Client, Running, example, soon};
use crate::harness::{App, Running, example, soon};

#[tokio::test]
async fn json_that_is_none_is_the_client_s_fault_and_it_hears_why() {
    let server = App::new()
        .handler("json.wasm", example("json"))
        .serve()
        .await;
    let json = "Content-Type: application/json\r\n";
    for method in ["POST", "PUT"] {
        let line = format!("{method} /json");
        let answer = server.request(&line, json, "{\"a\":1").await;
        let message = r#"{"error":"Invalid JSON: EOF while parsing an object at line 1 column 6"}"#;
        assert_eq!((answer.status, &*answer.body), (400, message), "{method}");
    }
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

async fn chat() -> Running {
    App::new()
        .handler("chat.wasm", example("chat"))
        .config("[handler.\"chat.wasm\"]\ndeadline = \"off\"")
#[tokio::test]
async fn each_chunk_is_sent_while_the_next_is_on_its_way() {
    let server = App::new()
        .handler("interleave.wasm", example("interleave"))
        .serve()
        .await;
    let mut client = server.send("GET /interleave").await;
    client.head().await;
    for number in 1..=3 {
        assert_eq!(soon(client.chunk()).await, format!("chunk {number}\n"));
    }
    assert_eq!(soon(client.chunk()).await, "");
}

async fn stream() -> Running {
    App::new()
        .handler("stream.wasm", example("stream"))
        .config("[handler.\"stream.wasm\"]\nmax_body_size = \"2GB\"\n")
        .serve()
        .await
}

/// Asks for what came after this message, and does not wait for the answer.
async fn poll(server: &Running, cursor: &str) -> Client {
    let mut client = server.connect().await;
    let body = format!("cursor={cursor}");
    let length = body.len();
    let head = format!("Host: a\r\n{FORM}Content-Length: {length}");
    client
        .send(format!(
            "POST /a/message/updates HTTP/1.1\r\n{head}\r\n\r\n{body}"
        ))
        .await;
    client
}

fn messages(answer: &Answer) -> Vec<Value> {
    let updates: Value = serde_json::from_str(&answer.body).expect("JSON");
    updates["messages"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn what_one_says_in_the_chat_all_hear_who_wait() {
    let server = chat().await;
    let mut waiting = Vec::new();
    for _ in 0..200 {
        waiting.push(poll(&server, "").await);
    }
    server.until_in_flight("chat.wasm", 200).await;
    let said = server
        .request("POST /a/message/new", FORM, "body=%3Cb%3E+%26+co")
        .await;
    let said: Value = serde_json::from_str(&said.body).expect("JSON");
    assert_eq!(said["body"], "<b> & co");
    for mut client in waiting {
        let answer = soon(client.answer()).await;
        assert_eq!(messages(&answer), [said.clone()]);
    }
    let id = said["id"].as_str().expect("a text");
    let html = format!(r#"<div class="message" id="m{id}">&lt;b&gt; &amp; co</div>"#);
    assert_eq!(said["html"], *html);
    assert!(server.get("/chat").await.body.contains(&html));
    // Who knows it waits for the next one.
    let mut next = poll(&server, id).await;
    server.until_in_flight("chat.wasm", 1).await;
    let form = server
        .request("POST /a/message/new", FORM, "body=two&next=%2Fchat")
        .await;
    assert_eq!((form.status, form.header("location")), (302, Some("/chat")));
    assert_eq!(messages(&next.answer().await)[0]["body"], "two");
}

#[tokio::test]
async fn who_leaves_the_chat_waits_no_longer() {
    let server = chat().await;
    let leaves = poll(&server, "").await;
    let mut stays = poll(&server, "").await;
    server.until_in_flight("chat.wasm", 2).await;
    drop(leaves);
    server.log.line_with("somebody left the chat").await;
    server.until_in_flight("chat.wasm", 1).await;
    server
        .request("POST /a/message/new", FORM, "body=hello")
        .await;
    assert_eq!(messages(&stays.answer().await)[0]["body"], "hello");
#[tokio::test]
async fn a_clock_goes_on_until_its_client_leaves() {
    let server = stream().await;
    let mut client = server.send("GET /stream/clock").await;
    let head = client.head().await;
    assert!(
        head.contains("content-type: text/event-stream\r\n"),
        "{head}"
    );
    let mut before = 0;
    for _ in 0..3 {
        let event = soon(client.chunk()).await;
        let time = event.strip_prefix("data: ").expect("an event").trim_end();
        let now: u64 = time.parse().expect("a time");
        assert!(now >= before + 990 || before == 0, "{before} {now}");
        before = now;
    }
    server.until_in_flight("stream.wasm", 1).await;
    drop(client);
    server.until_in_flight("stream.wasm", 0).await;
}

#[tokio::test]
async fn an_upload_s_progress_is_shown_while_it_lasts() {
    let server = stream().await;
    let page = server.get("/stream").await.body;
    for path in [
        "/stream/clock",
        "/stream/upload?number=",
        "/stream/progress?number=",
    ] {
        assert!(page.contains(path), "{path}");
    }
    let mut progress = server.send("GET /stream/progress?number=7").await;
    progress.head().await;
    assert_eq!(soon(progress.chunk()).await, "data: none\n\n");
    let mut upload = server.connect().await;
    // More than a handler takes that says nothing of it.
    let length = 20 << 20;
    let head = format!("Host: a\r\nContent-Length: {length}\r\n\r\n");
    upload
        .send(format!("PUT /stream/upload?number=7 HTTP/1.1\r\n{head}"))
        .await;
    for half in 1..=2 {
        soon(upload.send(vec![b'x'; length / 2])).await;
        if half == 1 {
            let here = format!("data: {}\n\n", length / 2);
            while soon(progress.chunk()).await != here {}
        }
    }
    let answer = soon(upload.answer()).await;
    assert_eq!(answer.body, format!("{length} bytes"));
    while soon(progress.chunk()).await != "data: none\n\n" {}
}
