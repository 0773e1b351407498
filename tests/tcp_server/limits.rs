//! Each limit of streams, crossed.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::{FILE, LINES, app, lines};
use crate::harness::soon;

#[tokio::test]
async fn more_streams_than_may_be_are_closed_and_counted() {
    let server = app(LINES, "max_streams = 2").serve().await;
    let mut streams = [lines(&server).await, lines(&server).await];
    for stream in &mut streams {
        assert_eq!(stream.ask("hello").await, "You sent: hello");
    }
    assert_eq!(lines(&server).await.line().await, "");
    assert_eq!(streams[0].ask("bye").await, "bye");
    server.until_now("1 of 2").await;
    let mut next = lines(&server).await;
    assert_eq!(next.ask("hello").await, "You sent: hello");
    let metrics = server.metrics().await;
    let refused = format!("waterspout_streams_refused_total{{component=\"{FILE}\"}} 1");
    assert!(metrics.contains(&refused), "{metrics}");
}

#[tokio::test]
async fn a_read_without_an_end_is_closed_for_it() {
    let server = app(LINES, "").serve().await;
    for (word, said) in [
        (
            "within 1000",
            "within: what was to be read is not within 1000 bytes",
        ),
        (
            "buffer 100000",
            "buffer: Reached maximum read buffer size: 100000 bytes",
        ),
    ] {
        let mut stream = lines(&server).await;
        stream.say(word).await;
        // It is cut in the middle of this.
        let endless = async { while stream.0.write_all(&[b'x'; 4096]).await.is_ok() {} };
        soon(endless).await;
        server.log.line_with(said).await;
    }
    server.until_now("0 of 2").await;
}

#[tokio::test]
async fn what_no_handler_reads_stays_with_its_client() {
    let server = app(LINES, "stream_read_ahead = '16KB'").serve().await;
    let before = server.resident();
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = lines(&server).await;
        assert_eq!(stream.ask("forever").await, "waits");
        let mut taken = 0;
        let write = async {
            loop {
                taken += stream
                    .0
                    .get_mut()
                    .write(&[b'x'; 65536])
                    .await
                    .expect("written");
            }
        };
        // What the systems of both sides hold is some megabytes.
        let _: Result<(), _> = timeout(Duration::from_millis(200), write).await;
        assert!(taken < 64 << 20, "{taken} bytes");
        streams.push(stream);
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    let mut other = lines(&server).await;
    assert_eq!(other.ask("hello").await, "You sent: hello");
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut() {
    let server = app(LINES, "stream_write_timeout = '300ms'").serve().await;
    let mut deaf = lines(&server).await;
    deaf.say("much 40000000").await;
    let mut other = lines(&server).await;
    assert_eq!(other.ask("hello").await, "You sent: hello");
    server.until_now("1 of 2").await;
    assert_eq!(other.ask("hello").await, "You sent: hello");
    // One that reads slowly is not.
    let mut slow = lines(&server).await;
    slow.say("much 3000000").await;
    assert_eq!(slow.rest().await.len(), 3_000_000);
}

#[tokio::test]
async fn a_stream_is_closed_when_nothing_comes_and_nothing_goes() {
    let server = app(LINES, "stream_idle_timeout = '500ms'").serve().await;
    let (mut idle, mut busy) = (lines(&server).await, lines(&server).await);
    let mut writes = lines(&server).await;
    writes.say("tick").await;
    assert_eq!(idle.ask("hello").await, "You sent: hello");
    let reads = async { while writes.line().await == "tick" {} };
    let talks = async {
        while busy.ask("hello").await == "You sent: hello" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        end = idle.line() => assert_eq!(end, ""),
        () = reads => panic!("its handler writes"),
        () = talks => panic!("it is not idle"),
    }
    server.until_now("2 of 3").await;
}

#[tokio::test]
async fn clients_that_vanish_in_the_middle_of_a_read_leave_nothing() {
    let server = app(LINES, "").serve().await;
    let before = server.vitals();
    for round in 0..5 {
        let mut streams = Vec::new();
        for at in 0..100 {
            let mut stream = lines(&server).await;
            stream
                .0
                .write_all(b"the beginning of a line")
                .await
                .expect("written");
            stream.0.flush().await.expect("written");
            if at % 2 == 0 {
                // A reset, not an end.
                let socket = socket2::SockRef::from(stream.socket());
                socket.set_linger(Some(Duration::ZERO)).expect("an option");
            }
            streams.push(stream);
        }
        server
            .until_now(&format!("100 of {}", (round + 1) * 100))
            .await;
        drop(streams);
        server
            .until_now(&format!("0 of {}", (round + 1) * 100))
            .await;
    }
    assert_eq!(server.component(FILE).await["streams"], 0);
    server.until_as_before(before, 16).await;
}
