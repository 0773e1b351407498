//! What is against the protocol, or past its limits, ends a socket with the fitting code, and no other; and the protocol
//! over everything that a connection can be.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use h2::ext::Protocol;
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::{FILE, ONE, app, connect, echoed, logged, serve, until_open};
use crate::harness::tls::{Authority, connect as connect_tls};
use crate::harness::websocket::{BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, frame};
use crate::harness::{App, Frame, Running, Ws, guest, soon};

/// The head of a frame with a mask of zeros, so that what follows is its own payload.
fn head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        ..126 => head.push(0x80 | length as u8),
        126..0x1_0000 => {
            head.push(0x80 | 126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(0x80 | 127);
            head.extend(length.to_be_bytes());
        }
    }
    head.extend([0; 4]);
    head
}

fn whole(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(true, 0, opcode, payload, true)
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    whole(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// Sends this on a socket of its own. What comes back first closes it with this code, and nothing comes behind.
async fn ends(server: &Running, path: &str, bytes: &[u8], code: impl Into<Option<u16>>) {
    let mut ws = connect(server, path).await;
    ws.send(bytes).await;
    ws.expect_close(code).await;
    // It need not answer: both know.
    assert_eq!(ws.rest().await, b"");
}

#[tokio::test]
async fn what_breaks_the_rules_ends_its_socket_with_1002_and_no_other() {
    let server = serve(ONE).await;
    let mut other = connect(&server, "/echo").await;
    let cases = [
        ("no mask", frame(true, 0, TEXT, b"x", false)),
        ("RSV1", frame(true, RSV1, TEXT, b"x", true)),
        ("RSV2", frame(true, 2, TEXT, b"x", true)),
        ("RSV3", frame(true, 1, TEXT, b"x", true)),
        ("RSV1 of a ping", frame(true, RSV1, PING, b"x", true)),
        ("opcode 3", whole(3, b"x")),
        ("opcode 7", whole(7, b"")),
        ("opcode 11", whole(11, b"")),
        ("opcode 15", whole(15, b"x")),
        ("ping in pieces", frame(false, 0, PING, b"x", true)),
        ("close in pieces", frame(false, 0, CLOSE, b"", true)),
        ("long ping", whole(PING, &[b'x'; 126])),
        ("long close", whole(CLOSE, &[3; 126])),
        ("nothing to go on with", whole(CONTINUATION, b"x")),
        (
            "a message in a message",
            [frame(false, 0, TEXT, b"x", true), whole(TEXT, b"y")].concat(),
        ),
        ("a code of one byte", whole(CLOSE, b"x")),
        ("2^63 bytes", head(0x82, 1 << 63)),
        ("2^64 - 1 bytes", head(0x82, u64::MAX)),
    ];
    for (case, bytes) in cases {
        println!("{case}");
        ends(&server, "/echo", &bytes, 1002).await;
        echoed(&mut other, case).await;
    }
    // The handler heard of none of that, but of each end.
    until_open(&server, FILE, 1).await;
    assert_eq!(server.component(FILE).await["traps"], 0);
}

#[tokio::test]
async fn a_close_frame_is_answered_by_the_validity_of_its_code() {
    let server = serve(ONE).await;
    let valid = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ];
    for code in valid {
        ends(&server, "/echo", &close(code, b"why"), code).await;
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        println!("{code}");
        ends(&server, "/echo", &close(code, b""), 1002).await;
    }
    ends(&server, "/echo", &whole(CLOSE, b""), None).await;
    ends(&server, "/echo", &close(1000, b"\xff"), 1007).await;
    let longest = [b'r'; 123];
    ends(&server, "/echo", &close(1000, &longest), 1000).await;
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused_with_1007_wherever_it_is_split() {
    let server = serve(ONE).await;
    // Cut off, too long, a surrogate, past the last character.
    for bad in [
        &b"\xce"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xff",
    ] {
        ends(&server, "/echo", &whole(TEXT, bad), 1007).await;
        for at in 0..=bad.len() {
            let (first, second) = bad.split_at(at);
            let pieces = [
                frame(false, 0, TEXT, &[b"good ", first].concat(), true),
                whole(PING, b""),
                frame(true, 0, CONTINUATION, second, true),
            ];
            let mut ws = connect(&server, "/echo").await;
            ws.send(pieces.concat()).await;
            let mut first = ws.next().await;
            if first.opcode == PONG {
                first = ws.next().await;
            }
            assert_eq!(first, Frame::whole(CLOSE, 1007_u16.to_be_bytes()));
        }
        // As a binary message it is as good as any.
        let mut ws = connect(&server, "/echo").await;
        ws.send_binary(bad).await;
        assert_eq!(ws.next().await, Frame::whole(BINARY, bad));
    }
    // Good text may be split anywhere.
    let text = "κόσμε 😀";
    for at in 0..=text.len() {
        let mut ws = connect(&server, "/echo").await;
        let (first, second) = text.as_bytes().split_at(at);
        ws.send_frame(false, 0, TEXT, first, true).await;
        ws.send_frame(true, 0, CONTINUATION, second, true).await;
        ws.expect_text(text).await;
    }
}

#[tokio::test]
async fn a_message_in_pieces_may_have_control_frames_in_it() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/echo").await;
    for round in 0..3 {
        ws.send_frame(false, 0, TEXT, "one ", true).await;
        ws.send_ping("in it").await;
        assert_eq!(ws.next().await, Frame::whole(PONG, "in it"));
        ws.send_frame(false, 0, CONTINUATION, "", true).await;
        ws.send_frame(true, 0, PONG, "unasked", true).await;
        // A byte at a time.
        for byte in frame(false, 0, CONTINUATION, b"two ", true) {
            ws.send([byte]).await;
        }
        let last = format!("three {round}");
        ws.send_frame(true, 0, CONTINUATION, &last, true).await;
        ws.expect_text(&format!("one two {last}")).await;
    }
    // Its end comes in the middle of a message.
    ws.send_frame(false, 0, BINARY, "one", true).await;
    ws.send_close(1000, "enough").await;
    assert_eq!(ws.expect_close(1000).await, "enough");
    assert_eq!(ws.rest().await, b"");
}

#[tokio::test]
async fn what_comes_before_a_breach_is_answered() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/echo").await;
    let unmasked = frame(true, 0, TEXT, b"bad", false);
    ws.send([whole(TEXT, b"good"), unmasked].concat()).await;
    ws.expect_text("good").await;
    ws.expect_close(1002).await;
    assert_eq!(ws.rest().await, b"");
}

