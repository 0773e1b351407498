//! `response`: what is flushed arrives while its handler goes on. Where it breaks off is in `cut`, how much of it there
//! may be in `flow`, and what a guest makes of the interface itself in `misuse`.

mod cut;
mod flow;
mod misuse;

use std::io::Read;

use bytes::Bytes;
use serde_json::Value;

use crate::harness::{App, Client, Running, guest, soon};

async fn serve(config: &str) -> Running {
    let config = format!(
        "{config}\n[log]\nlevel = \"access=off\"\n[component.\"streams.wasm\"]\ninstances = 1\n"
    );
    serve_as(&config).await
}

async fn serve_as(config: &str) -> Running {
    App::new()
        .handler("streams.wasm", guest("streams"))
        .config(config)
        .serve()
        .await
}

/// All that is sent to this request until the connection ends.
async fn all(server: &Running, line: &str, head: &str) -> String {
    let mut client = server.connect().await;
    client
        .send(format!("{line}\r\nHost: a\r\n{head}\r\n"))
        .await;
    String::from_utf8_lossy(&client.rest().await).into_owned()
}

async fn open(server: &Running) {
    assert_eq!(server.get("/open").await.status, 200);
}

async fn until_counts(server: &Running, wanted: impl Fn(&Value) -> bool) -> Value {
    server.until_json("/counts", wanted).await
}

