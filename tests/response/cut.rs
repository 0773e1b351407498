//! Where a response breaks off, and who is told.

use super::{all, open, serve, serve_as, until_counts};

#[tokio::test]
async fn a_length_that_was_said_is_kept_or_the_connection_cut() {
    let server = serve("").await;
    let line = |script: &str| format!("GET /script?do=header:content-length:6,{script} HTTP/1.1");
    let mut client = server.connect().await;
    client
        .send(line("write:one,flush,write:two") + "\r\nHost: a\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.header("content-length"), &*answer.body),
        (Some("6"), "onetwo")
    );
    assert_eq!(answer.header("transfer-encoding"), None);
    // The connection goes on.
    assert_eq!(client.get("/counts").await.status, 200);
    for (script, sent, said) in [
        (
            "write:one,flush,write:t",
            "one",
            "less than its Content-Length",
        ),
        (
            "write:one,flush,gate,write:longer,flush",
            "one",
            "more than its Content-Length",
        ),
        (
            "write:one,flush,gate,write:longer",
            "one",
            "more than its Content-Length",
        ),
    ] {
        let mut client = server.connect().await;
        client.send(line(script) + "\r\nHost: a\r\n\r\n").await;
        client.head().await;
        if script.contains("gate") {
            open(&server).await;
        }
        let rest = client.rest().await;
        let rest = String::from_utf8_lossy(&rest);
        assert!(
            sent.starts_with(&*rest) || rest.starts_with(sent),
            "{script}: {rest}"
        );
        assert!(rest.len() < 6, "{script}: {rest}");
        server.log.line_with(said).await;
    }
    // It was not the client that left.
    until_counts(&server, |counts| counts["finished"] == 4).await;
    let counts = server.json("/counts").await;
    assert_eq!(counts["closed"], 0, "{counts}");
    let wrong = server
        .get("/script?do=header:content-length:many,flush")
        .await;
    assert_eq!((wrong.status, &*wrong.body), (500, "page of 500"));
    // One that ends at once.
    let none = all(
        &server,
        "GET /script?do=header:content-length:0,flush HTTP/1.1",
        "Connection: close\r\n",
    );
    let none = none.await;
    assert!(
        none.contains("content-length: 0\r\n") && none.ends_with("\r\n\r\n"),
        "{none}"
    );
}

#[tokio::test]
async fn a_failure_after_the_head_cuts_the_connection() {
    let limits = "[component.\"streams.wasm\"]\ninstances = 1\ncpu_deadline = \"100ms\"\n";
    let server = serve_as(limits).await;
    for (failure, said) in [
        ("fail", "Cannot send error response after headers written"),
        (
            "error:404",
            "Cannot send error response after headers written",
        ),
        (
            "send_error:404",
            "Cannot send error response after headers written",
        ),
        (
            "redirect:/",
            "Cannot redirect after headers have been written",
        ),
        (
            "header:x-a:1",
            "Cannot set a header after headers have been written",
        ),
        (
            "cookie:a:1",
            "Cannot set a cookie after headers have been written",
        ),
        ("panic", "as it was told to"),
        ("spin", "cpu_deadline"),
    ] {
        let line = format!("GET /script?do=write:one,flush,{failure} HTTP/1.1");
        let answer = all(&server, &line, "").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{failure}: {answer}");
        // The last chunk is missing, so nobody takes it for whole.
        assert!(!answer.ends_with("0\r\n\r\n"), "{failure}: {answer}");
        assert!(!answer.contains("page of"), "{failure}: {answer}");
        server.log.line_with(said).await;
    }
    // What is out can't be changed, and nobody is hurt by trying.
    let answer = all(
        &server,
        "GET /script?do=write:one,flush,status:404,clear,write:two HTTP/1.1",
        "Connection: close\r\n",
    );
    assert!(answer.await.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
    server
        .log
        .line_with("Cannot set the status after headers")
        .await;
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_stream_ends_its_handler() {
    let server = serve("").await;
    for (number, script) in ["gate", "stream:1000000", "sleep:60000"]
        .into_iter()
        .enumerate()
    {
        let mut client = server
            .send(&format!("GET /script?do=write:one,flush,{script}"))
            .await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 "));
        drop(client);
        let left = number + 1;
        until_counts(&server, |counts| {
            counts["closed"] == left && counts["finished"] == left
        })
        .await;
    }
    server.until_in_flight("streams.wasm", 0).await;
}

#[tokio::test]
async fn a_flush_that_is_given_up_breaks_the_response_off() {
    let server = serve("").await;
    let client = server.send("GET /script?do=flush,give_up").await;
    server
        .log
        .line_with("after giving up: the client is gone")
        .await;
    let mut client = client;
    assert!(!client.rest().await.ends_with(b"0\r\n\r\n"));
}
