//! `invoke`: which functions of a guest are called, in which order, and how often.

use serde_json::{Value, json};

use crate::harness::{App, Running, guest};

async fn lifecycle() -> Running {
    App::new()
        .handler("lifecycle.wasm", guest("lifecycle"))
        .config("[component.\"lifecycle.wasm\"]\ninstances = 1\n")
        .serve()
        .await
}

async fn notes(server: &Running) -> Value {
    serde_json::from_str(&server.get("/lifecycle/log").await.body).expect("JSON")
}

#[tokio::test]
async fn a_handler_with_only_get_costs_one_guest_call() {
    let server = App::new()
        .handler("count.wasm", guest("count"))
        .config("[component.\"count.wasm\"]\ninstances = 1\n")
        .serve()
        .await;
    let mut client = server.connect().await;
    for request in 1..=3 {
        let counts: Value = serde_json::from_str(&client.get("/count").await.body).expect("JSON");
        let called: Vec<_> = counts
            .as_object()
            .expect("an object")
            .iter()
            .filter(|(_, count)| **count != json!(0))
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        assert_eq!(called, ["describe 1".to_owned(), format!("get {request}")]);
    }
    // Nor do answers of the host wake it.
    assert_eq!(client.get("/nowhere").await.status, 404);
    assert_eq!(server.request("POST /count", "", "x").await.status, 405);
    let counts: Value = serde_json::from_str(&client.get("/count").await.body).expect("JSON");
    assert_eq!(counts["get"], 4);
}

#[tokio::test]
async fn the_functions_come_in_tornado_s_order() {
    let server = lifecycle().await;
    let answer = server.get("/lifecycle?as=a").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "get of a"));
    for method in ["post", "put", "delete", "patch", "options"] {
        let line = format!("{} /lifecycle?as=b", method.to_uppercase());
        let answer = server.request(&line, "", "").await;
        assert_eq!(
            (answer.status, answer.body),
            (200, format!("{method} of b"))
        );
    }
    let notes = notes(&server).await;
    let notes: Vec<&str> = notes
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        notes[..5],
        [
            "start",
            "a initialize hi",
            "a prepare",
            "a get",
            "a on_finish"
        ]
    );
    assert_eq!(
        notes[5..9],
        ["b initialize hi", "b prepare", "b post", "b on_finish"]
    );
    assert_eq!(notes.len(), 5 + 5 * 4);
}

#[tokio::test]
async fn prepare_may_end_the_request() {
    let server = lifecycle().await;
    let answer = server.get("/lifecycle?as=a&prepare=redirect").await;
    assert_eq!(answer.status, 302);
    assert!(
        answer.head.contains("location: /elsewhere\r\n"),
        "{}",
        answer.head
    );
    assert_eq!(
        server.get("/lifecycle?as=b&prepare=finish").await.status,
        200
    );
    let expected = json!([
        "start",
        "a initialize hi",
        "a prepare",
        "a on_finish",
        "b initialize hi",
        "b prepare",
        "b on_finish",
    ]);
    assert_eq!(notes(&server).await, expected);
}

#[tokio::test]
async fn write_error_makes_the_page_of_every_failure() {
    let server = lifecycle().await;
    let answer = server.get("/lifecycle?as=a&get=teapot").await;
    assert_eq!((answer.status, answer.body.as_str()), (418, "page of a"));
    let answer = server.get("/lifecycle?as=b&prepare=error").await;
    assert_eq!((answer.status, answer.body.as_str()), (500, "page of b"));
    // A page that fails itself is replaced by the default one.
    let answer = server.get("/lifecycle?as=c&get=teapot&error=teapot").await;
    assert_eq!(answer.status, 418);
    assert!(
        answer.body.starts_with("<html><title>418: "),
        "{}",
        answer.body
    );
    let expected = json!([
        "start",
        "a initialize hi",
        "a prepare",
        "a get",
        "a write_error 418 HttpError",
        "a on_finish",
        "b initialize hi",
        "b prepare",
        "b write_error 500 Uncaught",
        "b on_finish",
        "c initialize hi",
        "c prepare",
        "c get",
        "c write_error 418 HttpError",
        "c on_finish",
    ]);
    assert_eq!(notes(&server).await, expected);
    let log = &server.log;
    log.line_with("418 GET /lifecycle?as=a&get=teapot (127.0.0.1): short and stout")
        .await;
    log.line_with("uncaught error in GET /lifecycle?as=b&prepare=error (127.0.0.1): error")
        .await;
}
