//! What is in the logs, and what is not.

use serde_json::Value;

use crate::harness::{App, guest};

/// More than the log keeps of one text.
const LENGTH: usize = 20_000;

/// What the log says when it has lost lines, before their number.
const TOO_SLOW: &str = "the log was too slow: ";

/// What a line says, whatever its format.
fn message(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(line) => line["fields"]["message"].as_str().expect("text").to_owned(),
        Err(_) => line.split_once("] ").expect("a prefix").1.to_owned(),
    }
}

#[tokio::test]
async fn a_long_text_is_cut_in_either_format() {
    for format in ["text", "json"] {
        let server = App::new()
            .serve_as("serve", &["--log-format", format])
            .await;
        let path = format!("/{}", "x".repeat(LENGTH));
        assert_eq!(server.get(&path).await.status, 404);
        let message = message(&server.log.line_with("404 GET /x").await);
        assert!(message.ends_with("x…"), "{format}: {message}");
        assert!(message.len() < LENGTH / 2, "{format}: {}", message.len());
    }
}

#[tokio::test]
async fn a_line_of_json_says_which_log_it_is_of_and_what_happened() {
    let server = App::new()
        .serve_as("serve", &["--log-format", "json"])
        .await;
    assert_eq!(server.get("/nothing").await.status, 404);
    let line = server.log.line_with("/nothing").await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(
        (&line["target"], &line["level"]),
        (&"access".into(), &"WARN".into())
    );
    let message = line["fields"]["message"].as_str().expect("text");
    assert!(
        message.starts_with("404 GET /nothing (127.0.0.1) "),
        "{message}"
    );
    let time = line["timestamp"].as_str().expect("text");
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
}

#[tokio::test]
async fn lines_that_found_no_room_are_counted() {
    for format in ["text", "json"] {
        let app = App::new().handler("chatty.wasm", guest("chatty"));
        let server = app.serve_as("serve", &["--log-format", format]).await;
        server.log.stop();
        assert_eq!(server.get("/chatty?lines=10000").await.status, 200);
        server.log.go_on();
        server.log.line_with(TOO_SLOW).await;
        assert_eq!(server.get("/chatty?lines=1&last").await.status, 200);
        server.log.line_with("lines=1&last").await;
        let said = server.log.text();
        let lost: usize = said.lines().filter_map(lost).sum();
        let there = said.lines().filter(|line| line.contains("line ")).count();
        // Each line of the guest is there or counted; a few of the server's own may have been lost with them.
        assert!(lost > 0, "{format}");
        let all = 30_003..30_010;
        assert!(all.contains(&(there + lost)), "{format}: {there} + {lost}");
    }
}

/// How many lines this one says are lost.
fn lost(line: &str) -> Option<usize> {
    let (_, rest) = line.split_once(TOO_SLOW)?;
    rest.split(' ').next()?.parse().ok()
}

#[tokio::test]
async fn what_the_connection_refuses_is_in_the_access_log() {
    let server = App::new()
        .handler("echo.wasm", guest("echo"))
        .config("[server]\nbody_timeout = \"100ms\"\n")
        .serve()
        .await;
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length";
    let long = "x".repeat(70_000);
    for (request, logged) in [
        (
            "GET /a HTTP/1.1\r\n\r\n".to_owned(),
            "400 GET /a (127.0.0.1) 0.00ms",
        ),
        (
            format!("{post}: 99999999999\r\n\r\n"),
            "413 POST /echo (127.0.0.1) 0.00ms",
        ),
        (
            "G@T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "400 - - (127.0.0.1) 0.00ms",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\n"),
            "414 - - (127.0.0.1) 0.00ms",
        ),
        (
            format!("GET / HTTP/1.1\r\nX: {long}\r\n"),
            "431 - - (127.0.0.1) 0.00ms",
        ),
        (
            format!("{post}: 9\r\n\r\nlate"),
            "408 POST /echo (127.0.0.1)",
        ),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        let answer = client.answer().await;
        assert!(
            logged.starts_with(&answer.status.to_string()),
            "{logged}: {}",
            answer.head
        );
        let line = server.log.line_with(&format!(" access] {logged}")).await;
        assert!(line.starts_with("[W "), "{line}");
    }
    let text = server.log.text();
    let lines = text.lines().filter(|line| line.contains(" access] "));
    assert_eq!(lines.count(), 6, "one line for each answer");
}
