//! `max_unread_total`: what has come from clients and waits, over all sockets.

use super::{FILE, ONE, app, connect, echoed, logged, until_open};
use crate::harness::websocket::{BINARY, frame};
use crate::harness::{Running, soon};

async fn serve(most: &str) -> Running {
    let lines = format!("\n[server]\nmax_unread_total = {most:?}");
    app(&format!("{ONE}{lines}")).serve().await
}

const LARGE: usize = 1 << 20;

#[tokio::test]
async fn messages_that_never_end_cost_those_who_send_nothing_for_longest() {
    let server = serve("4MB").await;
    let before = server.resident();
    let mut other = connect(&server, "/echo").await;
    let message = frame(true, 0, BINARY, &[7; LARGE], true);
    let mut all = Vec::new();
    for number in 0..32 {
        let mut ws = connect(&server, "/events").await;
        ws.send(&message[..LARGE - 1000]).await;
        all.push(ws);
        echoed(&mut other, &number.to_string()).await;
    }
    // Four of them at most, and the other.
    let few = |open: &serde_json::Value| open.as_u64() < Some(6);
    let component = soon(async {
        loop {
            let component = server.component(FILE).await;
            if few(&component["sockets"]) {
                return component;
            }
        }
    });
    let component = component.await;
    assert!(component["sockets"].as_u64() > Some(3), "{component}");
    let more = server.resident().saturating_sub(before) / 1024;
    assert!(more < 24, "{more} MiB of 32");
    // The latest goes on.
    let mut last = all.pop().expect("the last");
    last.send(&message[LARGE - 1000..]).await;
    last.expect_text(&LARGE.to_string()).await;
}

#[tokio::test]
async fn what_clients_leave_behind_is_forgotten_where_it_is_too_much() {
    let server = serve("1MB").await;
    for name in ["a", "b"] {
        let mut ws = connect(&server, &format!("/events?as={name}&ms=4000")).await;
        ws.send_text("first").await;
        logged(&server, &format!("{name} begin first")).await;
        ws.send_binary(vec![7; LARGE]).await;
        ws.send_close(1000, "").await;
        // It is read, whatever becomes of it.
        ws.send_ping("behind the close").await;
    }
    until_open(&server, FILE, 0).await;
    let log = logged(&server, "b close Some(1000) None").await;
    let begun = |name| log.contains(&format!("{name} begin "));
    assert_eq!((begun("a"), begun("b")), (false, true), "{log:?}");
    let closes = log.iter().filter(|line| line.contains(" close ")).count();
    assert_eq!(closes, 2, "{log:?}");
}
