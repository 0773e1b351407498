//! Sockets that are subscribed to topics: what is published goes to them from the host.

use serde_json::json;

use super::{FILE, ONE, connect, publish, serve, until_open};
use crate::harness::websocket::BINARY;
use crate::harness::{App, Frame, Running, Ws, guest, soon};

/// Publishes until so many have heard it: a socket subscribes in `open`, which comes after its handshake.
async fn until_heard_by(server: &Running, topic: &str, count: u64) {
    soon(async { while publish(server, topic, "go").await != json!(count) {} }).await;
}

/// Reads on to the first message that is another one.
async fn next_but_go(ws: &mut Ws) -> Frame {
    loop {
        let frame = ws.next().await;
        if frame.payload != b"go" {
            return frame;
        }
    }
}

async fn publish_many(server: &Running, topic: &str, times: u32, text: &str) {
    let line = format!("POST /publish/{topic}?times={times}");
    let answer = server.request(&line, "", text).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_is_published_reaches_every_subscriber_in_order_and_no_other() {
    let server = serve("instances = 2").await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(connect(&server, "/topic/a").await);
    }
    let mut elsewhere = connect(&server, "/topic/b").await;
    until_heard_by(&server, "a", 5).await;
    until_heard_by(&server, "b", 1).await;
    publish_many(&server, "a", 500, "number ").await;
    for ws in &mut all {
        for number in 0..500 {
            let text = format!("number {number}");
            assert_eq!(next_but_go(ws).await, Frame::whole(1, text));
        }
    }
    assert_eq!(publish(&server, "b", "b alone").await, 1);
    assert_eq!(
        next_but_go(&mut elsewhere).await,
        Frame::whole(1, "b alone")
    );
}

#[tokio::test]
async fn text_is_text_where_it_can_be_and_the_subscriber_does_not_want_bytes() {
    let server = serve(ONE).await;
    let mut text = connect(&server, "/topic/a").await;
    let mut bytes = connect(&server, "/topic/a?binary=1").await;
    until_heard_by(&server, "a", 2).await;
    publish(&server, "a", "grüße").await;
    assert_eq!(next_but_go(&mut text).await, Frame::whole(1, "grüße"));
    let go = Frame::whole(BINARY, "go");
    let mut frame = bytes.next().await;
    while frame == go {
        frame = bytes.next().await;
    }
    assert_eq!(frame, Frame::whole(BINARY, "grüße"));
    // What is no text goes as bytes to all.
    let mut client = server.connect().await;
    client
        .send(b"POST /publish/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\xff\xfe")
        .await;
    assert_eq!(soon(client.answer()).await.body, "2");
    for ws in [&mut text, &mut bytes] {
        assert_eq!(ws.next().await, Frame::whole(BINARY, b"\xff\xfe"));
    }
}

#[tokio::test]
async fn who_unsubscribes_hears_no_more_and_goes_on() {
    let server = serve(ONE).await;
    let mut stays = connect(&server, "/topic/a").await;
    let mut leaves = connect(&server, "/topic/a").await;
    until_heard_by(&server, "a", 2).await;
    leaves.send_text("-").await;
    until_heard_by(&server, "a", 1).await;
    publish(&server, "a", "later").await;
    assert_eq!(next_but_go(&mut stays).await, Frame::whole(1, "later"));
    // It answers, and nothing came before the answer.
    leaves.send_text("?").await;
    assert_eq!(next_but_go(&mut leaves).await, Frame::whole(1, "0"));
}

#[tokio::test]
async fn a_socket_that_closes_leaves_its_topic() {
    let server = serve(ONE).await;
    assert_eq!(publish(&server, "a", "x").await, 0);
    let mut one = connect(&server, "/topic/a").await;
    let two = connect(&server, "/topic/a").await;
    until_heard_by(&server, "a", 2).await;
    one.send_close(1000, "").await;
    until_heard_by(&server, "a", 1).await;
    drop(two);
    until_heard_by(&server, "a", 0).await;
    until_open(&server, FILE, 0).await;
}

#[tokio::test]
async fn what_a_slow_client_loses_is_the_oldest_and_counted() {
    let server = App::new()
        .handler(FILE, guest("sockets"))
        .config(&format!(
            "[component.{FILE:?}]\ninstances = 1\nmax_socket_unsent = \"128KB\"\n"
        ))
        .serve()
        .await;
    let mut slow = connect(&server, "/topic/a").await;
    let mut quick = connect(&server, "/topic/a").await;
    until_heard_by(&server, "a", 2).await;
    const TIMES: u32 = 2000;
    let text = "x".repeat(16 * 1024);
    let number = |frame: &Frame| -> u32 {
        let number = std::str::from_utf8(&frame.payload[text.len()..]).unwrap();
        number.parse().unwrap()
    };
    // More than the system's buffers and the queue hold. The other reads on, and publishing waits for neither.
    let publishes = publish_many(&server, "a", TIMES, &text);
    let reads = async {
        let mut last = None;
        let mut count = 0;
        while last != Some(TIMES - 1) {
            let next = number(&next_but_go(&mut quick).await);
            assert!(last < Some(next), "{next} after {last:?}");
            last = Some(next);
            count += 1;
        }
        count
    };
    let ((), quick_count) = soon(async { tokio::join!(publishes, reads) }).await;
    let mut last = None;
    let mut count = 0;
    while last != Some(TIMES - 1) {
        let next = number(&next_but_go(&mut slow).await);
        assert!(last < Some(next), "{next} after {last:?}");
        last = Some(next);
        count += 1;
    }
    assert!(count < TIMES, "nothing was lost");
    for (ws, count) in [(&mut slow, count), (&mut quick, quick_count)] {
        ws.send_text("?").await;
        ws.expect_text(&(TIMES - count).to_string()).await;
    }
}

#[tokio::test]
async fn many_sockets_hear_of_one_call() {
    let server = serve(ONE).await;
    let mut all = Vec::new();
    for _ in 0..200 {
        all.push(connect(&server, "/topic/a").await);
    }
    until_heard_by(&server, "a", 200).await;
    let before = server.component(FILE).await["requests"].as_u64().unwrap();
    assert_eq!(publish(&server, "a", "to all").await, 200);
    for ws in &mut all {
        assert_eq!(next_but_go(ws).await, Frame::whole(1, "to all"));
    }
    let after = server.component(FILE).await["requests"].as_u64().unwrap();
    assert_eq!(after - before, 1);
}

#[tokio::test]
async fn what_a_handler_writes_and_what_is_published_keep_their_order() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/topic/a").await;
    until_heard_by(&server, "a", 1).await;
    for number in 0..50 {
        publish(&server, "a", &format!("before {number}")).await;
        ws.send_text("?").await;
        let text = format!("before {number}");
        assert_eq!(next_but_go(&mut ws).await, Frame::whole(1, text));
        ws.expect_text("0").await;
    }
}
