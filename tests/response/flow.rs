//! Streams of any length: no faster than they are read, kept in no memory, and not ended by a swap.

use tokio::io::AsyncReadExt;

use crate::harness::{App, guest, mebibytes, soon};

use super::{all, serve, until_counts};

/// How much a stream may add to the server's memory.
const FLAT: u64 = 32;

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

/// Whole responses that wait in the host are bounded for all clients together. Those that read theirs have them.
#[tokio::test]
async fn clients_that_take_nothing_are_cut_off_before_they_take_much() {
    let server = App::new()
        .handler("raw_streams.wasm", guest("raw_streams"))
        .config(concat!(
            "[server]\nmax_unsent_total = \"4MB\"\n",
            "[[route]]\npattern = '/raw/([a-z-]+)/([0-9]+)'\nhandler = 'raw_streams.wasm'\n",
        ))
        .serve()
        .await;
    const STALLED: usize = 12;
    let mut stalled = Vec::new();
    for number in 1..=STALLED {
        let mut client = server.connect().await;
        let line = "GET /raw/whole/16 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        client.send(line).await;
        stalled.push(client);
        server
            .until_count("raw_streams.wasm", "requests", number as u64)
            .await;
        server.until_in_flight("raw_streams.wasm", 0).await;
    }
    let answer = server.get("/raw/whole/2").await;
    assert_eq!((answer.status, answer.body.len()), (200, 2 << 20));
    let mut whole = 0;
    for mut client in stalled {
        let mut bytes = Vec::new();
        let end = soon(client.stream.read_to_end(&mut bytes)).await;
        whole += usize::from(end.is_ok() && bytes.len() > 16 << 20);
    }
    // One may be left.
    assert!(whole <= 1, "{whole} got all of it");
}

#[tokio::test]
async fn a_large_body_is_sent_as_a_small_one_is() {
    let server = serve("").await;
    for (line, length) in [
        ("GET /script?do=bytes:200000", 200_000),
        ("GET /script?do=bytes:3000000", 3_000_000),
        ("POST /script?do=status:201,bytes:200000", 200_000),
        ("POST /script?do=bytes:9000000", 9_000_000),
        ("GET /script?do=error:404&page=bytes:100000", 100_011),
        ("GET /script?prepare=bytes:300000,finish", 300_000),
    ] {
        let answer = server.request(line, "", "").await;
        assert_eq!(answer.body.len(), length, "{line}");
        let said = answer.header("content-length").map(str::to_owned);
        assert_eq!(said, Some(length.to_string()), "{line}");
        let is_hashed = line.starts_with("GET") && answer.status == 200 && length <= 1 << 20;
        assert_eq!(answer.header("etag").is_some(), is_hashed, "{line}");
    }
    // The client has it, by its hash or by a name that the handler gave it.
    let etag = server.get("/script?do=bytes:200000").await;
    let etag = etag.header("etag").expect("one").to_owned();
    for (line, etag) in [
        ("GET /script?do=bytes:200000", &*etag),
        ("GET /script?do=header:etag:%22a%22,bytes:3000000", "\"a\""),
    ] {
        let known = format!("If-None-Match: {etag}\r\n");
        let answer = server.request(line, &known, "").await;
        assert_eq!((answer.status, &*answer.body), (304, ""), "{line}");
    }
    let head = all(
        &server,
        "HEAD /script?do=bytes:3000000 HTTP/1.1",
        "Connection: close\r\n",
    );
    let head = head.await;
    assert!(head.contains("content-length: 3000000\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"));
    // What is left when some of it is out.
    let line = "GET /script?do=write:a,flush,bytes:3000000 HTTP/1.0";
    assert!(all(&server, line, "").await.len() > 3_000_001);
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
    let other = "[component.\"streams.wasm\"]\ninstances = 1\nmax_queue = 7\n";
    std::fs::write(server.app.path().join("waterspout.toml"), other).expect("waterspout.toml");
    server.until_generation(2).await;
    server.signal("TERM");
    assert_eq!(client.rest().await.len(), MEBIBYTES << 20);
    assert!(server.ended().await.success());
}
