//! Limits, each crossed by one client while another goes on undisturbed.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{FILE, ONE, app, connect, echoed, lines, logged, serve, until_open};
use crate::harness::websocket::{CONTINUATION, PING, PONG, TEXT, frame};
use crate::harness::{App, Running, guest, soon};

/// What a POST to `/everyone` says of its messages.
async fn everyone(server: &Running, query: &str, text: &str) -> Value {
    let line = format!("POST /everyone{query}");
    let answer = server.request(&line, "", text).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// An app with these lines in `[server]`, and these for the guest.
async fn serve_with(lines: &str, rules: &str) -> Running {
    app("")
        .config(&format!(
            "[server]\n{lines}\n[component.{FILE:?}]\ninstances = 1\n{rules}\n"
        ))
        .serve()
        .await
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_after_write_timeout_and_no_other() {
    let server = serve_with("write_timeout = \"1s\"", "max_socket_unsent = \"256KB\"").await;
    let mut deaf = connect(&server, "/everyone").await;
    deaf.next().await;
    let mut other = connect(&server, "/echo").await;
    // More than the system's own buffers hold. The write waits, and then it is told that the socket is closed.
    let text = "x".repeat(200 * 1024);
    let writes = everyone(&server, "?times=200&ms=20000", &text);
    let asks = async {
        for number in 0..50 {
            echoed(&mut other, &number.to_string()).await;
        }
    };
    let (told, ()) = soon(async { tokio::join!(writes, asks) }).await;
    assert_eq!(told["slow"], 0, "{told}");
    let (sent, closed) = (told["sent"].as_u64(), told["closed"].as_u64());
    assert!(closed > Some(0) && sent < Some(200), "{told}");
    until_open(&server, FILE, 1).await;
    echoed(&mut other, "undisturbed").await;
    drop(deaf);
}

#[tokio::test]
async fn past_max_socket_unsent_a_write_waits_and_nothing_is_lost() {
    let server = serve_with("write_timeout = \"30s\"", "max_socket_unsent = \"64KB\"").await;
    let mut ws = connect(&server, "/everyone").await;
    ws.next().await;
    // What is written by a call that is given up is not sent; all else is, in its order.
    let text = "x".repeat(32 * 1024);
    let told = everyone(&server, "?times=1000&ms=20", &text).await;
    let sent = told["sent"].as_u64().unwrap();
    assert!(told["slow"].as_u64() > Some(0) && sent > 0, "{told}");
    for _ in 0..sent {
        ws.expect_text(&text).await;
    }
    // And there is room again.
    assert_eq!(
        everyone(&server, "?times=3", "last").await,
        json!({ "sent": 3, "closed": 0, "slow": 0 })
    );
    for _ in 0..3 {
        ws.expect_text("last").await;
    }
}

#[tokio::test]
async fn a_message_that_is_larger_than_all_that_may_wait_is_sent_when_nothing_else_waits() {
    let server = serve_with("", "max_socket_unsent = \"1KB\"").await;
    let mut ws = connect(&server, "/echo").await;
    let text = "x".repeat(1 << 20);
    for _ in 0..3 {
        echoed(&mut ws, &text).await;
    }
}

#[tokio::test]
async fn past_max_socket_events_a_client_is_not_read_and_nothing_is_lost() {
    let server = serve("instances = 1\nmax_socket_events = 2").await;
    let before = server.resident();
    let mut ws = connect(&server, "/events?as=slow&ms=3000").await;
    let mut other = connect(&server, "/echo").await;
    ws.send_text("first").await;
    logged(&server, "slow begin first").await;
    // All of it can't be taken while the first is under way.
    let large = "y".repeat(1 << 20);
    let message = frame(true, 0, TEXT, large.as_bytes(), true);
    let sends = async {
        for _ in 0..64 {
            ws.send(&message).await;
        }
    };
    let asks = async {
        for number in 0..100 {
            echoed(&mut other, &number.to_string()).await;
        }
        server.resident()
    };
    tokio::select! {
        () = sends => panic!("64 MiB were taken while an event was under way"),
        resident = soon(asks) => {
            let more = resident.saturating_sub(before) / 1024;
            assert!(more < 32, "{more} MiB");
        }
    }
}

#[tokio::test]
async fn small_messages_past_the_limit_wait_in_their_order() {
    let server = serve("instances = 1\nmax_socket_events = 2").await;
    let mut ws = connect(&server, "/events?ms=1").await;
    let texts: Vec<String> = (0..300).map(|number| format!("number {number}")).collect();
    for text in &texts {
        ws.send_text(text).await;
    }
    for text in &texts {
        ws.expect_text(text).await;
    }
}

#[tokio::test]
async fn what_a_client_says_after_the_server_has_closed_is_not_piled_up() {
    let server = serve("instances = 1\nmax_socket_events = 2").await;
    let mut ws = connect(&server, "/events?as=a&ms=6000").await;
    ws.send_text("slow").await;
    logged(&server, "a begin slow").await;
    let before = server.resident();
    // By its id: the first of this server.
    let answer = server.request("DELETE /socket/1", "", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(ws.expect_close(4000).await, "by a request");
    let message = frame(true, 0, TEXT, &[b'z'; 1 << 20], true);
    let floods = async {
        // Until it is cut off.
        for _ in 0..300 {
            if ws.stream.write_all(&message).await.is_err() {
                return;
            }
        }
    };
    soon(floods).await;
    let more = server.resident().saturating_sub(before) / 1024;
    assert!(more < 64, "{more} MiB of 300 are kept");
}

fn pinging(settings: &str) -> App {
    App::new()
        .handler(FILE, guest("sockets"))
        .config(&format!("[settings]\n{settings}\n"))
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed_and_one_that_does_is_not() {
    let server = pinging("websocket_ping_interval = \"300ms\"").serve().await;
    let mut deaf = connect(&server, "/events?as=deaf").await;
    let mut good = connect(&server, "/events?as=good").await;
    let hears = async {
        assert_eq!(deaf.next().await.opcode, PING);
        assert_eq!(deaf.expect_close(1000).await, "ping timed out");
        deaf.send_close(1000, "ping timed out").await;
        deaf.rest().await
    };
    let answers = async {
        for _ in 0..5 {
            let ping = good.next().await;
            assert_eq!(ping.opcode, PING);
            good.send_frame(true, 0, PONG, ping.payload, true).await;
        }
    };
    let (rest, ()) = soon(async { tokio::join!(hears, answers) }).await;
    assert_eq!(rest, b"");
    until_open(&server, FILE, 1).await;
}

#[tokio::test]
async fn a_ping_time_out_may_be_shorter_than_the_interval_and_not_longer() {
    for timeout in ["100ms", "60s"] {
        let server = pinging(&format!(
            "websocket_ping_interval = \"500ms\"\nwebsocket_ping_timeout = {timeout:?}"
        ));
        let server = server.serve().await;
        let mut ws = connect(&server, "/echo").await;
        assert_eq!(ws.next().await.opcode, PING);
        assert_eq!(ws.expect_close(1000).await, "ping timed out", "{timeout}");
    }
}

#[tokio::test]
async fn an_event_past_event_deadline_ends_its_socket_alone() {
    let server = serve("instances = 1\nevent_deadline = \"300ms\"").await;
    let mut other = connect(&server, "/events?as=other").await;
    let mut slow = connect(&server, "/events?as=slow&ms=20000").await;
    slow.send_text("slow").await;
    logged(&server, "slow begin slow").await;
    slow.expect_close(1011).await;
    slow.send_close(1011, "").await;
    let line = server.log.line_with("it did not end within 300ms").await;
    assert!(line.contains("GET /events?as=slow"), "{line}");
    logged(&server, "slow close Some(1011) None").await;
    echoed(&mut other, "undisturbed").await;
    let log = lines(&server.json("/log").await);
    assert!(!log.contains(&"slow end slow".to_owned()), "{log:?}");
    let component = server.component(FILE).await;
    assert_eq!(
        (&component["traps"], &component["instances"]),
        (&json!(0), &json!(1))
    );
}

#[tokio::test]
async fn running_events_count_towards_max_concurrent_and_quiet_sockets_do_not() {
    let server = serve("instances = 1\nmax_concurrent = 2\nmax_queue = 1").await;
    let mut sockets = Vec::new();
    for number in 0..20 {
        sockets.push(connect(&server, &format!("/events?as={number}&ms=200")).await);
    }
    // Each has its turn.
    for ws in &mut sockets {
        ws.send_text("x").await;
    }
    for ws in &mut sockets {
        ws.expect_text("x").await;
    }
    let log = server.json("/log").await;
    let (mut under_way, mut most) = (0, 0);
    for line in lines(&log) {
        if line.ends_with("begin x") {
            under_way += 1;
        } else if line.ends_with("end x") {
            under_way -= 1;
        }
        most = most.max(under_way);
    }
    assert_eq!(most, 2, "{log}");
}

#[tokio::test]
async fn pieces_that_never_become_a_message_are_bounded() {
    let server = serve(ONE).await;
    let before = server.resident();
    let mut ws = connect(&server, "/echo").await;
    ws.send_frame(false, 0, TEXT, "", true).await;
    let empty = frame(false, 0, CONTINUATION, b"", true).repeat(100_000);
    ws.send(&empty).await;
    ws.send_frame(true, 0, CONTINUATION, "end", true).await;
    ws.expect_text("end").await;
    let more = server.resident().saturating_sub(before) / 1024;
    assert!(more < 16, "{more} MiB");
}