#[tokio::test]
async fn what_is_flushed_arrives_before_the_handler_ends() {
    let server = serve("").await;
    let script = "/script?do=status:201,header:x-a:1,cookie:c:2,write:one,flush,gate,write:two,flush,gate,json:three";
    let mut client = server.send(&format!("GET {script}")).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 201 Created\r\n"), "{head}");
    for header in [
        "x-a: 1\r\n",
        "set-cookie: c=2; Path=/\r\n",
        "transfer-encoding: chunked\r\n",
        "content-type: text/html; charset=UTF-8\r\n",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    for without in ["etag", "content-length"] {
        assert!(!head.contains(without), "{without} in {head}");
    }
    assert_eq!(client.chunk().await, "one");
    open(&server).await;
    assert_eq!(client.chunk().await, "two");
    open(&server).await;
    assert_eq!(client.chunk().await, "\"three\"");
    assert_eq!(client.chunk().await, "");
    server.log.line_with("finished with 201").await;
    // The connection goes on.
    let again = client.get("/counts").await;
    assert_eq!(again.status, 200);
    let counts: Value = serde_json::from_str(&again.body).expect("JSON");
    assert_eq!(
        (&counts["finished"], &counts["closed"]),
        (&1.into(), &0.into())
    );
}

#[tokio::test]
async fn it_may_begin_anywhere_and_many_times_over() {
    let server = serve("").await;
    for (query, body) in [
        ("prepare=write:a,flush&do=write:b", "ab"),
        ("prepare=write:a,flush,finish&do=write:b", "a"),
        ("do=flush", ""),
        ("do=flush,flush,write:a,flush,flush", "a"),
        ("do=write:a,flush,finish", "a"),
        ("do=both", "one two "),
        ("do=error:418&page=write:p,flush", "ppage of 418"),
        ("do=bytes:3000000,flush", &"x".repeat(3_000_000)),
        (
            "do=write:a,flush,bytes:3000000",
            &format!("a{}", "x".repeat(3_000_000)),
        ),
    ] {
        let mut client = server.send(&format!("GET /script?{query}")).await;
        client.head().await;
        let mut text = String::new();
        loop {
            match soon(client.chunk()).await {
                chunk if chunk.is_empty() => break,
                chunk => text += &chunk,
            }
        }
        assert!(text == body, "{query}: {} bytes", text.len());
    }
}

#[tokio::test]
async fn a_client_over_http_1_0_reads_to_the_end_of_the_connection() {
    let server = serve("").await;
    let mut client = server.connect().await;
    client
        .send("GET /script?do=write:one,flush,gate,write:two HTTP/1.0\r\n\r\n")
        .await;
    let head = client.head().await;
    assert!(
        !head.contains("chunked") && !head.contains("length"),
        "{head}"
    );
    open(&server).await;
    assert_eq!(client.rest().await, b"onetwo");
}

#[tokio::test]
async fn a_response_without_body_has_none_however_much_is_flushed() {
    let server = serve("").await;
    for (line, length) in [
        ("HEAD /script?do=write:one,flush,write:two", None),
        (
            "HEAD /script?do=header:content-length:6,write:one,flush,write:two",
            Some("6"),
        ),
        ("GET /script?do=status:204,flush,write:two,flush", None),
        ("GET /script?do=status:304,write:one,flush,gate,flush", None),
    ] {
        let mut client = server.send(line).await;
        let head = client.head().await;
        let said = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(said, length, "{line}: {head}");
        assert!(!head.contains("transfer-encoding"), "{line}: {head}");
        if line.contains("gate") {
            open(&server).await;
        }
        // What comes next is the next answer.
        assert_eq!(client.get("/counts").await.status, 200, "{line}");
    }
    until_counts(&server, |counts| {
        counts["finished"] == 4 && counts["closed"] == 0
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_goes_on_without_a_client_has_as_long_as_the_deadline() {
    let limits = "instances = 1\ndeadline = \"1s\"\n";
    let own = "cancel_on_close = false\n";
    let server = serve_as(&format!("[component.\"streams.wasm\"]\n{limits}{own}")).await;
    // It waits for ever, but for that.
    let mut client = server.send("HEAD /script?do=flush,gate").await;
    client.head().await;
    until_counts(&server, |counts| counts["finished"] == 1).await;
    let mut client = server.send("GET /script?do=flush,gate").await;
    client.head().await;
    drop(client);
    until_counts(&server, |counts| {
        counts["finished"] == 2 && counts["closed"] == 1
    })
    .await;
}

#[tokio::test]
async fn the_deadline_counts_until_the_head_is_out() {
    let server = serve_as("[component.\"streams.wasm\"]\ninstances = 1\ndeadline = \"1s\"\n").await;
    let late = server.get("/script?do=write:a,sleep:10000,flush").await;
    assert_eq!(late.status, 504);
    let mut client = server
        .send("GET /script?do=write:a,flush,sleep:2000,write:b")
        .await;
    client.head().await;
    assert_eq!(
        (client.chunk().await, client.chunk().await),
        ("a".into(), "b".into())
    );
    assert_eq!(client.chunk().await, "");
}

#[tokio::test]
async fn a_stream_over_http_2_arrives_piece_by_piece() {
    let server = App::new()
        .handler("streams.wasm", guest("streams"))
        .config(concat!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\nh2c = true\n",
            "write_timeout = \"500ms\"\n[component.\"streams.wasm\"]\ninstances = 1\n"
        ))
        .serve_where_it_says()
        .await;
    let stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut ask = |script: &str| -> h2::client::ResponseFuture {
        let uri = format!("http://a/script?do={script}");
        let request = http::Request::get(uri).body(()).unwrap();
        client.send_request(request, true).unwrap().0
    };
    let response = ask("header:trailer:x-a,write:one,flush,gate,trailer:x-a:1,write:two");
    let response = soon(response).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let next = async |body: &mut h2::RecvStream| -> Option<Result<Bytes, h2::Error>> {
        soon(body.data()).await
    };
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "one");
    open(&server).await;
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "two");
    assert!(next(&mut body).await.is_none());
    let trailers = soon(body.trailers()).await.unwrap().expect("trailers");
    assert_eq!(trailers["x-a"], "1");
    // It waits for its handler for longer than a client may stand still.
    let mut body = soon(ask("write:one,flush,sleep:1500,write:two"))
        .await
        .unwrap()
        .into_body();
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "one");
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "two");
    let mut body = soon(ask("write:one,flush,gate,fail"))
        .await
        .unwrap()
        .into_body();
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "one");
    open(&server).await;
    assert!(next(&mut body).await.unwrap().is_err());
    // A stream that is taken back is a client that leaves.
    let body = soon(ask("write:one,flush,gate")).await.unwrap().into_body();
    drop(body);
    until_counts(&server, |counts| counts["closed"] == 1).await;
    // So is one that takes nothing, in the end.
    let _body = soon(ask("flood")).await.unwrap().into_body();
    let counts = until_counts(&server, |counts| counts["closed"] == 2).await;
    assert!(counts["flushed"].as_u64() < Some(16), "{counts}");
}

