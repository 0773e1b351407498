//! The client against servers in the test, which speak by the same library. Serves no app.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use bytes::BytesMut;
use sockudo_ws::deflate::{DeflateConfig, negotiate_server_deflate};
use sockudo_ws::handshake::generate_accept_key;
use sockudo_ws::protocol::{CompressedProtocol, Protocol, Role};
use url::Url;

use super::*;

const MAX: usize = 16 << 20;
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

/// The server's side of a WebSocket.
struct Peer {
    stream: TcpStream,
    /// The request that it began with.
    request: String,
    codec: Codec,
    unread: BytesMut,
    frames: VecDeque<Frame>,
}

impl Peer {
    /// The next frame; `None` where the client is gone.
    fn read(&mut self) -> Option<Frame> {
        while self.frames.is_empty() {
            let mut piece = [0; 4096];
            let read = self.stream.read(&mut piece).ok().filter(|read| *read > 0)?;
            self.unread.extend_from_slice(&piece[..read]);
            let mut frames = Vec::new();
            let decoded = self.codec.decode(&mut self.unread, &mut frames);
            decoded.expect("a client breaks no rule");
            self.frames.extend(frames);
        }
        self.frames.pop_front()
    }

    fn write(&mut self, frame: &Frame) {
        let bytes = self.codec.encode(frame).expect("it is encoded");
        self.write_bytes(&bytes);
    }

    fn write_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it is sent");
    }

    /// Sends every message back until it is closed, and answers to that.
    fn echo(mut self) {
        while let Some(frame) = self.read() {
            let is_close = frame.is_close();
            match frame {
                Frame::Ping(data) => self.write(&Frame::Pong(data)),
                Frame::Pong(_) => {}
                other => self.write(&other),
            }
            if is_close {
                break;
            }
        }
    }
}

/// A server for one connection: what it does is given. Returns its URL.
fn serving(does: impl FnOnce(TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        does(stream);
    });
    (format!("http://{address}/ws"), thread)
}

fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole request");
        head.extend(byte);
    }
    String::from_utf8(head).expect("a request of text")
}

fn value_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(other, value)| (other == name).then_some(value))
}

/// A server of WebSockets, which agrees to what is offered. The lines are more headers of its response.
fn peer(lines: &'static str, does: impl FnOnce(Peer) + Send + 'static) -> (String, JoinHandle<()>) {
    serving(move |mut stream| {
        let request = head_of(&mut stream);
        let key = value_of(&request, "sec-websocket-key").expect("a key");
        let accept = generate_accept_key(key);
        let mut response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{lines}"
        );
        let offers = value_of(&request, "sec-websocket-extensions").unwrap_or_default();
        let config = DeflateConfig {
            compression_threshold: 1,
            ..DeflateConfig::default()
        };
        let codec = match negotiate_server_deflate(offers, &config) {
            None => Codec::Plain(Protocol::new(Role::Server, MAX, MAX)),
            Some(agreed) => {
                let header = agreed.to_response_header();
                response += &format!("Sec-WebSocket-Extensions: {header}\r\n");
                let protocol = CompressedProtocol::server(MAX, MAX, agreed.config);
                Codec::Deflate(Box::new(protocol))
            }
        };
        response += "\r\n";
        stream.write_all(response.as_bytes()).expect("it is sent");
        does(Peer {
            stream,
            request,
            codec,
            unread: BytesMut::new(),
            frames: VecDeque::new(),
        });
    })
}

fn open(url: &str, request: WebSocketRequest) -> WebSocket {
    let socket = WebSocket::connect(&request, url, LONG, None);
    socket.expect("an answer").expect("a WebSocket")
}

fn close(code: u16, reason: &str) -> Frame {
    Frame::Close(Some(CloseReason::new(code, reason)))
}

/// What a call says that panics.
fn failure<T>(call: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(call)) else {
        panic!("it does not fail");
    };
    *panic.downcast::<String>().expect("it says why")
}

#[test]
fn messages_come_back_as_they_were() {
    for request in [
        WebSocketRequest::new("/ws"),
        WebSocketRequest::new("/ws").with_compression(),
    ] {
        let is_compressed = request.is_compressed;
        let (url, server) = peer("", Peer::echo);
        let mut ws = open(&url, request);
        let extension = ws.header("Sec-WebSocket-Extensions");
        assert_eq!(extension.is_some(), is_compressed);
        let long = "räin ".repeat(100_000);
        // An empty one after another is one that a compressor can get wrong.
        for message in ["hello", "", "", "rain and räin", &long, "hello"] {
            ws.write_message(message);
            assert_eq!(ws.read_message(), Some(message.into()));
        }
        let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        ws.write_message(&bytes[..]);
        assert_eq!(ws.read_message(), Some(Message::Binary(bytes)));
        ws.close(None, "");
        assert_eq!(ws.read_message(), None);
        assert_eq!((ws.close_code(), ws.close_reason()), (None, None));
        server.join().expect("the server is content");
    }
}

