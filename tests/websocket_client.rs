//! WebSockets of handlers to other servers: the handshake, messages in both directions, limits, and the end. The servers
//! are the test's own, on loopback, and the app's.

mod server;

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use hyper::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::peer::whole;
use crate::harness::tls::Authority;
use crate::harness::websocket::{BINARY, CLOSE, PING, PONG, RSV1, TEXT, frame};
use crate::harness::{App, Frame, Peer as HttpPeer, Running, guest, soon};
use crate::http_client::acceptor;
use server::{Peer, Server};

/// The guest that opens what it is told to, granted these origins, beside the one with `/echo`. `keys` are in its table.
fn app(grants: &[String], tables: &str, keys: &str) -> App {
    App::new()
        .handler("websocket_client.wasm", guest("websocket_client"))
        .handler("sockets.wasm", guest("sockets"))
        .config(&format!(
            "{tables}\n[component.\"websocket_client.wasm\"]\ninstances = 1\nallow = {{ http = {grants:?} }}\n{keys}\n"
        ))
}

/// One that may reach this server.
async fn serving(server: &Server) -> Running {
    app(&[server.origin()], "", "").serve().await
}

async fn serving_itself() -> Running {
    app(&["self".to_owned()], "", "").serve().await
}

/// The path of a request in which the guest opens this URL, and takes these steps. `more` is in its query, too.
fn talk(url: &str, more: &str, steps: &[&str]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let steps: String = steps
        .iter()
        .map(|step| format!("&do={}", encoded(step)))
        .collect();
    format!("/talk?url={}{more}{steps}", encoded(url))
}

/// What the guest tells of that.
async fn talked(app: &Running, url: &str, more: &str, steps: &[&str]) -> Value {
    let answer = app.get(&talk(url, more, steps)).await;
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{url}: {answer:?}"))
}

fn echo(app: &Running) -> String {
    format!("ws://localhost:{}/echo", app.address.port())
}

#[tokio::test]
async fn messages_go_both_ways() {
    let app = serving_itself().await;
    let steps = [
        "text:hello",
        "read",
        "text:",
        "read",
        "binary:0",
        "read",
        "binary:1000000",
        "text_of:900000",
        "read",
        "read",
        "close:1000",
        "read",
        "read",
        "closed",
        "text:late",
    ];
    let talked = talked(&app, &echo(&app), "", &steps).await;
    assert_eq!(
        talked["done"],
        json!([
            "ok",
            { "text": "hello" },
            "ok",
            { "text": "" },
            "ok",
            { "binary": 0 },
            "ok",
            "ok",
            { "binary": 1_000_000 },
            { "text_of": 900_000 },
            "ok",
            null,
            null,
            [1000, null],
            "the WebSocket is closed",
        ]),
        "{talked}"
    );
    assert_eq!(talked["extensions"], Value::Null);
}

#[tokio::test]
async fn messages_are_compressed_where_both_sides_want_it() {
    let app = serving_itself().await;
    let url = format!("{}?deflate=1", echo(&app));
    let steps = [
        "text_of:100000",
        "read",
        "text:x",
        "text_of:100000",
        "read",
        "read",
    ];
    let expected = json!([
        "ok", { "text_of": 100_000 }, "ok", "ok", { "text": "x" }, { "text_of": 100_000 }
    ]);
    for (url, more, agreed) in [
        (&url, "&level=6", "permessage-deflate".into()),
        (&url, "&level=0", "permessage-deflate".into()),
        (&url, "", Value::Null),
        (&echo(&app), "&level=9", Value::Null),
    ] {
        let talked = talked(&app, url, more, &steps).await;
        assert_eq!(talked["extensions"], agreed, "{talked}");
        assert_eq!(talked["done"], expected, "{url}{more}");
    }
    let wrong = talked(&app, &url, "&level=10", &[]).await;
    assert_eq!(wrong["code"], 599, "{wrong}");

    // Compressed messages are small, and so is one that refers to the one before it.
    let text: String = (0..100_u32)
        .map(|number| format!("{} ", number * 7919 % 997))
        .collect();
    let server = Server::start().await;
    let app = serving(&server).await;
    let wire = async {
        let agreed = "Sec-WebSocket-Extensions: permessage-deflate";
        let mut peer = server.client(&[agreed]).await;
        let offered = peer.headers()[SEC_WEBSOCKET_EXTENSIONS].clone();
        assert_eq!(offered, "permessage-deflate; client_max_window_bits");
        let [first, second] = [peer.next().await, peer.next().await];
        assert!(first.rsv1 && second.rsv1, "{first:?} {second:?}");
        let sizes = [first.payload.len(), second.payload.len()];
        assert!(sizes[0] < text.len() && sizes[1] < 20, "{sizes:?}");
        // The example of RFC 7692, section 7.2.3.2: the second refers to the first.
        for hello in [
            &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
            b"\xf2\x00\x11\x00\x00",
        ] {
            peer.send(frame(true, RSV1, TEXT, hello, false)).await;
        }
        peer.expect_close(1001).await;
    };
    let url = server.url();
    let say = format!("text:{text}");
    let steps = [&say, &say, "read", "read"];
    let (talked, ()) = tokio::join!(talked(&app, &url, "&level=6", &steps), wire);
    assert_eq!(
        talked["done"],
        json!(["ok", "ok", { "text": "Hello" }, { "text": "Hello" }])
    );
}