#[tokio::test]
async fn nothing_counts_behind_a_close_frame() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/events?as=a").await;
    let behind = [
        close(1000, b"first"),
        whole(TEXT, b"late"),
        whole(PING, b"late"),
        close(4000, b"second"),
        frame(true, 7, 15, b"rubbish", false),
    ];
    ws.send(behind.concat()).await;
    assert_eq!(ws.expect_close(1000).await, "first");
    assert_eq!(ws.rest().await, b"");
    let log = logged(&server, "a close Some(1000) Some(\"first\")").await;
    assert!(!log.iter().any(|line| line.contains("late")), "{log:?}");
}

#[tokio::test]
async fn a_message_past_the_limit_ends_its_socket_with_1009() {
    let server = App::new()
        .handler(FILE, guest("sockets"))
        .config("[settings]\nwebsocket_max_message_size = \"100KB\"\n")
        .serve()
        .await;
    const MOST: usize = 100 * 1024;
    for path in ["/echo", "/echo?deflate=1"] {
        let mut ws = connect(&server, path).await;
        ws.send_binary(vec![7; MOST]).await;
        assert_eq!(ws.next().await, Frame::whole(BINARY, vec![7; MOST]));
        let half = vec![b'x'; MOST / 2];
        for (fin, opcode) in [(false, TEXT), (true, CONTINUATION)] {
            ws.send_frame(fin, 0, opcode, &half, true).await;
        }
        let text = String::from_utf8([&*half, &*half].concat()).unwrap();
        ws.expect_text(&text).await;

        // One byte more, announced only.
        ends(&server, path, &head(0x82, MOST as u64 + 1), 1009).await;
        ends(&server, path, &head(0x82, 1 << 40), 1009).await;
        // In pieces, each of which is small.
        let mut pieces = vec![frame(false, 0, BINARY, &half, true)];
        pieces.push(frame(false, 0, CONTINUATION, &half, true));
        pieces.push(frame(false, 0, CONTINUATION, b"x", true));
        ends(&server, path, &pieces.concat(), 1009).await;
    }
}

