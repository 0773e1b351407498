//! The examples with sockets, as their pages use them.

use serde_json::{Value, json};

use super::connect;
use crate::harness::{App, Running, Ws, example, renumbered, soon};

async fn said(ws: &mut Ws) -> Value {
    let frame = ws.next().await;
    serde_json::from_slice(&frame.payload).unwrap_or_else(|_| panic!("{frame:?}"))
}

async fn say(ws: &mut Ws, text: &str) {
    ws.send_text(&json!({ "body": text }).to_string()).await;
}

#[tokio::test]
async fn the_echo_sends_back_what_it_gets() {
    let app = App::new()
        .handler("ws-echo.wasm", example("ws_echo"))
        .config("[[route]]\npattern = '/ws/echo'\nhandler = 'ws-echo.wasm'");
    let server = app.serve().await;
    let mut ws = connect(&server, "/ws/echo").await;
    super::echoed(&mut ws, "text").await;
    ws.send_binary([0, 255]).await;
    assert_eq!(ws.next().await.payload, [0, 255]);
}

/// Replaces a component by the next version of it, which differs in nothing.
async fn edit(server: &Running, file: &str, example: Vec<u8>) {
    let next = renumbered(example, 2);
    server.app.replace(file, &next);
    server.until_serving(file, &next).await;
}

#[tokio::test]
async fn the_chat_goes_on_through_an_edit() {
    let (file, component) = ("websocket-chat.wasm", example("websocket_chat"));
    let server = App::new().handler(file, &component).serve().await;
    let path = "/websocket-chat/socket";
    let (mut one, mut two) = (connect(&server, path).await, connect(&server, path).await);
    say(&mut one, "before").await;
    assert_eq!(said(&mut one).await["body"], "before");
    assert_eq!(said(&mut two).await["body"], "before");
    edit(&server, file, component).await;
    say(&mut two, "after").await;
    assert_eq!(said(&mut one).await["body"], "after");
    assert_eq!(said(&mut two).await["body"], "after");
    // Who comes later sees both.
    let mut late = connect(&server, path).await;
    assert_eq!(said(&mut late).await["body"], "before");
    assert_eq!(said(&mut late).await["body"], "after");
}

#[tokio::test]
async fn what_was_said_by_long_polling_stays_through_an_edit() {
    let (file, component) = ("chat.wasm", example("chat"));
    let server = App::new().handler(file, &component).serve().await;
    let new = |text: &str| (format!("body={text}"), "POST /a/message/new");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let (body, line) = new("before");
    server.request(line, form, &body).await;
    edit(&server, file, component).await;
    let (body, line) = new("after");
    server.request(line, form, &body).await;
    let page = soon(server.get("/chat")).await.body;
    assert!(
        page.contains(">before<") && page.contains(">after<"),
        "{page}"
    );
}