#[tokio::test]
async fn the_handshake_says_what_the_handler_asks_for() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let wire = async {
        let mut peer = server.client(&["Sec-WebSocket-Protocol: v1"]).await;
        let headers = peer.headers();
        assert!(
            peer.head.starts_with("GET /a%20b?c HTTP/1.1\r\n"),
            "{}",
            peer.head
        );
        assert_eq!(headers["host"], server.address.to_string());
        assert_eq!(headers["upgrade"], "websocket");
        assert_eq!(headers["connection"], "Upgrade");
        assert_eq!(headers["sec-websocket-version"], "13");
        assert_eq!(headers["sec-websocket-key"].len(), 24);
        assert_eq!(headers[SEC_WEBSOCKET_PROTOCOL], "v2, v1");
        assert_eq!(headers[AUTHORIZATION], "Basic Z3VsbGl2ZXI6c2VjcmV0");
        assert_eq!(headers["x-own"], "1");
        assert_eq!(headers["user-agent"], "Waterspout/0.1.0");
        assert!(!headers.contains_key(SEC_WEBSOCKET_EXTENSIONS));
        let mut masks = Vec::new();
        for text in ["a", "b"] {
            assert_eq!(peer.next().await, Frame::whole(TEXT, text));
            masks.push(peer.mask);
        }
        assert!(masks[0] != masks[1], "{masks:?}");
        assert_eq!(peer.next().await, Frame::whole(PING, "data"));
        // It is answered though nobody reads, and nobody is told.
        peer.send_frame(PING, "you").await;
        assert_eq!(peer.next().await, Frame::whole(PONG, "you"));
        peer.send_frame(PONG, "data").await;
        peer.send(frame(false, 0, BINARY, b"ab", false)).await;
        peer.send(frame(true, 0, 0, b"c", false)).await;
        peer.expect_close(1001).await;
        peer.send_close(1001, "").await;
        peer.ended().await;
    };
    let url = format!("ws://gulliver:secret@{}/a b?c#d", server.address);
    let more = "&subprotocol=v2&subprotocol=v1&header=X-Own:1";
    let steps = ["text:a", "text:b", "ping:data", "read"];
    let (talked, ()) = tokio::join!(talked(&app, &url, more, &steps), wire);
    assert_eq!(talked["subprotocol"], "v1");
    assert_eq!(talked["done"], json!(["ok", "ok", "ok", { "binary": 3 }]));
}

#[tokio::test]
async fn an_argument_that_is_wrong_is_an_error_and_nothing_is_dialled() {
    let server = Server::start().await;
    let app = serving(&server).await;
    for more in [
        "&subprotocol=a&subprotocol=a",
        "&subprotocol=a%20b",
        "&header=Upgrade:h2c",
        "&header=Connection:close",
        "&header=Sec-WebSocket-Key:x",
        "&header=sec-websocket-protocol:x",
        "&header=a%20b:x",
        "&max_message_size=100000000",
    ] {
        let talked = talked(&app, &server.url(), more, &[]).await;
        assert_eq!(talked["code"], 599, "{more}: {talked}");
    }
    for url in ["", "http://localhost/", "ws://", "ws:/x y"] {
        let talked = talked(&app, url, "", &[]).await;
        assert_eq!(talked["code"], 599, "{url}: {talked}");
    }
    assert!(!server.was_dialled().await);
}