#[tokio::test]
async fn what_is_announced_is_not_allocated() {
    let server = serve(ONE).await;
    let before = server.resident();
    let mut all = Vec::new();
    for _ in 0..100 {
        let mut ws = connect(&server, "/echo").await;
        // The largest message that is allowed, and little of it.
        ws.send(head(0x82, 10 << 20)).await;
        ws.send(vec![0; 1000]).await;
        all.push(ws);
    }
    let mut other = connect(&server, "/echo").await;
    echoed(&mut other, "undisturbed").await;
    let more = server.resident().saturating_sub(before) / 1024;
    println!("{more} MiB more for 100 messages of 10 MiB that are announced");
    assert!(more < 100, "{more} MiB");
}

/// One side of permessage-deflate, without context takeover.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(bytes.len() / 500 + 1024);
    compress
        .compress_vec(bytes, &mut out, FlushCompress::Sync)
        .unwrap();
    assert_eq!(compress.total_in(), bytes.len() as u64);
    assert!(out.ends_with(b"\0\0\xff\xff"));
    out.truncate(out.len() - 4);
    out
}

fn inflated(inflate: &mut Decompress, bytes: &[u8]) -> Vec<u8> {
    let bytes = [bytes, b"\0\0\xff\xff"].concat();
    let mut out = Vec::with_capacity(1 << 20);
    inflate
        .decompress_vec(&bytes, &mut out, FlushDecompress::Sync)
        .unwrap();
    out
}

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";

async fn with_deflate(server: &Running, more: &str) -> Ws {
    let offer = format!("{DEFLATE}{more}");
    let ws = Ws::connect_with(server.address, "/echo?deflate=1", &[&offer]).await;
    let answer = ws.header("sec-websocket-extensions").unwrap();
    assert!(answer.starts_with("permessage-deflate"), "{answer}");
    ws
}

#[tokio::test]
async fn compressed_messages_go_both_ways() {
    let server = serve(ONE).await;
    for more in [
        "",
        "; server_no_context_takeover",
        "; client_no_context_takeover",
        "; server_max_window_bits=9",
    ] {
        let mut ws = with_deflate(&server, more).await;
        let answer = ws.header("sec-websocket-extensions").unwrap().to_owned();
        if more.starts_with("; server") {
            assert!(answer.contains(&more[2..]), "{answer}");
        }
        let mut inflate = Decompress::new(false);
        for round in 0..5 {
            let text = format!("{round} {}", "the same again and again, ".repeat(200));
            ws.send_frame(true, RSV1, TEXT, deflated(text.as_bytes()), true)
                .await;
            let answer = ws.next().await;
            assert!(answer.rsv1 && answer.payload.len() < 1000, "{answer:?}");
            if more.contains("server_no") {
                inflate = Decompress::new(false);
            }
            assert_eq!(inflated(&mut inflate, &answer.payload), text.as_bytes());
            // What is not compressed may come, too.
            ws.send_text("plain").await;
            let plain = ws.next().await;
            let plain = match plain.rsv1 {
                true => inflated(&mut inflate, &plain.payload),
                false => plain.payload,
            };
            assert_eq!(plain, b"plain");
        }
    }
    // Where the handler does not want it, or the client does not offer it, there is none.
    let ws = Ws::connect_with(server.address, "/echo", &[DEFLATE]).await;
    assert_eq!(ws.header("sec-websocket-extensions"), None);
    let mut ws = connect(&server, "/echo?deflate=1").await;
    assert_eq!(ws.header("sec-websocket-extensions"), None);
    ws.send_frame(true, RSV1, TEXT, deflated(b"x"), true).await;
    ws.expect_close(1002).await;
}

