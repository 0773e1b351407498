//! The handshake: who refuses it and how, and what the answer to one that is accepted says.

use serde_json::json;

use super::{FILE, ONE, app, connect, echoed, seen, serve, until_open};
use crate::harness::websocket::{TEXT, frame, handshake};
use crate::harness::{Answer, App, Client, Frame, Running, Ws, guest, soon};

/// The answer to a handshake that is refused.
async fn refused(server: &Running, path: &str, lines: &[&str]) -> Answer {
    let mut client = server.connect().await;
    client.send(handshake(path, lines)).await;
    soon(client.answer()).await
}

const UPGRADE: &str = "Upgrade: websocket\r\n";
const CONNECTION: &str = "Connection: keep-alive, Upgrade\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn what_is_no_handshake_gets_tornado_s_answer_and_wakes_no_guest() {
    let server = serve(ONE).await;
    let no_upgrade = "Can \"Upgrade\" only to \"WebSocket\".";
    let no_connection = "\"Connection\" must be \"Upgrade\".";
    let no_key = "Missing/Invalid WebSocket headers";
    let foreign = "Cross origin websockets not allowed";
    let cases: [(&[&str], u16, &str); 9] = [
        (&[], 400, no_upgrade),
        (
            &["Upgrade: h2c\r\n", CONNECTION, VERSION, KEY],
            400,
            no_upgrade,
        ),
        (&[UPGRADE, VERSION, KEY], 400, no_connection),
        (&[UPGRADE, CONNECTION, VERSION], 400, no_key),
        (
            &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: abc\r\n"],
            400,
            no_key,
        ),
        (&[UPGRADE, CONNECTION, KEY], 426, ""),
        (
            &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 12\r\n"],
            426,
            "",
        ),
        (
            &[
                UPGRADE,
                CONNECTION,
                VERSION,
                KEY,
                "Origin: http://foe.example\r\n",
            ],
            403,
            foreign,
        ),
        (
            &[UPGRADE, CONNECTION, VERSION, KEY, "Origin: null\r\n"],
            403,
            foreign,
        ),
    ];
    for (lines, status, body) in cases {
        let answer = server.request("GET /echo", &lines.concat(), "").await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{lines:?}");
        let version = answer.header("sec-websocket-version");
        assert_eq!(version, (status == 426).then_some("13"), "{lines:?}");
    }
    let component = server.component(FILE).await;
    assert_eq!(component["requests"], 0, "{component}");
    // Its own origin, in any case, or where a browser says so.
    Ws::connect_with(server.address, "/echo", &["Origin: http://LOCALHOST"]).await;
    let behind_a_proxy = [
        "Origin: https://elsewhere.example",
        "Sec-Fetch-Site: same-origin",
    ];
    Ws::connect_with(server.address, "/echo", &behind_a_proxy).await;
}

#[tokio::test]
async fn a_handler_decides_about_origins_by_itself() {
    let server = serve(ONE).await;
    let friend = ["Origin: https://friend.example"];
    let mut ws = Ws::connect_with(server.address, "/guarded", &friend).await;
    ws.expect_text("asked about https://friend.example").await;
    // A client that is no browser has none.
    let mut ws = connect(&server, "/guarded").await;
    ws.expect_text("asked about nothing").await;
    // Nor is it asked about its own.
    let mut ws = Ws::connect_with(server.address, "/guarded", &["Origin: http://localhost"]).await;
    ws.expect_text("asked about nothing").await;
    let foe = ["Origin: https://foe.example"];
    let answer = refused(&server, "/guarded", &foe).await;
    let foreign = "Cross origin websockets not allowed";
    assert_eq!((answer.status, &*answer.body), (403, foreign));
}

#[tokio::test]
async fn prepare_may_refuse_and_the_connection_goes_on() {
    let server = serve(ONE).await;
    let mut client = server.connect().await;
    client.send(handshake("/events?as=a&refuse=401", &[])).await;
    assert_eq!(soon(client.answer()).await.status, 401);
    client
        .send(handshake("/events?as=b&refuse=redirect", &[]))
        .await;
    let answer = soon(client.answer()).await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), Some("/elsewhere"));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("prepared=yes"), "{cookie}");
    // Neither was ever open, or has to be closed.
    until_open(&server, FILE, 0).await;
    let log = soon(client.get("/log")).await.body;
    let log: Vec<String> = serde_json::from_str(&log).unwrap();
    assert_eq!(
        log,
        [
            "a initialize hi",
            "a prepare",
            "b initialize hi",
            "b prepare"
        ]
    );
}