#[tokio::test]
async fn an_answer_that_is_no_websocket_is_an_error_with_its_status() {
    let peer = HttpPeer::start(|request: hyper::Request<_>| async move {
        let status: u16 = request.uri().path()[1..].parse().unwrap();
        let response = Response::builder().status(status);
        response
            .header("location", "/200")
            .body(whole("page"))
            .unwrap()
    })
    .await;
    let app = app(&[format!("http://{}", peer.address)], "", "")
        .serve()
        .await;
    for (status, message) in [
        (200, "Non-websocket response"),
        (302, "Found"),
        (403, "Forbidden"),
        (503, "Service Unavailable"),
    ] {
        let url = format!("ws://{}/{status}", peer.address);
        let refused = talked(&app, &url, "", &[]).await;
        let expected = json!({ "code": status, "error": message, "response": true });
        assert_eq!(refused, expected);
    }
    // Nothing was sent again, and no connection is kept.
    assert_eq!(peer.accepted(), 4);
    peer.until_open(0).await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_an_error() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let url = server.url();
    for lines in [
        &["Sec-WebSocket-Protocol: other"][..],
        &["Sec-WebSocket-Extensions: permessage-deflate"],
        &["Sec-WebSocket-Accept: x"],
    ] {
        let wire = async { server.client(lines).await.ended().await };
        let (talked, ()) = tokio::join!(talked(&app, &url, "", &[]), wire);
        let error = talked["error"].as_str().unwrap_or_default();
        assert!(error.starts_with("Non-websocket response: "), "{talked}");
    }
    let wire = async {
        let mut peer = Peer::asked(server.connection().await).await;
        peer.send("HTTP/1.1 101 Sure\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            .await;
        peer.ended().await;
    };
    let (talked_, ()) = tokio::join!(talked(&app, &url, "", &[]), wire);
    assert_eq!(talked_["code"], 599, "{talked_}");
    for bytes in [&b"not HTTP\r\n\r\n"[..], b""] {
        let wire = async {
            let mut peer = Peer::asked(server.connection().await).await;
            peer.send(bytes).await;
        };
        let (talked, ()) = tokio::join!(talked(&app, &url, "", &[]), wire);
        assert_eq!(talked["code"], 599, "{talked}");
    }
}

#[tokio::test]
async fn only_what_allow_http_grants_is_dialled() {
    let (granted, other) = (Server::start().await, Server::start().await);
    let map = "[http_client]\nhostname_mapping = { \"mapped.example\" = \"127.0.0.1\" }\n";
    let mapped = format!("mapped.example:{}", other.address.port());
    let grants = [granted.origin(), format!("http://{mapped}")];
    let app = app(&grants, map, "").serve().await;
    for url in [
        other.url(),
        format!("ws://{mapped}/"),
        format!("wss://{}/", granted.address),
        format!("ws://127.0.0.1:{}/echo", app.address.port()),
    ] {
        let refused = talked(&app, &url, "", &[]).await;
        let error = refused["error"].as_str().unwrap_or_default();
        assert!(error.starts_with("Not granted"), "{url}: {refused}");
    }
    // Nor by a `Host` that asks the same server for another site.
    let refused = talked(&app, &granted.url(), "&header=Host:other.example", &[]).await;
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .starts_with("Not granted"),
        "{refused}"
    );
    assert!(!other.was_dialled().await && !granted.was_dialled().await);
    let log = app.logged().await;
    assert!(
        log.contains(&format!("add \"{}\"", other.origin())),
        "{log}"
    );
}

#[tokio::test]
async fn wss_trusts_whom_the_configuration_names() {
    let server = Server::start().await;
    let authority = Authority::new();
    let acceptor = acceptor(&authority.sign(&["localhost"]));
    let origin = format!("https://localhost:{}", server.address.port());
    let url = origin.replace("https", "wss");
    let table = format!("[http_client]\nca_certs = {{ \"{origin}\" = \"ca.pem\" }}\n");
    let trusting = app(std::slice::from_ref(&origin), &table, "");
    std::fs::write(trusting.path().join("ca.pem"), authority.pem()).unwrap();
    let trusting = trusting.serve().await;
    let wire = async {
        let stream = acceptor.accept(server.connection().await).await.unwrap();
        // It is offered no HTTP/2, though the server has it.
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut peer = Peer::over(stream, &[]).await;
        let message = peer.next().await;
        peer.send_frame(BINARY, &message.payload).await;
        peer.expect_close(1001).await;
    };
    let steps = ["binary:300000", "read"];
    let (talked_, ()) = tokio::join!(talked(&trusting, &url, "", &steps), wire);
    assert_eq!(talked_["done"], json!(["ok", { "binary": 300_000 }]));

    let stranger = app(&[origin], "", "").serve().await;
    let wire = async { assert!(acceptor.accept(server.connection().await).await.is_err()) };
    let (refused, ()) = tokio::join!(talked(&stranger, &url, "", &[]), wire);
    let error = refused["error"].as_str().unwrap_or_default();
    assert!(error.contains("certificate is not accepted"), "{refused}");
}