#[tokio::test]
async fn empty_messages_may_be_compressed() {
    let server = serve(ONE).await;
    let mut ws = with_deflate(&server, "").await;
    let mut inflate = Decompress::new(false);
    // The two forms of RFC 7692, section 7.2.3.6, and without compression.
    for (payload, rsv) in [(&b"\0"[..], RSV1), (b"\x02\0", RSV1), (b"", 0)] {
        for opcode in [TEXT, BINARY] {
            ws.send_frame(true, rsv, opcode, payload, true).await;
            let answer = ws.next().await;
            assert_eq!(answer.opcode, opcode);
            let bytes = match answer.rsv1 {
                true => inflated(&mut inflate, &answer.payload),
                false => answer.payload,
            };
            assert_eq!(bytes, b"", "{payload:?}");
        }
    }
    ws.send_frame(true, RSV1, TEXT, deflated(b"and on"), true)
        .await;
    let answer = ws.next().await;
    assert_eq!(inflated(&mut inflate, &answer.payload), b"and on");
}

#[tokio::test]
async fn compressed_pieces_are_one_stream_and_only_the_first_says_so() {
    let server = serve(ONE).await;
    let mut ws = with_deflate(&server, "").await;
    let text = "piece by piece, ".repeat(100);
    let compressed = deflated(text.as_bytes());
    let pieces: Vec<_> = compressed.chunks(compressed.len() / 3).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let (rsv, opcode) = if at == 0 {
            (RSV1, TEXT)
        } else {
            (0, CONTINUATION)
        };
        ws.send_frame(at + 1 == pieces.len(), rsv, opcode, piece, true)
            .await;
        if at == 0 {
            ws.send_ping("between").await;
            assert_eq!(ws.next().await, Frame::whole(PONG, "between"));
        }
    }
    let answer = ws.next().await;
    let mut inflate = Decompress::new(false);
    assert_eq!(inflated(&mut inflate, &answer.payload), text.as_bytes());

    // RSV1 in a later piece, and bytes that are no DEFLATE.
    let mut ws = with_deflate(&server, "").await;
    ws.send_frame(false, RSV1, TEXT, &compressed[..5], true)
        .await;
    ws.send_frame(true, RSV1, CONTINUATION, &compressed[5..], true)
        .await;
    ws.expect_close(1002).await;
    let mut ws = with_deflate(&server, "").await;
    ws.send_frame(true, RSV1, TEXT, [0xff; 20], true).await;
    let frame = ws.next().await;
    assert_eq!(frame.opcode, CLOSE, "{frame:?}");
    let mut ws = with_deflate(&server, "").await;
    ws.send_frame(true, RSV1, TEXT, deflated(b"bad \xff"), true)
        .await;
    ws.expect_close(1007).await;
}

#[tokio::test]
async fn a_deflate_bomb_ends_its_socket_with_1009_and_costs_no_memory() {
    let server = serve(ONE).await;
    let mut other = connect(&server, "/echo").await;
    echoed(&mut other, "before").await;
    let before = server.resident();
    // A thousand times as long: 1 MB is 1 GiB.
    let compressed = deflated(&vec![0; 1 << 30]);
    assert!(compressed.len() < 2 << 20, "{}", compressed.len());
    for _ in 0..8 {
        let mut ws = with_deflate(&server, "").await;
        let bomb = frame(true, RSV1, BINARY, &compressed, true);
        ws.send(&bomb).await;
        ws.expect_close(1009).await;
    }
    echoed(&mut other, "undisturbed").await;
    let more = server.resident().saturating_sub(before) / 1024;
    println!("{more} MiB more");
    assert!(more < 100, "{more} MiB");
}

#[tokio::test]
async fn pings_that_come_together_are_all_answered() {
    let server = serve("").await;
    let mut ws = connect(&server, "/echo").await;
    let pings: Vec<u8> = (0..10_u8)
        .flat_map(|number| frame(true, 0, PING, &[number], true))
        .collect();
    ws.send(pings).await;
    for number in 0..10 {
        assert_eq!(ws.next().await, Frame::whole(PONG, [number]));
    }
}

