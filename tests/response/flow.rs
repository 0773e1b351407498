//! Streams of any length: no faster than they are read, kept in no memory, and not ended by a swap.

use tokio::io::AsyncReadExt;

use crate::harness::{mebibytes, soon};

use super::{serve, until_counts};

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