#[tokio::test]
async fn through_a_proxy_each_of_them_has_a_tunnel() {
    let proxy = Server::start().await;
    let table = format!(
        "[http_client]\nproxy = \"http://gulliver:secret@{}\"\n",
        proxy.address
    );
    let app = app(&["http://far.example".to_owned()], &table, "")
        .serve()
        .await;
    let wire = async {
        let mut stream = proxy.connection().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(
            head.starts_with("CONNECT far.example:80 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(head.contains("Basic Z3VsbGl2ZXI6c2VjcmV0"), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut peer = Peer::over(stream, &[]).await;
        assert!(
            peer.head.starts_with("GET /a HTTP/1.1\r\n"),
            "{}",
            peer.head
        );
        assert!(!peer.headers().contains_key("proxy-authorization"));
        peer.send_frame(TEXT, "far").await;
        peer.expect_close(1001).await;
    };
    let (talked, ()) = tokio::join!(talked(&app, "ws://far.example/a", "", &["read"]), wire);
    assert_eq!(talked["done"], json!([{ "text": "far" }]));
}

#[tokio::test]
async fn the_server_closes_with_a_code_or_vanishes() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let url = server.url();
    let steps = [
        "read",
        "read",
        "read",
        "closed",
        "text:late",
        "ping:",
        "close:1000",
    ];
    let told = |closed: Value| {
        let closed_ = "the WebSocket is closed";
        json!([{ "text": "last" }, null, null, closed, closed_, closed_, "ok"])
    };
    let wire = async {
        let mut peer = server.client(&[]).await;
        peer.send_frame(TEXT, "last").await;
        peer.send_close(4001, "that is all").await;
        // It says the same, and nothing else.
        assert_eq!(peer.expect_close(4001).await, "that is all");
        peer.ended().await;
    };
    let (talked_, ()) = tokio::join!(talked(&app, &url, "", &steps), wire);
    assert_eq!(talked_["done"], told(json!([4001, "that is all"])));

    for half_a_frame in [false, true] {
        let wire = async {
            let mut peer = server.client(&[]).await;
            peer.send_frame(TEXT, "last").await;
            if half_a_frame {
                peer.send(b"\x81\x05hel").await;
            }
        };
        let (talked, ()) = tokio::join!(talked(&app, &url, "", &steps), wire);
        assert_eq!(talked["done"], told(json!([null, null])));
    }
}

#[tokio::test]
async fn the_handler_closes_with_a_code_and_reads_on_until_the_server_does() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let url = server.url();
    let wire = async {
        let mut peer = server.client(&[]).await;
        assert_eq!(peer.next().await, Frame::whole(TEXT, "before"));
        assert_eq!(peer.expect_close(4000).await, "enough");
        peer.send_frame(TEXT, "behind").await;
        peer.send_close(4000, "").await;
        peer.ended().await;
    };
    let steps = [
        "text:before",
        "close:4000:enough",
        "close:4001",
        "text:after",
        "read",
        "read",
        "closed",
    ];
    let (talked_, ()) = tokio::join!(talked(&app, &url, "", &steps), wire);
    assert_eq!(
        talked_["done"],
        json!(["ok", "ok", "ok", "the WebSocket is closed", { "text": "behind" }, null, [4000, null]])
    );

    // No code, and codes that nobody may say.
    let wire = async { server.client(&[]).await.expect_close(None).await };
    let long = format!("close:1000:{}", "x".repeat(124));
    let steps = ["close:1005", "close:999", "close:5000", &long, "close:"];
    let (talked, _) = tokio::join!(talked(&app, &url, "", &steps), wire);
    let done = talked["done"].as_array().unwrap();
    assert_eq!(done[4], "ok", "{talked}");
    assert!(done[..4].iter().all(|answer| answer != "ok"), "{talked}");
}