#[tokio::test]
async fn a_flood_of_pings_disturbs_no_other() {
    let server = serve(ONE).await;
    let mut other = connect(&server, "/echo").await;
    let mut flood = connect(&server, "/events?as=flood").await;
    let before = server.resident();
    let pings = whole(PING, &[b'p'; 125]).repeat(500);
    let floods = async {
        loop {
            // It reads nothing, so it comes to a stop.
            flood.send(&pings).await;
        }
    };
    let asks = async {
        for number in 0..200 {
            echoed(&mut other, &number.to_string()).await;
        }
    };
    tokio::select! {
        () = floods => {}
        () = soon(asks) => {}
    }
    let more = server.resident().saturating_sub(before) / 1024;
    assert!(more < 64, "{more} MiB");
}

/// The protocol in short: what every kind of connection has to carry.
async fn talks(ws: &mut Ws<impl AsyncRead + AsyncWrite + Unpin>) {
    for length in [0, 10, 300, 70_000, 1 << 20] {
        let text = "t".repeat(length);
        ws.send_text(&text).await;
        ws.expect_text(&text).await;
    }
    ws.send_ping("ping").await;
    assert_eq!(ws.next().await, Frame::whole(PONG, "ping"));
    ws.send_frame(false, 0, BINARY, "in ", true).await;
    ws.send_frame(true, 0, CONTINUATION, "pieces", true).await;
    assert_eq!(ws.next().await, Frame::whole(BINARY, "in pieces"));
}

async fn parts(ws: &mut Ws<impl AsyncRead + AsyncWrite + Unpin>) {
    ws.send_close(4000, "enough").await;
    assert_eq!(ws.expect_close(4000).await, "enough");
    assert_eq!(ws.rest().await, b"");
}

async fn is_refused(ws: &mut Ws<impl AsyncRead + AsyncWrite + Unpin>) {
    ws.send(frame(true, 0, TEXT, b"x", false)).await;
    ws.expect_close(1002).await;
    assert_eq!(ws.rest().await, b"");
}

