//! Tornado's WebSockets, in an app and from one.

use super::{is_there, replace};
use crate::harness::websocket::{BINARY, PING, PONG, handshake};
use crate::harness::{App, Frame, Running, Ws, soon};

const SOCKETS: &str = include_str!("sockets.py");
const FILE: &str = "sockets.py";

fn app(keys: &str) -> App {
    let table = format!("[component.{FILE:?}]\n{keys}\n");
    App::new().handler(FILE, SOCKETS).config(&table)
}

const HELLO: &str = r#"{"room": "a", "version": 1, "protocol": null}"#;

async fn enter(server: &Running) -> Ws {
    let mut socket = Ws::connect(server.address, "/room/a").await;
    socket.expect_text(HELLO).await;
    socket
}

#[tokio::test]
async fn a_handler_has_its_events_in_order() {
    if !is_there().await {
        return;
    }
    let server = app("").serve().await;
    let mut socket = enter(&server).await;
    assert_eq!(socket.header("set-cookie"), Some("seen=yes; Path=/"));
    for message in ["wait", "one", "two"] {
        socket.send_text(message).await;
    }
    for message in ["wait", "one", "two"] {
        socket.expect_text(message).await;
    }
    socket.send_binary([0, 1, 255]).await;
    assert_eq!(socket.next().await, Frame::whole(BINARY, [0, 1, 255]));
    socket.send_ping("a").await;
    assert_eq!(socket.next().await, Frame::whole(PONG, "a"));
    socket.expect_text("pinged a").await;
    // Another request writes to it.
    let mut other = enter(&server).await;
    server.request("POST /say", "", "to all").await;
    socket.expect_text("to all").await;
    other.expect_text("to all").await;
    socket.send_close(4001, "bye").await;
    assert_eq!(socket.expect_close(4001).await, "bye");
    other.send_text("close").await;
    assert_eq!(other.expect_close(4000).await, "as you say");
    drop(other);
    let left = soon(server.get("/left/2")).await.body;
    assert_eq!(left, r#"[[4001, "bye"], [null, null]]"#);
    let status = server.component(FILE).await;
    assert_eq!(status["traps"], 0, "{status}");
}

#[tokio::test]
async fn what_fails_closes_its_socket_alone() {
    if !is_there().await {
        return;
    }
    let server = app("").serve().await;
    let (mut socket, mut other) = (enter(&server).await, enter(&server).await);
    socket.send_text("fail").await;
    socket.expect_close(1011).await;
    let log = server.logged().await;
    assert!(log.contains("ValueError: as it was told"), "{log}");
    // Longer than the app's own `websocket_max_message_size`.
    other.send_text(&"x".repeat(100_001)).await;
    assert_eq!(other.expect_close(1009).await, "message too big");
    // A client that is slow to read holds up its own handler.
    let (mut slow, mut quick) = (enter(&server).await, enter(&server).await);
    slow.send_text("much").await;
    quick.send_text("quick").await;
    quick.expect_text("quick").await;
    for _ in 0..40 {
        assert_eq!(slow.next().await.payload.len(), 500_000);
    }
    slow.expect_text("all").await;
}

#[tokio::test]
async fn a_handshake_may_be_refused_and_negotiates_what_the_handler_says() {
    if !is_there().await {
        return;
    }
    let server = app("").serve().await;
    let answer = async |path: &str, lines: &[&str]| {
        let mut client = server.connect().await;
        client.send(&handshake(path, lines)).await;
        client.answer().await
    };
    assert_eq!(answer("/room/a?name=nobody", &[]).await.status, 401);
    let foreign = answer("/room/a", &["Origin: http://elsewhere.example"]).await;
    assert_eq!(
        (foreign.status, &*foreign.body),
        (403, "Cross origin websockets not allowed")
    );
    // No handler of sockets is there.
    assert_eq!(answer("/nothing", &[]).await.status, 404);
    assert_eq!(answer("/", &[]).await.body, "a page");
    let plain = server.get("/room/a").await;
    assert_eq!(
        (plain.status, &*plain.body),
        (400, "Can \"Upgrade\" only to \"WebSocket\".")
    );
    let upgrade = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    assert_eq!(server.request("GET /", upgrade, "").await.body, "a page");
    let lines = [
        "Sec-WebSocket-Protocol: one, two",
        "Sec-WebSocket-Extensions: permessage-deflate",
    ];
    let mut socket = Ws::connect_with(server.address, "/room/a?deflate=1", &lines).await;
    assert_eq!(socket.header("sec-websocket-protocol"), Some("one"));
    assert_eq!(
        socket.header("sec-websocket-extensions"),
        Some("permessage-deflate")
    );
    assert!(socket.next().await.rsv1, "compressed");
}

#[tokio::test]
async fn an_app_s_own_pings_find_a_client_that_is_gone() {
    if !is_there().await {
        return;
    }
    let server = app("").serve().await;
    let mut socket = Ws::connect(server.address, "/pinged").await;
    for _ in 0..3 {
        assert_eq!(socket.next().await.opcode, PING);
        socket.send_frame(true, 0, PONG, "", true).await;
    }
    while socket.next().await.opcode == PING {}
    assert_eq!(soon(server.get("/left/1")).await.body, "[[null, null]]");
}

#[tokio::test]
async fn an_edit_leaves_a_socket_on_its_version_until_the_deadline() {
    if !is_there().await {
        return;
    }
    let server = app("drain_deadline = '1s'").serve().await;
    let mut socket = enter(&server).await;
    replace(
        &server,
        FILE,
        &SOCKETS.replace("VERSION = 1", "VERSION = 2"),
    );
    server.until_generation(2).await;
    let mut new = Ws::connect(server.address, "/room/a").await;
    new.expect_text(&HELLO.replace('1', "2")).await;
    socket.send_text("still").await;
    socket.expect_text("still").await;
    socket.expect_close(1012).await;
    new.send_text("on").await;
    new.expect_text("on").await;
}

#[tokio::test]
async fn an_app_opens_sockets_to_what_is_granted() {
    if !is_there().await {
        return;
    }
    let peer = app("").serve().await;
    let origin = format!("http://{}", peer.address);
    let keys = format!("allow = {{ http = [\"{origin}\"] }}\nenv = {{ PEER = \"{origin}\" }}");
    let server = app(&keys).serve().await;
    let said = soon(server.get("/client")).await.body;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let expected = serde_json::json!([
        r#"{"room": "b", "version": 1, "protocol": "x"}"#,
        [0, 1],
        "pinged a",
        null,
        4000,
        "as you say",
        "HTTPClientError: HTTP 405: Method Not Allowed",
        "HTTPClientError: HTTP 401: Unauthorized",
        "HTTPClientError: HTTP 404: Not Found",
    ]);
    assert_eq!(
        said.as_array().unwrap()[..9],
        expected.as_array().unwrap()[..]
    );
    let denied = said[9].as_str().unwrap();
    assert!(
        denied.contains("`allow = { http = [\"http://denied.example\"] }`"),
        "{denied}"
    );
}

#[tokio::test]
async fn an_asgi_app_has_its_sockets_and_other_apps_answer_a_handshake_as_a_request() {
    if !is_there().await {
        return;
    }
    let asgi = App::new().handler("sockets.py", include_str!("asgi_sockets.py"));
    let server = asgi.serve().await;
    let lines = ["Sec-WebSocket-Protocol: one, two"];
    let open = async || Ws::connect_with(server.address, "/", &lines).await;
    let mut socket = open().await;
    assert_eq!(socket.header("sec-websocket-protocol"), Some("one"));
    assert_eq!(socket.header("x-scheme"), Some("ws"));
    for message in ["one", "two"] {
        socket.send_text(message).await;
    }
    for message in ["one", "two"] {
        socket.expect_text(message).await;
    }
    socket.send_binary([0, 255]).await;
    assert_eq!(socket.next().await, Frame::whole(BINARY, [0, 255]));
    socket.send_close(4001, "bye").await;
    socket.expect_close(4001).await;
    for (message, code, reason) in [
        ("close", 4000, "as you say"),
        ("end", 1000, ""),
        ("fail", 1011, ""),
    ] {
        let mut socket = open().await;
        socket.send_text(message).await;
        assert_eq!(socket.expect_close(code).await, reason, "{message}");
    }
    let answer = async |server: &Running, path: &str| {
        let mut client = server.connect().await;
        client.send(&handshake(path, &[])).await;
        client.answer().await
    };
    assert_eq!(answer(&server, "/no").await.status, 403);
    assert_eq!(answer(&server, "/fails").await.status, 500);
    let said = async { while !server.get("/").await.body.contains("[4001, \"bye\"]") {} };
    soon(said).await;
    let log = server.logged().await;
    for error in [
        "ValueError: before it has accepted",
        "ValueError: after it has accepted",
    ] {
        assert!(log.contains(error), "{error}: {log}");
    }
    // An app that knows no sockets.
    let direct = App::new().handler("direct.py", include_str!("direct.py"));
    let server = direct.serve().await;
    assert_eq!(answer(&server, "/").await.body, "Hello, world");
    let wsgi = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'a page']\n";
    let server = App::new().handler("wsgi.py", wsgi).serve().await;
    assert_eq!(answer(&server, "/").await.body, "a page");
}