#[tokio::test]
async fn what_breaks_the_rules_closes_with_the_fitting_code() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let url = server.url();
    let larger = vec![b'x'; 1001];
    for (bytes, more, code) in [
        (
            frame(true, 0, TEXT, &larger, false),
            "&max_message_size=1000",
            1009,
        ),
        (
            b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            "",
            1009,
        ),
        (frame(true, 0, TEXT, b"masked", true), "", 1002),
        (frame(true, RSV1, TEXT, b"a", false), "", 1002),
        (frame(true, 0, TEXT, b"\xff", false), "", 1007),
        (frame(true, 0, 3, b"", false), "", 1002),
    ] {
        let wire = async {
            let mut peer = server.client(&[]).await;
            peer.send_frame(TEXT, "good").await;
            peer.send(&bytes).await;
            peer.expect_close(code).await;
            peer.ended().await;
        };
        let steps = ["read", "read", "closed"];
        let (talked, ()) = tokio::join!(talked(&app, &url, more, &steps), wire);
        let expected = json!([{ "text": "good" }, null, [null, null]]);
        assert_eq!(talked["done"], expected, "{code}");
    }
}

#[tokio::test]
async fn what_came_before_the_servers_end_is_answered_first() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let said = 4001_u16.to_be_bytes();
    for (end, code, closed) in [
        (frame(true, 0, CLOSE, &said, false), 4001, json!(4001)),
        (frame(true, 0, 3, b"", false), 1002, Value::Null),
    ] {
        let wire = async {
            let mut peer = server.client(&[]).await;
            let words = ["one", "two"];
            let messages = words.map(|word| frame(true, 0, TEXT, word.as_bytes(), false));
            // All of it in one piece.
            peer.send([messages.concat(), end].concat()).await;
            for word in words {
                assert_eq!(peer.next().await, Frame::whole(TEXT, word));
            }
            peer.expect_close(code).await;
            peer.ended().await;
        };
        let url = server.url();
        let (talked, ()) = tokio::join!(talked(&app, &url, "", &["echo", "closed"]), wire);
        assert_eq!(talked["done"], json!([2, [closed, null]]));
    }
}

#[tokio::test]
async fn a_request_that_is_cancelled_closes_its_own() {
    let server = Server::start().await;
    let app = serving(&server).await;
    // While it reads, and while it waits for the handshake's answer.
    let client = app
        .send(&format!(
            "GET {}",
            talk(&server.url(), "", &["text:x", "read"])
        ))
        .await;
    let mut peer = server.client(&[]).await;
    assert_eq!(peer.next().await, Frame::whole(TEXT, "x"));
    drop(client);
    peer.expect_close(1001).await;
    peer.send_close(1001, "").await;
    peer.ended().await;
    let client = app
        .send(&format!("GET {}", talk(&server.url(), "", &["read"])))
        .await;
    let mut peer = Peer::asked(server.connection().await).await;
    drop(client);
    peer.ended().await;
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_no_message_and_no_other_request_ends_it() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let url = server.url();
    let (talked, mut peer) = tokio::join!(
        talked(&app, &url, "", &["glimpse", "keep"]),
        server.client(&[])
    );
    assert_eq!(talked["done"], json!(["nothing", null]));
    peer.send_frame(TEXT, "one").await;
    peer.send_frame(TEXT, "two").await;
    for word in ["one", "two"] {
        let again = app.json("/again?do=read").await;
        assert_eq!(again["done"], json!([{ "text": word }]));
    }
    // A reader of another request takes over.
    let reader = app.send("GET /again?do=read").await;
    let write = app.json("/again?do=text%3Ax").await;
    assert_eq!(write["done"], json!(["ok"]));
    assert_eq!(peer.next().await, Frame::whole(TEXT, "x"));
    drop(reader);
    // As long as its handler runs, it is the one that reads.
    app.until_in_flight("websocket_client.wasm", 0).await;
    let again = app.send("GET /again?do=read").await;
    peer.send_frame(TEXT, "three").await;
    let mut again = again;
    assert!(again.answer().await.body.contains("three"));
}

