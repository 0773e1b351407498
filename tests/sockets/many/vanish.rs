//! Clients that are gone without a word, all at the same moment: in a message, and while their handler runs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::{FILE, lines, until_open};
use super::{at_rest, connect_all, serve, watching};
use crate::harness::websocket::{TEXT, frame};
use crate::harness::{Running, Ws};

const CLIENTS: usize = 10_000;

/// What a client is in when it vanishes.
const IN: [&str; 2] = ["message", "event"];

/// Odd ones are reset, the others only closed.
async fn vanish(server: &Running, count: usize) {
    let path = |number| format!("/events?as={}-{number}&ms=8000", IN[number / 2 % 2]);
    let mut all = connect_all(server.address, count, path).await;
    until_open(server, FILE, count as u64).await;
    let half = frame(true, 0, TEXT, &[b'x'; 100], true)[..50].to_vec();
    let slow = frame(true, 0, TEXT, b"slow", true);
    let mut events = 0;
    for (number, ws) in all.iter_mut().enumerate() {
        let is_event = number / 2 % 2 == 1;
        ws.send(if is_event { &slow } else { &half }).await;
        events += usize::from(is_event);
    }
    let is_begun = |line: &String| line.ends_with(" begin slow");
    server
        .until_json("/log", |log| {
            lines(log).iter().filter(|line| is_begun(line)).count() == events
        })
        .await;
    for (number, Ws { stream, .. }) in all.into_iter().enumerate() {
        if number % 2 == 1 {
            let reset = socket2::SockRef::from(&stream);
            reset.set_linger(Some(Duration::ZERO)).expect("a socket");
        }
    }
}

/// Each has had its `on_close`, once and last.
async fn assert_closed_once(server: &Running, count: usize) {
    let log = lines(&server.json("/log").await);
    let mut all: HashMap<&str, Vec<&str>> = HashMap::new();
    for line in &log {
        let (name, event) = line.split_once(' ').expect("a name");
        all.entry(name).or_default().push(event);
    }
    assert_eq!(all.len(), count);
    for (name, events) in all {
        let end: &[&str] = match name.starts_with("event") {
            true => &["begin slow", "end slow", "close None None"],
            false => &["close None None"],
        };
        let begin = ["initialize hi", "prepare", "open -"];
        assert_eq!(events, [&begin[..], end].concat(), "{name}");
    }
    assert_eq!(server.request("DELETE /log", "", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn ten_thousand_clients_that_vanish_are_closed_once() {
    let server = serve("sockets", "", "").await;
    // What an instance and its sockets need for the first time is no leak.
    vanish(&server, CLIENTS).await;
    until_open(&server, FILE, 0).await;
    assert_closed_once(&server, CLIENTS).await;
    at_rest(&server).await;
    let before = server.vitals();

    let again = async {
        vanish(&server, CLIENTS).await;
        let began = Instant::now();
        until_open(&server, FILE, 0).await;
        began.elapsed()
    };
    let (took, most) = watching(&server, again).await;
    assert_closed_once(&server, CLIENTS).await;
    println!(
        "vanish: {CLIENTS} clients, on_close {CLIENTS} times, the last {:.1} s after they were gone; MB before {}, \
         most {most}, after {}",
        took.as_secs_f64(),
        before.mib,
        at_rest(&server).await
    );
    server.until_in_flight(FILE, 0).await;
    let component = server.component(FILE).await;
    assert_eq!(component["traps"], 0, "{component}");
    server.until_as_before(before, 16).await;
}
