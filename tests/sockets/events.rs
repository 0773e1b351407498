//! What a handler is told of, in which order, and how often; and what a fault in one of its functions costs.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt;

use super::{FILE, ONE, connect, echoed, lines, logged, seen, serve, until_open};
use crate::harness::websocket::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame};
use crate::harness::{Frame, Ws, soon};

#[tokio::test]
async fn events_come_in_their_order_with_the_arguments_of_the_path() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/events/path?as=a").await;
    // All in one piece: what comes first has to be said first all the same.
    let two = [
        frame(true, 0, TEXT, b"x", true),
        frame(true, 0, TEXT, b"y", true),
    ];
    ws.send(two.concat()).await;
    ws.expect_text("x").await;
    ws.expect_text("y").await;
    let expected = json!([
        "initialize hi",
        "prepare",
        "open path",
        "begin x",
        "end x",
        "begin y",
        "end y",
        "begin seen",
        "end seen"
    ]);
    assert_eq!(seen(&mut ws).await["seen"], expected);
    // Each socket has an object of its own.
    let mut ws = connect(&server, "/events?as=b").await;
    let expected = json!([
        "initialize hi",
        "prepare",
        "open -",
        "begin seen",
        "end seen"
    ]);
    assert_eq!(seen(&mut ws).await["seen"], expected);
}

#[tokio::test]
async fn a_slow_event_holds_up_its_own_socket_alone() {
    let server = serve(ONE).await;
    let mut slow = connect(&server, "/events?as=slow&ms=1500").await;
    let mut other = connect(&server, "/events?as=other").await;
    slow.send_text("1").await;
    slow.send_text("2").await;
    logged(&server, "slow begin 1").await;
    echoed(&mut other, "meanwhile").await;
    slow.expect_text("1").await;
    slow.expect_text("2").await;
    let log = logged(&server, "slow end 2").await;
    let of_interest = log
        .iter()
        .filter(|line| line.contains("begin") || line.contains("end"));
    let of_interest: Vec<_> = of_interest.collect();
    assert_eq!(
        of_interest,
        [
            "slow begin 1",
            "other begin meanwhile",
            "other end meanwhile",
            "slow end 1",
            "slow begin 2",
            "slow end 2"
        ]
    );
}