#[test]
fn a_request_is_sent_as_the_test_has_written_it() {
    let lines = "Sec-WebSocket-Protocol: b\r\nSet-Cookie: c=3\r\n";
    let (url, server) = peer(lines, |peer| {
        for line in [
            "GET /a/../b?c=%20d HTTP/1.1",
            "origin: http://example.com",
            "sec-websocket-version: 13",
            "sec-websocket-protocol: a, b",
            "upgrade: websocket",
            "connection: Upgrade",
            "user-agent: mine",
            "cookie: a=1; b=2",
        ] {
            assert!(peer.request.lines().any(|other| other == line), "{line}");
        }
        let host = value_of(&peer.request, "host").expect("a host");
        assert!(host.starts_with("127.0.0.1:"), "{host}");
        peer.echo();
    });
    let request = WebSocketRequest::new("")
        .with_header("Origin", "http://example.com")
        .with_header("User-Agent", "mine")
        .with_header("Cookie", "a=1")
        .with_subprotocols(["a", "b"]);
    let jar = Jar::default();
    let root = Url::parse(&url).expect("a URL");
    let mut set = HeaderMap::new();
    set.append(header::SET_COOKIE, "b=2; Path=/".parse().expect("a value"));
    jar.keep(&root, &set);
    let url = url.replace("/ws", "/a/../b?c=%20d#e");
    let ws = WebSocket::connect(&request, &url, LONG, Some(&jar));
    let ws = ws.expect("an answer").expect("a WebSocket");
    assert_eq!(ws.selected_subprotocol(), Some("b"));
    assert_eq!(ws.headers()["upgrade"], "websocket");
    assert!(jar.of(&root).contains(&("c".to_owned(), "3".to_owned())));
    drop(ws);
    server.join().expect("the server is content");
}

#[test]
fn what_comes_with_the_response_is_not_lost() {
    let (url, server) = serving(|mut stream| {
        let request = head_of(&mut stream);
        let key = value_of(&request, "sec-websocket-key").expect("a key");
        let response = format!(
            "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\
             Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n\
             \u{1}\u{2}he",
            generate_accept_key(key)
        );
        stream.write_all(response.as_bytes()).expect("it is sent");
        stream
            .write_all(b"\x80\x03llo\x88\x02\x0f\xa0")
            .expect("it is sent");
    });
    let mut ws = open(&url, "/ws".into());
    assert_eq!(ws.read_message(), Some("hello".into()));
    assert_eq!(ws.read_message(), None);
    assert_eq!((ws.close_code(), ws.close_reason()), (Some(4000), Some("")));
    server.join().expect("the server is content");
}

#[test]
fn pings_are_answered_and_pongs_are_read() {
    let (url, server) = peer("", |mut peer| {
        peer.write(&Frame::ping(&b"are you there?"[..]));
        peer.write(&Frame::text("before"));
        // The client answers when it reads, which is after what it writes.
        loop {
            match peer.read().expect("a pong") {
                Frame::Ping(data) => peer.write(&Frame::Pong(data)),
                Frame::Pong(data) => break assert_eq!(data, "are you there?"),
                other => peer.write(&other),
            }
        }
        peer.echo();
    });
    let mut ws = open(&url, "/ws".into());
    ws.ping("abc");
    ws.write_message("after");
    assert_eq!(ws.read_pong().as_deref(), Some(&b"abc"[..]));
    assert_eq!(ws.read_message(), Some("before".into()));
    assert_eq!(ws.read_message(), Some("after".into()));
    ws.close(1001, "goodbye");
    assert_eq!(ws.read_pong(), None);
    assert_eq!(ws.read_message(), None);
    assert_eq!(
        (ws.close_code(), ws.close_reason()),
        (Some(1001), Some("goodbye"))
    );
    let said = failure(|| ws.write_message("too late"));
    assert!(said.ends_with("is closed"), "{said}");
    server.join().expect("the server is content");
}

#[test]
fn a_server_that_closes_gets_an_answer() {
    let (url, server) = peer("", |mut peer| {
        peer.write(&Frame::text("the last"));
        peer.write(&close(3001, "enough"));
        loop {
            match peer.read().expect("an answer") {
                Frame::Text(_) => {}
                Frame::Close(Some(reason)) => {
                    return assert_eq!((reason.code, &*reason.reason), (3001, "enough"));
                }
                other => panic!("{other:?}"),
            }
        }
    });
    let mut ws = open(&url, "/ws".into());
    assert_eq!(ws.read_message(), Some("the last".into()));
    // Whether the close has arrived by now makes no difference.
    ws.write_message("lost");
    assert_eq!(ws.read_message(), None);
    assert_eq!(
        (ws.close_code(), ws.close_reason()),
        (Some(3001), Some("enough"))
    );
    ws.close(1000, "");
    assert_eq!(ws.close_code(), Some(3001));
    server.join().expect("the server is content");
}

