//! The examples `interleave` and `stream`: what comes piece by piece, in both directions.

use crate::harness::{App, Running, example, soon};

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
        .config("[component.\"stream.wasm\"]\nmax_body_size = \"2GB\"\n")
        .serve()
        .await
}

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