#[tokio::test]
async fn pings_are_answered_and_told_of_and_pongs_are_told_of() {
    let server = serve(ONE).await;
    for path in ["/echo", "/events"] {
        let mut ws = connect(&server, path).await;
        let longest = [b'p'; 125];
        for data in [&b""[..], b"data", &longest] {
            ws.send_ping(data).await;
            assert_eq!(ws.next().await, Frame::whole(PONG, data), "{path}");
        }
        // Nobody has asked for it.
        ws.send_frame(true, 0, PONG, "unasked", true).await;
        echoed(&mut ws, "on it goes").await;
        if path == "/echo" {
            continue;
        }
        ws.send_text("ping from-here").await;
        let ping = ws.next().await;
        assert_eq!(ping, Frame::whole(PING, "from-here"));
        ws.send_frame(true, 0, PONG, ping.payload, true).await;
        let seen = seen(&mut ws).await["seen"].clone();
        let seen = lines(&seen);
        let told: Vec<_> = seen
            .iter()
            .filter(|event| event.starts_with("p") && *event != "prepare")
            .collect();
        let long = format!("ping {}", "p".repeat(125));
        let expected = [
            "ping ",
            "ping data",
            &long,
            "pong unasked",
            "pong from-here",
        ];
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn on_close_is_told_what_the_client_said_exactly_once() {
    let server = serve(ONE).await;
    for (name, code, reason, told) in [
        ("a", Some(1000), "bye", "close Some(1000) Some(\"bye\")"),
        ("b", Some(4999), "", "close Some(4999) None"),
        ("c", None, "", "close None None"),
    ] {
        let mut ws = connect(&server, &format!("/events?as={name}")).await;
        ws.send_close(code, reason).await;
        // It gets its own words back.
        assert_eq!(ws.expect_close(code).await, reason);
        assert_eq!(ws.rest().await, b"");
        let told = format!("{name} {told}");
        logged(&server, &told).await;
        until_open(&server, FILE, 0).await;
        let log = logged(&server, &told).await;
        let closes = log
            .iter()
            .filter(|line| line.starts_with(&format!("{name} close")));
        assert_eq!(closes.count(), 1, "{log:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_the_answer_has_said_its_code() {
    let server = serve(ONE).await;
    for number in 0..20 {
        let mut ws = connect(&server, &format!("/events?as={number}&ms=50")).await;
        let close = [&4001_u16.to_be_bytes()[..], b"off"].concat();
        let both = [(TEXT, &b"slow"[..]), (CLOSE, &close)];
        let both = both.map(|(opcode, payload)| frame(true, 0, opcode, payload, true));
        ws.send(both.concat()).await;
        // A reset: what the server writes fails.
        let reset = socket2::SockRef::from(&ws.stream);
        if number % 2 == 0 {
            reset.set_linger(Some(Duration::ZERO)).unwrap();
            logged(&server, &format!("{number} begin slow")).await;
        }
        drop(ws);
        logged(&server, &format!("{number} close Some(4001) Some(\"off\")")).await;
    }
}

#[tokio::test]
async fn on_close_comes_exactly_once_for_clients_that_vanish() {
    let server = serve(ONE).await;
    let half = frame(true, 0, TEXT, &[b'x'; 100], true)[..50].to_vec();
    let mut gone = Vec::new();
    for round in 0..10 {
        for way in ["idle", "half", "head", "event", "reset", "piece"] {
            let ms = if way == "event" { 300 } else { 0 };
            let name = format!("{way}{round}");
            let mut ws = connect(&server, &format!("/events?as={name}&ms={ms}")).await;
            match way {
                "half" => ws.send(&half).await,
                "head" => ws.send(&half[..1]).await,
                "event" => {
                    ws.send_text("slow").await;
                    logged(&server, &format!("{name} begin slow")).await;
                }
                "piece" => ws.send_frame(false, 0, TEXT, "begun", true).await,
                "reset" => {
                    let reset = socket2::SockRef::from(&ws.stream);
                    reset.set_linger(Some(Duration::ZERO)).unwrap();
                }
                _ => {}
            }
            gone.push(name);
        }
    }
    until_open(&server, FILE, 0).await;
    let log = lines(&server.json("/log").await);
    for name in &gone {
        let begin = format!("{name} ");
        let its: Vec<_> = log
            .iter()
            .filter_map(|line| line.strip_prefix(&begin))
            .collect();
        let closes = its.iter().filter(|line| line.starts_with("close")).count();
        assert_eq!(closes, 1, "{name}: {its:?}");
        // The event that was under way has ended before.
        assert_eq!(its.last(), Some(&"close None None"), "{name}: {its:?}");
        if name.starts_with("event") {
            assert_eq!(its[its.len() - 2], "end slow", "{its:?}");
        }
    }
    // What has asked for the log just now may not be over.
    server.until_in_flight(FILE, 0).await;
    let component = server.component(FILE).await;
    assert_eq!(component["traps"], 0, "{component}");
}

#[tokio::test]
async fn a_message_is_answered_though_a_close_frame_comes_with_it() {
    let server = serve(ONE).await;
    // Tornado reads the next frame when the handler is done with the one before.
    let mut ws = connect(&server, "/echo").await;
    let close = frame(true, 0, CLOSE, &1000_u16.to_be_bytes(), true);
    ws.send([frame(true, 0, TEXT, b"last words", true), close].concat())
        .await;
    ws.expect_text("last words").await;
    ws.expect_close(1000).await;
    assert_eq!(ws.rest().await, b"");
}

#[tokio::test]
async fn a_handler_closes_with_its_code_and_reason() {
    let server = serve(ONE).await;
    for (said, code, reason) in [
        ("close", None, ""),
        ("close 1000", Some(1000), ""),
        ("close 3000 gone to lunch", Some(3000), "gone to lunch"),
    ] {
        let mut ws = connect(&server, &format!("/events?as={}", said.len())).await;
        ws.send_text(said).await;
        assert_eq!(ws.expect_close(code).await, reason, "{said}");
        ws.send_close(4000, "as you say").await;
        assert_eq!(ws.rest().await, b"", "{said}");
        let line = format!("{} close Some(4000) Some(\"as you say\")", said.len());
        logged(&server, &line).await;
    }
    // A code that nobody may say is a fault of the handler.
    for code in [999, 1005, 1006, 1015, 2999, 5000] {
        let mut ws = connect(&server, "/events?as=wrong").await;
        ws.send_text(&format!("close {code}")).await;
        ws.expect_close(1011).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_a_close_frame_is_cut() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/events?as=a").await;
    ws.send_text("close 4000").await;
    ws.expect_close(4000).await;
    // After 5 s, as Tornado has it.
    logged(&server, "a close None None").await;
    assert_eq!(ws.rest().await, b"");
    until_open(&server, FILE, 0).await;
}

#[tokio::test]
async fn an_error_closes_its_own_socket_alone() {
    let server = serve(ONE).await;
    let mut other = connect(&server, "/events?as=other").await;
    let mut ws = connect(&server, "/events?as=a").await;
    ws.send_text("fail").await;
    ws.expect_close(1011).await;
    let line = server.log.line_with("uncaught error in `on_message`").await;
    assert!(line.contains("GET /events?as=a"), "{line}");
    server.log.line_with("as it was told").await;
    ws.send_close(1011, "").await;
    assert_eq!(ws.rest().await, b"");
    logged(&server, "a close Some(1011) None").await;
    echoed(&mut other, "undisturbed").await;
    assert_eq!(server.component(FILE).await["traps"], 0);
}

#[tokio::test]
async fn nothing_is_told_to_a_handler_behind_its_error() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/events?as=a").await;
    let texts = ["fail", "behind"].map(|text| frame(true, 0, TEXT, text.as_bytes(), true));
    ws.send(texts.concat()).await;
    ws.expect_close(1011).await;
    ws.send_close(1011, "").await;
    let log = logged(&server, "a close Some(1011) None").await;
    assert!(!log.iter().any(|line| line == "a begin behind"), "{log:?}");
}

#[tokio::test]
async fn a_trap_closes_the_sockets_of_its_instance_and_the_next_ones_open() {
    let server = serve(ONE).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(connect(&server, "/events?as=other").await);
    }
    let mut ws = connect(&server, "/events?as=a").await;
    ws.send_text("trap").await;
    for ws in others.iter_mut().chain([&mut ws]) {
        ws.expect_close(1011).await;
        ws.send_close(1011, "").await;
        assert_eq!(ws.rest().await, b"");
    }
    until_open(&server, FILE, 0).await;
    let line = server.log.line_with("lost an instance in").await;
    assert!(line.contains("GET /events?as=a"), "{line}");
    let mut next = connect(&server, "/events?as=next").await;
    echoed(&mut next, "works").await;
    // A new instance, which has heard of nothing before.
    let log = lines(&server.json("/log").await);
    assert!(log.iter().all(|line| line.starts_with("next ")), "{log:?}");
    assert_eq!(server.component(FILE).await["traps"], 1);
}

#[tokio::test]
async fn a_request_writes_to_all_sockets_of_its_instance() {
    let server = serve(ONE).await;
    let mut sockets = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut ws = connect(&server, "/everyone").await;
        ids.push(ws.next().await.payload);
        sockets.push(ws);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "ids are not the same twice");
    let answer = server.request("POST /everyone?times=2", "", "all").await;
    assert_eq!(answer.body, r#"{"closed":0,"sent":6,"slow":0}"#);
    for ws in &mut sockets {
        ws.expect_text("all").await;
        ws.expect_text("all").await;
    }
    let mut gone = sockets.pop().unwrap();
    gone.send_close(1000, "").await;
    gone.expect_close(1000).await;
    until_open(&server, FILE, 2).await;
    let answer = server.request("POST /everyone", "", "rest").await;
    assert_eq!(answer.body, r#"{"closed":0,"sent":2,"slow":0}"#);
    for ws in &mut sockets {
        ws.expect_text("rest").await;
    }
}

#[tokio::test]
async fn every_instance_reaches_a_socket_by_its_id() {
    let server = serve("instances = 2").await;
    let mut ws = connect(&server, "/everyone").await;
    let id = String::from_utf8(ws.next().await.payload).unwrap();
    // Whichever instance it is: in both, some requests know of the socket, and others don't.
    let (mut with, mut without) = (0, 0);
    while with == 0 || without == 0 {
        let answer = server.request("POST /everyone", "", "here").await;
        match &*answer.body {
            r#"{"closed":0,"sent":1,"slow":0}"# => {
                with += 1;
                ws.expect_text("here").await;
            }
            _ => without += 1,
        }
    }
    for number in 0..20 {
        let text = format!("number {number}");
        let answer = server
            .request(&format!("POST /socket/{id}"), "", &text)
            .await;
        assert_eq!(answer.status, 200);
        ws.expect_text(&text).await;
    }
    let answer = server
        .request(&format!("DELETE /socket/{id}"), "", "")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(ws.expect_close(4000).await, "by a request");
    ws.send_close(4000, "").await;
    until_open(&server, FILE, 0).await;
    let answer = server.request(&format!("POST /socket/{id}"), "", "x").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn messages_keep_their_kind_and_bytes_of_every_length() {
    let server = serve(ONE).await;
    for path in ["/echo", "/echo?deflate=1"] {
        let mut ws = connect(&server, path).await;
        for length in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 300_000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
            ws.send_binary(&bytes).await;
            assert_eq!(whole(&mut ws).await, (BINARY, bytes), "{path}");
            let text = "é".repeat(length / 2);
            ws.send_text(&text).await;
            assert_eq!(whole(&mut ws).await, (TEXT, text.into_bytes()), "{path}");
        }
    }
}

/// A message, whatever its frames.
async fn whole(ws: &mut Ws) -> (u8, Vec<u8>) {
    let mut frame = ws.next().await;
    let mut payload = std::mem::take(&mut frame.payload);
    let opcode = frame.opcode;
    while !frame.fin {
        frame = ws.next().await;
        assert_eq!(frame.opcode, CONTINUATION);
        payload.extend(&frame.payload);
    }
    (opcode, payload)
}

#[tokio::test]
async fn a_client_may_close_one_direction_of_its_connection() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/events?as=a").await;
    echoed(&mut ws, "x").await;
    tokio::io::AsyncWriteExt::shutdown(&mut ws.stream)
        .await
        .unwrap();
    // That is an end without words.
    let mut rest = Vec::new();
    soon(ws.stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"");
    logged(&server, "a close None None").await;
}