#[tokio::test]
async fn trailers_follow_the_body_for_those_who_asked() {
    let server = serve("").await;
    let script = "header:trailer:x-a,write:one,flush,trailer:x-a:1,trailer:x-a:2,write:two";
    let line = format!("GET /script?do={script} HTTP/1.1");
    let asked = all(&server, &line, "TE: trailers\r\nConnection: close\r\n").await;
    assert!(
        asked.ends_with("\r\n3\r\ntwo\r\n0\r\nx-a: 2\r\n\r\n"),
        "{asked}"
    );
    let not = all(&server, &line, "Connection: close\r\n").await;
    assert!(not.ends_with("\r\n3\r\ntwo\r\n0\r\n\r\n"), "{not}");
    for (script, said) in [
        ("trailer:x-a:1", "Cannot set a trailer before flush()"),
        (
            "flush,trailer:x-b:1",
            "the header `Trailer` does not name `x-b`",
        ),
        (
            "header:trailer:set-cookie,flush,trailer:set-cookie:1",
            "may not stand in a trailer",
        ),
    ] {
        all(
            &server,
            &format!("GET /script?do={script} HTTP/1.1"),
            "Connection: close\r\n",
        )
        .await;
        server.log.line_with(said).await;
    }
}

#[tokio::test]
async fn events_are_sent_at_once_and_a_client_says_what_it_saw() {
    let server = serve("").await;
    let mut client = server.connect().await;
    let head = "Host: a\r\nLast-Event-ID: 7\r\n\r\n";
    client
        .send(format!(
            "GET /script?do=event:a|b:8,gate,event:c:9,seen HTTP/1.1\r\n{head}"
        ))
        .await;
    let head = client.head().await;
    assert!(
        head.contains("content-type: text/event-stream\r\n"),
        "{head}"
    );
    assert!(head.contains("cache-control: no-cache\r\n"), "{head}");
    assert_eq!(
        client.chunk().await,
        "event: tick\nid: 8\ndata: a\ndata: b\n\n"
    );
    open(&server).await;
    assert_eq!(client.chunk().await, "event: tick\nid: 9\ndata: c\n\n");
    assert_eq!(client.chunk().await, "Some(\"7\")");
}

#[tokio::test]
async fn a_stream_is_compressed_piece_by_piece() {
    let server = serve("[settings]\ncompress_response = true").await;
    for coding in ["gzip", "br", "zstd"] {
        let script = "write:one,flush,gate,bytes:200000,flush,gate,write:three";
        let script = format!("header:content-length:200008,{script}");
        let mut client = server.connect().await;
        let head = format!("Host: a\r\nAccept-Encoding: {coding}\r\nConnection: close\r\n\r\n");
        client
            .send(format!("GET /script?do={script} HTTP/1.1\r\n{head}"))
            .await;
        let head = client.head().await;
        assert!(
            head.contains(&format!("content-encoding: {coding}\r\n")),
            "{head}"
        );
        assert!(!head.contains("content-length"), "{head}");
        let mut sent = chunk(&mut client).await;
        assert_eq!(decoded(coding, &sent, 3), b"one");
        open(&server).await;
        sent.extend(chunk(&mut client).await);
        assert_eq!(decoded(coding, &sent, 200_003)[3..], b"x".repeat(200_000));
        open(&server).await;
        loop {
            match chunk(&mut client).await {
                last if last.is_empty() => break,
                more => sent.extend(more),
            }
        }
        assert_eq!(decoded(coding, &sent, 200_008)[200_003..], *b"three");
    }
    let plain = all(
        &server,
        "GET /script?do=header:content-type:image/png,write:a,flush HTTP/1.1",
        "Accept-Encoding: gzip\r\nConnection: close\r\n",
    )
    .await;
    assert!(!plain.contains("content-encoding"), "{plain}");
}

async fn chunk(client: &mut Client) -> Vec<u8> {
    soon(client.chunk_of_bytes()).await
}

/// The first so many bytes of what is in there so far.
fn decoded(coding: &str, sent: &[u8], length: usize) -> Vec<u8> {
    let mut decoder: Box<dyn Read + '_> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(sent)),
        "br" => Box::new(brotli::Decompressor::new(sent, 4096)),
        _ => Box::new(zstd::Decoder::new(sent).expect("a decoder")),
    };
    let mut text = vec![0; length];
    decoder.read_exact(&mut text).expect("so many bytes");
    text
}
