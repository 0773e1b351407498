//! A guest that knows the interface and keeps none of its rules.

use crate::harness::{App, Running, guest, soon};

use super::all;

async fn raw() -> Running {
    App::new()
        .handler("raw_streams.wasm", guest("raw_streams"))
        .config(concat!(
            "[[route]]\npattern = '/raw/([a-z-]+)/([0-9]+)'\nhandler = 'raw_streams.wasm'\n",
            "[component.'raw_streams.wasm']\ncpu_deadline = '100ms'\n"
        ))
        .serve()
        .await
}

#[tokio::test]
async fn a_guest_that_flushes_as_it_should_not_is_told_so() {
    let server = raw().await;
    for (what, status, said) in [
        ("headless", "400", "the first flush brings the head"),
        ("large", "400", "a piece has 1 MiB at most"),
        ("another", "400", "gone"),
        (
            "early-trailers",
            "400",
            "trailers come after the first flush",
        ),
        (
            "status",
            "400",
            "the handler set the status 0, which is none",
        ),
        ("twice", "200", "the head is out already"),
    ] {
        let line = format!("GET /raw/{what}/0 HTTP/1.1");
        let answer = all(&server, &line, "Connection: close\r\n").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{what}: {answer}"
        );
        assert!(answer.contains(said), "{what}: {answer}");
    }
    server.log.line_with("after the end: gone").await;
    for (what, ends) in [("failed", false), ("nothing", false), ("huge-end", true)] {
        let line = format!("GET /raw/{what}/0 HTTP/1.1");
        let answer = all(&server, &line, "Connection: close\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{what}");
        assert_eq!(answer.ends_with("0\r\n\r\n"), ends, "{what}");
    }
    let answer = server.get("/raw/cancelled/0").await;
    assert_eq!(answer.status, 500);
    let line = server.log.line_with("/raw/cancelled/0").await;
    assert!(line.contains("nobody asked for that"), "{line}");
    let mut client = server.send("GET /raw/both/0").await;
    server
        .log
        .line_with("beside it: another flush of this response is under way")
        .await;
    client.head().await;
    while !soon(client.chunk()).await.is_empty() {}
}

#[tokio::test]
async fn no_control_character_of_a_flush_is_ever_sent() {
    let server = raw().await;
    for place in [
        "reason",
        "name",
        "x-a",
        "location",
        "content-length",
        "trailer-name",
        "trailer-value",
    ] {
        for byte in (0..=31).chain([127u8]) {
            let line = format!("GET /raw/{place}/{byte} HTTP/1.1");
            let answer = all(&server, &line, "TE: trailers\r\nConnection: close\r\n").await;
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            let is_out = place.starts_with("trailer");
            let status = if is_out { "200" } else { "400" };
            assert!(
                head.starts_with(&format!("HTTP/1.1 {status} ")),
                "{line}: {head}"
            );
            for text in [head, body] {
                let text = text.replace("\r\n", "");
                // In what a guest is told they are written out.
                assert!(!text.contains(char::is_control), "{line}: {text:?}");
            }
        }
    }
}
