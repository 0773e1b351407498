//! `response`: what is flushed arrives while its handler goes on, no faster than it is read, and is never taken for
//! whole where it is not.

use std::io::Read;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::harness::{App, Client, Running, guest, soon};

/// How much is streamed: enough to show in memory whatever is kept of it.
const MEBIBYTES: u64 = 256;

/// How much a stream may add to the server's memory.
const FLAT: u64 = 32;

async fn serve(config: &str) -> Running {
    let config = format!(
        "{config}\n[log]\nlevel = \"access=off\"\n[handler.\"streams.wasm\"]\ninstances = 1\n"
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
    let server = serve_as(&format!("[handler.\"streams.wasm\"]\n{limits}{own}")).await;
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
    let server = serve_as("[handler.\"streams.wasm\"]\ninstances = 1\ndeadline = \"1s\"\n").await;
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
    let limits = "[handler.\"streams.wasm\"]\ninstances = 1\ncpu_deadline = \"100ms\"\n";
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
async fn a_handler_is_no_faster_than_its_client() {
    let server = serve("[server]\nwrite_timeout = \"1s\"").await;
    let before = server.vitals();
    // It takes nothing, and would be sent data without end.
    let client = server.send("GET /script?do=flood").await;
    let counts = until_counts(&server, |counts| counts["closed"] == 1).await;
    assert_eq!(counts["finished"], 1);
    let flushed = counts["flushed"].as_u64().expect("a number");
    assert!(flushed < 32, "{flushed} MiB");
    server.until_as_before(before, FLAT).await;
    drop(client);
}

#[tokio::test]
async fn a_download_takes_no_memory_however_long_it_is() {
    let server = serve("").await;
    let mebibytes = mebibytes();
    for query in [
        format!("stream:{mebibytes}"),
        format!(
            "header:content-length:{},stream:{mebibytes}",
            mebibytes << 20
        ),
    ] {
        let mut client = server.connect().await;
        let line =
            format!("GET /script?do={query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.send(line).await;
        client.head().await;
        let before = server.resident();
        let (mut received, mut most) = (0u64, before);
        let mut buffer = vec![0; 1 << 20];
        loop {
            match soon(client.stream.read(&mut buffer)).await.expect("bytes") {
                0 => break,
                bytes => received += bytes as u64,
            }
            if received % 16 == 0 {
                most = most.max(server.resident());
            }
        }
        assert!(received + (1 << 20) >= mebibytes << 20, "{received} bytes");
        assert!(most - before <= FLAT << 10, "{} KiB more", most - before);
    }
}

/// As many as `WATERSPOUT_STREAM` says, 2048 for what 2 GiB take.
pub fn mebibytes() -> u64 {
    let said = std::env::var("WATERSPOUT_STREAM").ok();
    said.map_or(MEBIBYTES, |said| said.parse().expect("a number of MiB"))
}

#[tokio::test]
async fn a_stream_outlasts_a_swap_and_a_shutdown() {
    const MEBIBYTES: usize = 64;
    let mut server = serve("").await;
    let mut client = server
        .send(&format!(
            "GET /script?do=header:content-length:{0},stream:{MEBIBYTES}",
            MEBIBYTES << 20
        ))
        .await;
    client.head().await;
    // The client reads nothing meanwhile, so it can't be over.
    let other = "[handler.\"streams.wasm\"]\ninstances = 1\nmax_queue = 7\n";
    std::fs::write(server.app.path().join("waterspout.toml"), other).expect("waterspout.toml");
    server.until_generation(2).await;
    server.signal("TERM");
    assert_eq!(client.rest().await.len(), MEBIBYTES << 20);
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn a_stream_over_http_2_arrives_piece_by_piece() {
    let server = App::new()
        .handler("streams.wasm", guest("streams"))
        .config(concat!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\nh2c = true\n",
            "write_timeout = \"500ms\"\n[handler.\"streams.wasm\"]\ninstances = 1\n"
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

async fn raw() -> Running {
    App::new()
        .handler("raw_streams.wasm", guest("raw_streams"))
        .config(concat!(
            "[[route]]\npattern = '/raw/([a-z-]+)/([0-9]+)'\nhandler = 'raw_streams.wasm'\n",
            "[handler.'raw_streams.wasm']\ncpu_deadline = '100ms'\n"
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
