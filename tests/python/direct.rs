//! Handlers of the package `waterspout`, which are called without Tornado in between.

use super::is_there;
use crate::harness::{App, soon};

const DIRECT: &str = include_str!("direct.py");

#[tokio::test]
async fn a_handler_has_tornado_s_names() {
    if !is_there().await {
        return;
    }
    let server = App::new().handler("direct.py", DIRECT).serve().await;
    let main = server.get("/").await;
    assert_eq!((main.status, &*main.body), (200, "Hello, world"));
    assert_eq!(
        main.header("content-type"),
        Some("text/html; charset=UTF-8")
    );
    assert!(main.header("etag").is_some());
    for (path, status, body) in [
        ("/nothing", 404, None),
        (
            "/entry/none",
            404,
            Some(r#"{"status": 404, "kind": "entry", "why": "HTTP 404 (no entry none)"}"#),
        ),
        (
            "/entry/fails",
            500,
            Some(r#"{"status": 500, "kind": "entry", "why": "as it was told"}"#),
        ),
        (
            "/entry/waits?a=1&a=%202",
            200,
            Some(r#"{"name": "waits", "kind": "entry", "arguments": ["1", "2"]}"#),
        ),
        (
            "/entries/%C3%A4",
            200,
            Some(r#"{"name": "\u00e4", "kind": "other", "arguments": []}"#),
        ),
        ("/entry/enough", 200, Some("enough")),
        ("/entry/a?stop=1", 403, Some("stopped")),
        (
            "/entry/a?a=%ff",
            400,
            Some(
                r#"{"status": 400, "kind": "entry", "why": "HTTP 400 (Invalid unicode in a: b'\\xff')"}"#,
            ),
        ),
        ("/plain", 418, None),
        ("/plain?fail=1", 500, None),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        if let Some(body) = body {
            assert_eq!(answer.body, body, "{path}");
        }
    }
    let answer = server.get("/entry/elsewhere").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("/entries/a%20b"))
    );
    assert_eq!(answer.header("x-base"), Some("yes"));
    assert_eq!(server.request("POST /", "", "a").await.status, 405);
    let log = server.logged().await;
    for line in [
        "Uncaught exception GET /entry/fails",
        "ValueError: as it was told",
        "ZeroDivisionError",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }

    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let posted = server.request("POST /entry/a", form, "text=b+c").await;
    assert_eq!(posted.body, "b capplication/x-www-form-urlencoded");
    let cookies = posted
        .head
        .lines()
        .filter_map(|line| line.strip_prefix("set-cookie: "));
    let cookies: Vec<&str> = cookies.collect();
    assert_eq!(cookies[0], "last=a; HttpOnly; Path=/");
    let user = cookies[1].split(';').next().unwrap();
    let cookie = format!("Cookie: last=a; {user}\r\n");
    assert_eq!(
        server.request("DELETE /entry/a", &cookie, "").await.body,
        "ame"
    );
    let body = "x".repeat(300_000);
    assert_eq!(
        server.request("PUT /entry/a", "", &body).await.body,
        "300000"
    );
    let multipart = "Content-Type: multipart/form-data; boundary=b\r\n";
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.txt\"\r\n\r\n12345\r\n--b--\r\n";
    let uploaded = server.request("POST /upload", multipart, body).await;
    assert_eq!(uploaded.body, r#"{"name": "f.txt", "length": 5}"#);

    let mut stream = server.connect().await;
    stream.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        soon(stream.head())
            .await
            .contains("transfer-encoding: chunked")
    );
    for piece in ["0\n", "1\n", "2\n", ""] {
        assert_eq!(soon(stream.chunk()).await, piece);
    }
    let mut gone = server.connect().await;
    gone.send("GET /poll HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let says = async |word: &str| loop {
        let finished = server.get("/finished").await.body;
        if finished.contains(word) {
            return finished;
        }
    };
    // In the handler, and not on the way to it.
    soon(says("\"waits\"")).await;
    drop(gone);
    let finished = soon(says("cancelled")).await;
    for said in [
        "GET /entry/waits 200",
        "GET /entry/a 403",
        "POST /entry/a 201",
        "closed",
    ] {
        assert!(finished.contains(said), "{said}: {finished}");
    }
}
