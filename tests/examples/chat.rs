//! The example `chat`: who waits hears what is said, and who leaves waits no longer.

use serde_json::Value;

use crate::harness::{Answer, App, Client, Running, example, renumbered, soon};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

async fn chat() -> Running {
    App::new()
        .handler("chat.wasm", example("chat"))
        .config("[component.\"chat.wasm\"]\ndeadline = \"off\"")
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
        assert_eq!(messages(&answer), std::slice::from_ref(&said));
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
    // They are inside: this one came after them.
    assert_eq!(server.get("/chat").await.status, 200);
    drop(leaves);
    server.log.line_with("somebody left the chat").await;
    server.until_in_flight("chat.wasm", 1).await;
    server
        .request("POST /a/message/new", FORM, "body=hello")
        .await;
    assert_eq!(messages(&stays.answer().await)[0]["body"], "hello");
}

#[tokio::test]
async fn who_waits_in_the_chat_comes_back_to_the_next_version() {
    let mut server = chat().await;
    let mut waiting = poll(&server, "").await;
    server.until_in_flight("chat.wasm", 1).await;
    let next = renumbered(example("chat"), 1);
    server.app.replace("chat.wasm", &next);
    assert_eq!(messages(&soon(waiting.answer()).await), [Value::Null; 0]);
    let mut waiting = poll(&server, "").await;
    server.until_in_flight("chat.wasm", 1).await;
    server.signal("TERM");
    assert_eq!(messages(&soon(waiting.answer()).await), [Value::Null; 0]);
    assert!(server.ended().await.success());
}