#[test]
fn a_connection_that_ends_has_no_code() {
    let (url, server) = peer("", drop);
    let mut ws = open(&url, "/ws".into());
    server.join().expect("the server is content");
    ws.write_message("lost");
    ws.write_message("lost, too");
    assert_eq!(ws.read_message(), None);
    assert_eq!((ws.close_code(), ws.close_reason()), (None, None));
}

#[test]
fn a_refusal_has_the_whole_response() {
    for (body, text) in [
        ("Content-Length: 7\r\n\r\nnot you", "not you"),
        (
            "Transfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n4;a=b\r\n you\r\n0\r\n\r\n",
            "not you",
        ),
        ("Connection: close\r\n\r\nnot you", "not you"),
        ("Content-Length: 0\r\n\r\n", ""),
    ] {
        let (url, server) = serving(move |mut stream| {
            head_of(&mut stream);
            let response = format!("HTTP/1.1 403 Forbidden\r\nX-Why: origin\r\n{body}");
            stream.write_all(response.as_bytes()).expect("it is sent");
        });
        let answer = WebSocket::connect(&"/ws".into(), &url, LONG, None);
        let refused = answer.expect("an answer").expect_err("a refusal");
        assert_eq!(refused.to_string(), format!("{url} is no WebSocket: 403"));
        let response = refused.response();
        assert_eq!((response.code(), response.text()), (403, text));
        assert_eq!(response.header("X-Why"), Some("origin"));
        server.join().expect("the server is content");
    }
}

#[test]
fn an_answer_that_agrees_to_something_else_is_a_fault() {
    const AGREES: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    for (lines, said) in [
        ("Connection: Upgrade\r\n", "101 with `upgrade: `"),
        ("Upgrade: websocket\r\n", "101 with `connection: `"),
        (AGREES, "of another key: \"\""),
    ] {
        let (url, server) = serving(move |mut stream| {
            head_of(&mut stream);
            let response = format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n");
            stream.write_all(response.as_bytes()).expect("it is sent");
        });
        let error = WebSocket::connect(&"/ws".into(), &url, LONG, None).expect_err("a fault");
        assert!(error.contains(said), "{error}");
        server.join().expect("the server is content");
    }
    for lines in [
        "Sec-WebSocket-Protocol: c\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    ] {
        let (url, server) = peer(lines, drop);
        let request = WebSocketRequest::new("/ws").with_subprotocols(["a", "b"]);
        let error = WebSocket::connect(&request, &url, LONG, None).expect_err("a fault");
        assert!(error.ends_with("which was not offered"), "{error}");
        server.join().expect("the server is content");
    }
}

#[test]
fn every_wait_has_a_limit() {
    let (url, server) = serving(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = WebSocket::connect(&"/ws".into(), &url, SHORT, None).expect_err("it is late");
    assert!(error.starts_with(&format!("WebSocket {url}: ")), "{error}");
    server.join().expect("the server is content");

    let (url, server) = peer("", |mut peer| {
        // It reads only what is not meant for it.
        let _ = peer.read();
        let _ = peer.read();
    });
    let request = WebSocketRequest::new("/ws").with_timeout(SHORT);
    let mut ws = open(&url, request);
    let said = failure(|| ws.read_message());
    assert_eq!(said, format!("no message came from {url} for {SHORT:?}"));
    let said = failure(|| ws.read_pong());
    assert_eq!(said, format!("no pong came from {url} for {SHORT:?}"));
    drop(ws);
    server.join().expect("the server is content");
}

#[test]
fn a_server_that_does_not_read_is_not_waited_for() {
    let (url, server) = peer("", |_peer| std::thread::park());
    let mut ws = open(&url, WebSocketRequest::new("/ws").with_timeout(SHORT));
    let said = failure(|| ws.write_message(vec![0; 64 << 20]));
    assert_eq!(said, format!("{url} has not read on for {SHORT:?}"));
    server.thread().unpark();
    server.join().expect("the server is content");
}

#[test]
fn a_server_that_breaks_the_protocol_is_told_so() {
    for (bytes, why, code) in [
        // Masked, with a reserved bit, longer than a control frame may be, and no UTF-8.
        (&b"\x81\x80\x01\x02\x03\x04"[..], "must not be masked", 1002),
        (b"\xa1\x00", "RSV2", 1002),
        (b"\x89\x7e\x01\x00", "control frame too large", 1002),
        (b"\x81\x01\xff", "UTF-8", 1007),
    ] {
        let (url, server) = peer("", move |mut peer| {
            peer.write(&Frame::text("fine"));
            peer.write_bytes(bytes);
            let told = peer.read().expect("it is told");
            let Frame::Close(Some(reason)) = told else {
                panic!("{told:?}");
            };
            assert_eq!(reason.code, code);
        });
        let mut ws = open(&url, "/ws".into());
        assert_eq!(ws.read_message(), Some("fine".into()));
        let said = failure(|| ws.read_message());
        assert!(said.contains(why), "{said}");
        server.join().expect("the server is content");
    }
}
