//! Streams that clients open: where the host listens, their handlers, limits, swaps, and the end.

mod end;
mod limits;
mod listeners;
mod many;
mod raw;
mod sight;
mod tls;

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;

use crate::harness::{App, Lines, Running, entry, guest, place_of, soon};

const FILE: &str = "tcp_server.wasm";

/// A stream to `Lines`.
const LINES: &str = "[[tcp]]\nlisten = '127.0.0.1:0'\nhandler = 'tcp_server.wasm#Lines'\n";

/// The guest, with this configuration; `keys` are in its table.
fn app(config: &str, keys: &str) -> App {
    App::new()
        .handler(FILE, guest("tcp_server"))
        .config(&format!(
            "{config}\n[component.{FILE:?}]\ninstances = 1\n{keys}\n"
        ))
}

/// Where the server takes streams for this handler: the `nth` that its log names, counted from 1.
async fn place(server: &Running, nth: usize, handler: &str) -> SocketAddr {
    place_of(server, nth, &format!("{FILE}#{handler}")).await
}

/// A stream to the first listener for `Lines`.
async fn lines(server: &Running) -> Lines {
    Lines::connect(place(server, 1, "Lines").await).await
}

#[tokio::test]
async fn a_stream_is_served_line_by_line_beside_requests() {
    let server = app(LINES, "").serve().await;
    let mut stream = lines(&server).await;
    assert_eq!(stream.ask("hello").await, "You sent: hello");
    // In pieces, and several at a time.
    stream.0.write_all(b"one\ntw").await.expect("written");
    stream.0.flush().await.expect("written");
    assert_eq!(stream.line().await, "You sent: one");
    assert_eq!(stream.ask("o\nthree").await, "You sent: two");
    assert_eq!(stream.line().await, "You sent: three");
    let own = stream.socket().local_addr().expect("an address");
    assert_eq!(stream.ask("address").await, format!("{own} {own}"));
    assert_eq!(server.get("/now").await.body, "1 of 1");

    // One that waits holds up no other.
    let mut other = lines(&server).await;
    assert_eq!(other.ask("forever").await, "waits");
    assert_eq!(stream.ask("still").await, "You sent: still");
    assert_eq!(stream.ask("bye").await, "bye");
    assert_eq!(stream.line().await, "", "its handler has returned");
    server.until_now("1 of 2").await;
}

#[tokio::test]
async fn a_client_that_has_said_all_gets_its_answer() {
    let server = app(LINES, "").serve().await;
    let mut stream = lines(&server).await;
    stream.say("all").await;
    stream.0.write_all(&[b'x'; 100_000]).await.expect("written");
    stream.0.shutdown().await.expect("its end");
    assert_eq!(stream.line().await, "100000");
    assert_eq!(stream.line().await, "");
    server.until_now("0 of 1").await;
}

#[tokio::test]
async fn what_was_written_last_arrives_though_something_has_come_that_nobody_reads() {
    let server = app(LINES, "").serve().await;
    for _ in 0..20 {
        let mut stream = lines(&server).await;
        stream.say("much 300000\nmore\nand more").await;
        assert_eq!(stream.rest().await.len(), 300_000);
    }
}

#[tokio::test]
async fn the_end_of_the_other_side_is_seen_without_reading() {
    let server = app(LINES, "").serve().await;
    let mut stream = lines(&server).await;
    assert_eq!(stream.ask("closed").await, "waits");
    drop(stream);
    server.log.line_with("the other side is gone").await;
    server.until_now("0 of 1").await;
}

#[tokio::test]
async fn a_stream_that_is_kept_outlives_its_handler_and_is_written_to_by_others() {
    let server = app(LINES, "").serve().await;
    let mut streams = [lines(&server).await, lines(&server).await];
    for stream in &mut streams {
        stream.say("keep").await;
    }
    server.until_now("0 of 2").await;
    assert_eq!(server.get("/tell/hello").await.body, "2");
    for stream in &mut streams {
        assert_eq!(stream.line().await, "hello");
    }
    assert_eq!(server.component(FILE).await["streams"], 2);
}