#[tokio::test]
async fn the_answer_has_cookies_and_headers_of_the_handler() {
    let server = serve(ONE).await;
    let mut ws = Ws::connect_with(server.address, "/events", &["Cookie: user=me"]).await;
    assert_eq!(ws.header("upgrade"), Some("websocket"));
    assert_eq!(ws.header("connection"), Some("Upgrade"));
    assert_eq!(ws.header("x-prepared"), Some("yes"));
    assert_eq!(ws.header("x-default"), Some("1"));
    assert_eq!(ws.header("content-length"), None);
    assert_eq!(ws.header("content-type"), None);
    assert_eq!(ws.header("sec-websocket-protocol"), None);
    assert_eq!(ws.header("sec-websocket-extensions"), None);
    let cookie = ws.header("set-cookie").unwrap();
    assert!(cookie.starts_with("prepared=yes"), "{cookie}");
    assert_eq!(seen(&mut ws).await["cookie"], "me");
}

#[tokio::test]
async fn a_subprotocol_is_one_of_those_offered() {
    let server = serve(ONE).await;
    let offers = [
        "Sec-WebSocket-Protocol: no, yes.2",
        "Sec-WebSocket-Protocol: yes.1",
    ];
    let mut ws = Ws::connect_with(server.address, "/events", &offers).await;
    assert_eq!(ws.header("sec-websocket-protocol"), Some("yes.2"));
    let offered = json!(["no", "yes.2", "yes.1"]);
    assert_eq!(seen(&mut ws).await["subprotocols"], offered);

    let ws = Ws::connect_with(server.address, "/events", &offers[..1]).await;
    assert_eq!(ws.header("sec-websocket-protocol"), Some("yes.2"));
    let none = ["Sec-WebSocket-Protocol: no"];
    let ws = Ws::connect_with(server.address, "/events", &none).await;
    assert_eq!(ws.header("sec-websocket-protocol"), None);

    let answer = refused(&server, "/events?select=wrong", &offers).await;
    assert_eq!(answer.status, 500);
    server
        .log
        .line_with("chose \"wrong\", which was not offered")
        .await;
}

#[tokio::test]
async fn other_methods_are_refused_unless_the_handler_has_them() {
    let server = serve(ONE).await;
    let answer = server.request("POST /echo", "", "x").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    assert_eq!(server.component(FILE).await["requests"], 0);
    let answer = server.request("DELETE /everyone", "", "").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), Some("GET, POST"));
    let answer = server.request("POST /everyone", "", "x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn frames_may_come_with_the_handshake_and_requests_before_it() {
    let server = serve(ONE).await;
    let mut client = server.connect().await;
    let before = "GET /log HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let frame_with_it = frame(true, 0, TEXT, b"with it", true);
    let heads = before.to_owned() + &handshake("/echo", &[]);
    client
        .send([heads.into_bytes(), frame_with_it].concat())
        .await;
    assert_eq!(soon(client.answer()).await.body, "[]");
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.send(frame(true, 0, TEXT, b"behind it", true)).await;
    // A frame as the server sends it.
    let mut expected = Vec::new();
    for text in ["with it", "behind it"] {
        expected.extend(frame(true, 0, TEXT, text.as_bytes(), false));
    }
    client.send(b"\x88\x80\0\0\0\0").await;
    expected.extend(b"\x88\x00");
    assert_eq!(client.rest().await, expected);
}