#[tokio::test]
async fn tls_carries_sockets() {
    let authority = Authority::new();
    let pair = authority.sign(&["a.example"]);
    let app = App::new().handler(FILE, guest("sockets")).config(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n\
         tls = { cert = \"cert.pem\", key = \"key.pem\" }\n",
    );
    std::fs::write(app.path().join("cert.pem"), &pair.cert).unwrap();
    std::fs::write(app.path().join("key.pem"), &pair.key).unwrap();
    let server = app.serve_where_it_says().await;
    let client = authority.client(&["http/1.1"], None);
    let open = async || {
        let stream = connect_tls(&client, server.address, "a.example").await;
        Ws::over(stream.unwrap(), "/echo", &["Origin: https://localhost"]).await
    };
    let mut ws = open().await;
    talks(&mut ws).await;
    parts(&mut ws).await;
    is_refused(&mut open().await).await;
    // A client that is gone without a word of TLS either.
    let (stream, _) = open().await.stream.into_inner();
    drop(stream);
    until_open(&server, FILE, 0).await;
}

#[tokio::test]
async fn unix_sockets_carry_sockets() {
    let server = App::new()
        .handler(FILE, guest("sockets"))
        .config("[server]\nlisten = ['127.0.0.1:0', 'unix:app.sock']\nadmin = '127.0.0.1:0'\n")
        .serve_where_it_says()
        .await;
    server.log.line_with("app.sock").await;
    let socket = server.app.path().join("app.sock");
    let open = async || {
        let stream = UnixStream::connect(&socket).await.unwrap();
        Ws::over(stream, "/echo", &[]).await
    };
    let mut ws = open().await;
    talks(&mut ws).await;
    parts(&mut ws).await;
    is_refused(&mut open().await).await;
    drop(open().await);
    until_open(&server, FILE, 0).await;
}

/// A stream of HTTP/2 as a socket: what was read and not taken.
struct Http2 {
    sends: h2::SendStream<Bytes>,
    receives: h2::RecvStream,
    unread: Vec<u8>,
}

impl Http2 {
    fn send(&mut self, bytes: Vec<u8>) {
        self.sends.send_data(bytes.into(), false).unwrap();
    }

    /// Waits for these bytes.
    async fn expect(&mut self, expected: &[u8]) {
        soon(async {
            while self.unread.len() < expected.len() {
                let data = self.receives.data().await.expect("more").unwrap();
                let flow = self.receives.flow_control();
                flow.release_capacity(data.len()).unwrap();
                self.unread.extend(data);
            }
        })
        .await;
        let rest = self.unread.split_off(expected.len());
        assert!(self.unread == expected, "{} bytes", self.unread.len());
        self.unread = rest;
    }

    /// Waits for a good end of the stream.
    async fn expect_end(&mut self) {
        while let Some(data) = soon(self.receives.data()).await {
            assert_eq!(data.unwrap(), "");
        }
    }
}

#[tokio::test]
async fn http2_carries_sockets_beside_requests() {
    let server = app(ONE).config(&format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\nh2c = true\n\
         [component.{FILE:?}]\n{ONE}\n"
    ));
    let server = server.serve_where_it_says().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = |path: &str, protocol: &'static str| {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("http://localhost{path}"))
            .header("sec-websocket-version", "13")
            .body(())
            .unwrap();
        request
            .extensions_mut()
            .insert(Protocol::from_static(protocol));
        request
    };
    let mut client = soon(client.ready()).await.unwrap();
    // The server's settings say that it may be asked (RFC 8441, section 3); they have come with the first answer.
    let get = Request::get("http://localhost/log").body(()).unwrap();
    let (answer, _) = client.send_request(get, true).unwrap();
    assert_eq!(soon(answer).await.unwrap().status(), 200);
    assert!(client.is_extended_connect_protocol_enabled());

    let open = async |path: &str, protocol| {
        let mut ready = soon(client.clone().ready()).await.unwrap();
        let (answer, sends) = ready.send_request(request(path, protocol), false).unwrap();
        let answer = soon(answer).await.unwrap();
        let status = answer.status();
        let socket = Http2 {
            sends,
            receives: answer.into_body(),
            unread: Vec::new(),
        };
        (status, socket)
    };
    let (status, mut one) = open("/echo", "websocket").await;
    assert_eq!(status, 200);
    let (status, mut two) = open("/events/path?as=two", "websocket").await;
    assert_eq!(status, 200);
    until_open(&server, FILE, 2).await;
    for length in [0, 10, 70_000, 1 << 20] {
        let bytes = vec![b't'; length];
        one.send(whole(TEXT, &bytes));
        one.expect(&frame(true, 0, TEXT, &bytes, false)).await;
        two.send(whole(PING, b"two"));
        two.expect(&frame(true, 0, PONG, b"two", false)).await;
    }
    // One that ends leaves the other, and the connection.
    one.send(close(4000, b"enough"));
    let farewell = [&4000_u16.to_be_bytes()[..], b"enough"].concat();
    one.expect(&frame(true, 0, CLOSE, &farewell, false)).await;
    one.expect_end().await;
    until_open(&server, FILE, 1).await;
    two.send(whole(TEXT, b"x"));
    two.expect(&frame(true, 0, TEXT, b"x", false)).await;
    // A stream that is reset is a client that vanishes.
    two.sends.send_reset(h2::Reason::CANCEL);
    let log = logged(&server, "two close None None").await;
    assert!(log.contains(&"two open path".to_owned()), "{log:?}");
    until_open(&server, FILE, 0).await;
    // Refusals are answers, and other protocols are none of ours.
    assert_eq!(open("/events?refuse=401", "websocket").await.0, 401);
    assert_eq!(open("/nothing", "websocket").await.0, 404);
    let (status, _) = open("/echo", "connect-udp").await;
    assert!(status.is_client_error() || status == 501, "{status}");
}