#[tokio::test]
async fn a_server_that_never_reads_blocks_no_other() {
    let server = Server::start().await;
    let grants = [server.origin(), "self".to_owned()];
    let app = app(&grants, "", "max_socket_unsent = \"256KB\"")
        .serve()
        .await;
    let url = server.url();
    let steps = ["fill:100000", "keep", "close:1000"];
    let filling = talked(&app, &url, "", &steps);
    let (filled, mut peer) = tokio::join!(filling, server.client(&[]));
    let sent = filled["done"][0].as_u64().unwrap();
    assert!(sent > 2, "{filled}");
    let others = talked(&app, &echo(&app), "", &["text:a", "read"]).await;
    assert_eq!(others["done"][1], json!({ "text": "a" }));
    // It is cut off some seconds after the handler has closed.
    let again = app.json("/again?do=read&do=closed").await;
    assert_eq!(again["done"], json!([null, [null, null]]));
    peer.ended().await;
}

#[tokio::test]
async fn a_handler_that_never_reads_holds_its_server_back() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let url = server.url();
    let (_, mut peer) = tokio::join!(talked(&app, &url, "", &["keep"]), server.client(&[]));
    let message = frame(true, 0, BINARY, &[7; 100_000], false);
    let mut sent = 0;
    let brief = std::time::Duration::from_millis(300);
    // The system's buffers take some, too.
    while tokio::time::timeout(brief, peer.send(&message))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 500, "it takes everything");
    }
    let again = app.json("/again?do=read&do=read").await;
    assert_eq!(again["done"][1], json!({ "binary": 100_000 }));
}

#[tokio::test]
async fn connections_count_towards_max_clients() {
    let server = Server::start().await;
    let app = app(&[server.origin()], "", "max_clients = 1").serve().await;
    let url = server.url();
    let (_, mut peer) = tokio::join!(talked(&app, &url, "", &["keep"]), server.client(&[]));
    let late = talked(&app, &url, "&connect_timeout=300", &[]).await;
    assert_eq!(late["error"], "Timeout while connecting", "{late}");
    assert!(!server.was_dialled().await);
    app.json("/again?do=close%3A1000").await;
    peer.expect_close(1000).await;
    peer.send_close(1000, "").await;
    let wire = async {
        peer.ended().await;
        drop(peer);
        server.client(&[]).await
    };
    let (next, _) = tokio::join!(talked(&app, &url, "", &[]), wire);
    assert_eq!(next["done"], json!([]), "{next}");
}

#[tokio::test]
async fn the_handshake_has_a_time_limit() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let url = server.url();
    let wire = async {
        Peer::<TcpStream>::asked(server.connection().await)
            .await
            .ended()
            .await
    };
    let (late, ()) = tokio::join!(talked(&app, &url, "&connect_timeout=300", &[]), wire);
    assert_eq!(late["error"], "Timeout while connecting", "{late}");
}

#[tokio::test]
async fn a_server_is_pinged_and_one_that_does_not_answer_is_closed() {
    let server = Server::start().await;
    let app = serving(&server).await;
    let url = server.url();
    let wire = async {
        let mut peer = server.client(&[]).await;
        for _ in 0..2 {
            assert_eq!(peer.next().await, Frame::whole(PING, ""));
            peer.send_frame(PONG, "").await;
        }
        assert_eq!(peer.next().await, Frame::whole(PING, ""));
        assert_eq!(peer.expect_close(1000).await, "ping timed out");
        peer.send_frame(CLOSE, "").await;
        peer.ended().await;
    };
    let more = "&ping_interval=300&ping_timeout=200";
    let (talked, ()) = tokio::join!(talked(&app, &url, more, &["read", "closed"]), wire);
    assert_eq!(talked["done"], json!([null, [null, null]]));
}

#[tokio::test]
async fn what_an_instance_has_kept_closes_with_it() {
    let server = Server::start().await;
    let keys = "isolation = \"fresh\"";
    let app = App::new()
        .handler("websocket_client.wasm", guest("websocket_client"))
        .config(&format!(
            "[component.\"websocket_client.wasm\"]\nallow = {{ http = [\"{}\"] }}\n{keys}\n",
            server.origin()
        ))
        .serve()
        .await;
    let url = server.url();
    let (_, mut peer) = tokio::join!(talked(&app, &url, "", &["keep"]), server.client(&[]));
    peer.expect_close(1001).await;
}