#[tokio::test]
async fn a_stream_is_read_by_the_handler_of_another_before_and_after_its_own_has_ended() {
    for lent in ["0", "300"] {
        let server = app(LINES, "").serve().await;
        let (mut one, mut other) = (lines(&server).await, lines(&server).await);
        assert_eq!(one.ask(&format!("lend {lent}")).await, "lent");
        if lent == "0" {
            server.until_now("1 of 2").await;
        }
        assert_eq!(other.ask("hear").await, "hears");
        server.until_now("1 of 2").await;
        one.say("as it was said").await;
        assert_eq!(other.line().await, "as it was said");
    }
}

#[tokio::test]
async fn an_error_is_logged_with_its_place_and_ends_one_stream() {
    let server = app(LINES, "").serve().await;
    let (mut first, mut other) = (lines(&server).await, lines(&server).await);
    assert_eq!(other.ask("hello").await, "You sent: hello");
    assert_eq!(first.ask("fail").await, "");
    let line = server.log.line_with("told to fail").await;
    let words = "uncaught error in `handle_stream` of TCP 127.0.0.1:0 (127.0.0.1): told to fail";
    assert!(
        line.contains(words) && line.contains("src/lib.rs:"),
        "{line}"
    );
    assert_eq!(other.ask("hello").await, "You sent: hello");
    // A client that is gone is no error.
    drop(other);
    server.until_now("0 of 2").await;
    assert!(!server.logged().await.contains("Stream is closed"));
}

#[tokio::test]
async fn a_trap_costs_the_streams_of_its_instance_and_names_the_culprit() {
    for (word, keys, said) in [
        ("panic", "", "told to panic"),
        ("spin", "cpu_deadline = '50ms'", "cpu_deadline"),
    ] {
        let server = app(LINES, keys).serve().await;
        let (mut first, mut other) = (lines(&server).await, lines(&server).await);
        assert_eq!(other.ask("hello").await, "You sent: hello");
        assert_eq!(first.ask(word).await, "");
        assert_eq!(other.line().await, "", "its instance is gone");
        let line = server.log.line_with("lost an instance in TCP ").await;
        assert!(server.logged().await.contains(said), "{line}");
        // The next one has a new instance.
        let mut next = lines(&server).await;
        assert_eq!(next.ask("hello").await, "You sent: hello");
        assert_eq!(server.component(FILE).await["streams"], 1);
    }
}

#[tokio::test]
async fn an_exclusive_or_fresh_instance_belongs_to_its_stream() {
    for isolation in ["exclusive", "fresh"] {
        let keys = format!("isolation = '{isolation}'\nmax_concurrent = 2\nmax_queue = 10");
        let config = LINES.to_owned();
        let app = App::new()
            .handler(FILE, guest("tcp_server"))
            .config(&format!("{config}\n[component.{FILE:?}]\n{keys}\n"));
        let server = app.serve().await;
        let (mut one, mut other) = (lines(&server).await, lines(&server).await);
        assert_eq!(one.ask("hello").await, "You sent: hello");
        assert_eq!(other.ask("hello").await, "You sent: hello");
        assert_eq!(server.component(FILE).await["instances"], 2);
        // There is no third, so this one waits.
        let mut third = lines(&server).await;
        third.say("hello").await;
        assert_eq!(one.ask("bye").await, "bye");
        assert_eq!(third.line().await, "You sent: hello", "{isolation}");
        assert_eq!(other.ask("hello").await, "You sent: hello");
    }
}

#[tokio::test]
async fn a_stream_that_is_quiet_for_long_keeps_its_exclusive_instance() {
    let keys = "isolation = 'exclusive'\ndrain_deadline = '100ms'\nmax_concurrent = 2";
    let config = format!("{LINES}[component.{FILE:?}]\n{keys}\n");
    let app = App::new().handler(FILE, guest("tcp_server"));
    let server = app.config(&config).serve().await;
    let mut stream = lines(&server).await;
    assert_eq!(stream.ask("hello").await, "You sent: hello");
    // Another instance has a request, and goes when it had none for a while.
    assert_eq!(server.get("/now").await.status, 200);
    assert_eq!(server.component(FILE).await["instances"], 2);
    server
        .until(|status| entry(status, FILE).is_some_and(|entry| entry["instances"] == 1))
        .await;
    assert_eq!(stream.ask("hello").await, "You sent: hello");
}

impl Running {
    /// Waits until the guest has this number of streams, and has had that one.
    async fn until_now(&self, words: &str) {
        soon(async {
            while self.get("/now").await.body != words {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