#[tokio::test]
async fn past_max_sockets_there_is_no_room_until_one_closes() {
    let server = serve("max_sockets = 2\ninstances = 1").await;
    let mut first = connect(&server, "/echo").await;
    let mut second = connect(&server, "/events").await;
    // Handlers that are none, and refusals, take no place.
    for _ in 0..3 {
        let answer = refused(&server, "/echo", &[]).await;
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    echoed(&mut first, "still here").await;
    drop(first);
    until_open(&server, FILE, 1).await;
    let answer = refused(&server, "/events?refuse=403", &[]).await;
    assert_eq!(answer.status, 403);
    until_open(&server, FILE, 1).await;
    let mut third = connect(&server, "/echo").await;
    assert_eq!(refused(&server, "/echo", &[]).await.status, 503);
    second.send_close(1000, "").await;
    second.expect_close(1000).await;
    until_open(&server, FILE, 1).await;
    let mut fourth = connect(&server, "/echo").await;
    echoed(&mut third, "three").await;
    echoed(&mut fourth, "four").await;
}

#[tokio::test]
async fn the_access_log_has_a_line_for_the_handshake_and_one_for_the_close() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/echo?a").await;
    let line = server.log.line_with("GET /echo?a ").await;
    assert!(line.contains("101 GET /echo?a (127.0.0.1) "), "{line}");
    echoed(&mut ws, "x").await;
    ws.send_close(4321, "").await;
    ws.expect_close(4321).await;
    let line = server.log.nth_line_with(2, "GET /echo?a ").await;
    assert!(line.contains("4321 GET /echo?a (127.0.0.1) "), "{line}");
    let mut without_code = connect(&server, "/echo?b").await;
    without_code.send_close(None, "").await;
    without_code.expect_close(None).await;
    let line = server.log.nth_line_with(2, "GET /echo?b ").await;
    assert!(line.contains("1005 GET /echo?b "), "{line}");
    drop(connect(&server, "/echo?c").await);
    let line = server.log.nth_line_with(2, "GET /echo?c ").await;
    assert!(line.contains("1006 GET /echo?c "), "{line}");
    assert_eq!(server.logged().await.matches("GET /echo").count(), 6);
}

#[tokio::test]
async fn status_and_metrics_count_sockets_and_messages() {
    // Two components, so that one's numbers are not the other's.
    let server = App::new()
        .handler(FILE, guest("sockets"))
        .handler("suspends.wasm", guest("suspends"))
        .serve()
        .await;
    let mut first = connect(&server, "/echo").await;
    let mut second = connect(&server, "/events").await;
    let third = connect(&server, "/suspends/a").await;
    let component = server.component(FILE).await;
    assert_eq!(component["sockets"], 2, "{component}");
    assert_eq!(component["requests"], 2, "{component}");
    // No request of theirs is under way.
    server.until_in_flight(FILE, 0).await;
    assert_eq!(server.component("suspends.wasm").await["sockets"], 1);
    echoed(&mut first, "ten bytes.").await;
    first.send_binary([7; 5]).await;
    assert_eq!(first.next().await, Frame::whole(2, [7; 5]));
    // Pings are no messages.
    first.send_ping("x").await;
    first.next().await;
    second.send_close(1000, "").await;
    second.expect_close(1000).await;
    until_open(&server, FILE, 1).await;
    let mut admin = Client::connect(server.admin).await;
    let page = soon(admin.get("/metrics")).await.body;
    let value = |name: &str| {
        let begin = format!("waterspout_{name}{{component=\"{FILE}\"}} ");
        let found = page.lines().find_map(|line| line.strip_prefix(&begin));
        let found = found.unwrap_or_else(|| panic!("no {name} in {page}"));
        found.parse::<f64>().unwrap()
    };
    for (name, count) in [
        ("sockets", 1.0),
        ("sockets_opened_total", 2.0),
        ("sockets_closed_total", 1.0),
        ("socket_messages_received_total", 2.0),
        ("socket_bytes_received_total", 15.0),
        ("socket_messages_sent_total", 2.0),
        ("socket_bytes_sent_total", 15.0),
        ("socket_messages_dropped_total", 0.0),
        ("sockets_moved_total", 0.0),
    ] {
        assert_eq!(value(name), count, "{name}");
    }
    drop((first, third));
    until_open(&server, FILE, 0).await;
    until_open(&server, "suspends.wasm", 0).await;
}

#[tokio::test]
async fn a_handshake_has_a_deadline_and_its_socket_has_none() {
    let server = app("instances = 1\ndeadline = \"500ms\"").serve().await;
    let mut ws = connect(&server, "/events?ms=1000").await;
    // The event takes longer than the handshake may.
    echoed(&mut ws, "slow").await;
}

#[tokio::test]
async fn a_handshake_of_too_many_headers_is_refused() {
    let server = serve(ONE).await;
    let mut client = server.connect().await;
    let many: Vec<String> = (0..100_000)
        .map(|number| format!("X-{number}: x"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let request = handshake("/echo", &many);
    // The server need not read all of it.
    let (mut reads, mut writes) = client.stream.split();
    let sends = async {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut writes, request.as_bytes()).await;
    };
    let hears = async {
        let mut head = [0; 12];
        tokio::io::AsyncReadExt::read_exact(&mut reads, &mut head)
            .await
            .unwrap();
        head
    };
    let (head, ()) = soon(async { tokio::join!(hears, sends) }).await;
    assert_eq!(&head, b"HTTP/1.1 431");
    assert_eq!(server.component(FILE).await["requests"], 0);
}
