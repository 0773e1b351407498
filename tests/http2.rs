//! HTTP/2 by prior knowledge, frame by frame where a client misbehaves.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, Reason};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{App, Running, example, guest, soon};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Types of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// `:method GET`, `:scheme http`, `:path /` and an authority of one letter, as HPACK has them.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
/// The same with `POST` and `/slow`.
const SLOW: &[u8] = b"\x83\x86\x04\x05/slow\x41\x01a";

/// The same with `GET` and `/slow?for=body`.
const READS: &[u8] = b"\x82\x86\x04\x0e/slow?for=body\x41\x01a";

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

async fn serve(server: &str) -> Running {
    App::new()
        .handler("hello.wasm", example("hello"))
        .handler("echo.wasm", guest("echo"))
        .handler("slow.wasm", guest("slow"))
        .config(&format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n{server}"
        ))
        .serve_where_it_says()
        .await
}

async fn connect(server: &Running) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(
    client: &SendRequest<Bytes>,
    request: Request<Bytes>,
) -> Result<(u16, Bytes), h2::Error> {
    let (head, body) = request.into_parts();
    let mut client = client.clone().ready().await?;
    let (response, mut stream) =
        client.send_request(Request::from_parts(head, ()), body.is_empty())?;
    if !body.is_empty() {
        // Refused before it is sent whole, it has an answer all the same.
        let _ = stream.send_data(body, true);
    }
    let response: Response<_> = response.await?;
    let (status, mut body) = (response.status().as_u16(), response.into_body());
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        text.extend(data);
    }
    Ok((status, text.into()))
}

fn get(path: &str) -> Request<Bytes> {
    let uri = format!("http://a{path}");
    Request::get(uri).body(Bytes::new()).unwrap()
}

fn post(path: &str, body: Vec<u8>) -> Request<Bytes> {
    let uri = format!("http://a{path}");
    Request::post(uri).body(body.into()).unwrap()
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let server = serve("h2c = true\n").await;
    let client = connect(&server).await;
    // By then it knows how many may be under way at once.
    assert_eq!(soon(ask(&client, get("/hello"))).await.unwrap().0, 200);
    let mut asked = JoinSet::new();
    for number in 0..200 {
        let client = client.clone();
        asked.spawn(async move {
            let body = format!("number {number}");
            let (status, echo) = ask(&client, post("/echo", body.clone().into()))
                .await
                .unwrap();
            let echo: serde_json::Value = serde_json::from_slice(&echo).unwrap();
            (status, echo["body"] == body)
        });
    }
    let answers = soon(asked.join_all()).await;
    assert!(answers.iter().all(|answer| *answer == (200, true)));
    // HTTP/1 goes on beside it.
    assert_eq!(server.get("/hello").await.body, "Hello, world");
}

#[tokio::test]
async fn a_handler_sees_which_http_a_client_speaks() {
    let server = serve("h2c = true\n").await;
    let client = connect(&server).await;
    let (status, echo) = soon(ask(&client, get("/echo"))).await.unwrap();
    let echo: serde_json::Value = serde_json::from_slice(&echo).unwrap();
    assert_eq!((status, &echo["version"]), (200, &"HTTP/2.0".into()));
    assert_eq!(server.json("/echo").await["version"], "HTTP/1.1");
}

/// A client splits them to compress them better.
#[tokio::test]
async fn split_cookies_are_one_header() {
    let server = serve("h2c = true\n").await;
    let client = connect(&server).await;
    let mut request = get("/echo");
    for cookie in ["a=1", "b=2; c=3"] {
        let cookie = cookie.parse().unwrap();
        request.headers_mut().append("cookie", cookie);
    }
    let (_, echo) = soon(ask(&client, request)).await.unwrap();
    let echo: serde_json::Value = serde_json::from_slice(&echo).unwrap();
    let headers = echo["headers"].as_array().unwrap();
    let cookies: Vec<_> = headers
        .iter()
        .filter(|header| header[0] == "cookie")
        .collect();
    assert_eq!(cookies, [&serde_json::json!(["cookie", "a=1; b=2; c=3"])]);
}

#[tokio::test]
async fn more_requests_at_once_are_refused() {
    let server = serve("h2c = true\nmax_concurrent_streams = 3\n").await;
    let mut raw = Raw::connect(&server).await;
    let slow = [
        &[0x82, 0x86, 0x04, 0x05],
        &b"/slow"[..],
        &[0x41, 0x01, b'a'],
    ]
    .concat();
    for stream in [1, 3, 5, 7] {
        let asks = frame(HEADERS, END_STREAM | END_HEADERS, stream, &slow);
        raw.stream.write_all(&asks).await.unwrap();
    }
    assert_eq!(soon(raw.until(RST_STREAM)).await, Some(RST_STREAM));
}

#[tokio::test]
async fn the_host_answers_as_over_http_1() {
    let server = serve("h2c = true\nmax_body_size = \"1MB\"\n").await;
    let client = connect(&server).await;
    for (request, status) in [
        (get("/nothing"), 404),
        (post("/hello", vec![]), 405),
        (post("/echo", vec![b'a'; 2_000_000]), 413),
        (get("/hello"), 200),
    ] {
        let said = format!("{} {}", request.method(), request.uri());
        let (answer, _) = soon(ask(&client, request)).await.unwrap();
        assert_eq!(answer, status, "{said}");
    }
    let mut request = get("/hello");
    let long = "a".repeat(70_000).parse().unwrap();
    request.headers_mut().insert("x-long", long);
    assert_eq!(soon(ask(&client, request)).await.unwrap().0, 431);
    // Two names for one host, and a user in one.
    let mut request = get("/hello");
    request.headers_mut().insert("host", "b".parse().unwrap());
    assert_eq!(soon(ask(&client, request)).await.unwrap().0, 400);
    let request = Request::get("http://u@a/hello").body(Bytes::new()).unwrap();
    assert_eq!(soon(ask(&client, request)).await.unwrap().0, 400);
    server.log.line_with("400 GET http://u@a/hello").await;
}

#[tokio::test]
async fn without_the_switch_it_is_not_understood() {
    let server = serve("").await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    assert!(!answer.windows(4).any(|bytes| bytes == [0, 0, 0, SETTINGS]));
}

#[tokio::test]
async fn a_cancelled_request_is_cancelled_in_its_handler() {
    let server = serve("h2c = true\n").await;
    let client = connect(&server).await;
    let mut client = client.ready().await.unwrap();
    let (response, mut stream) = client.send_request(get("/slow").map(drop), true).unwrap();
    server
        .until(|status| {
            crate::harness::entry(status, "slow.wasm").is_some_and(|entry| entry["in_flight"] == 1)
        })
        .await;
    stream.send_reset(Reason::CANCEL);
    drop(response);
    server
        .until(|status| {
            crate::harness::entry(status, "slow.wasm").is_some_and(|entry| entry["in_flight"] == 0)
        })
        .await;
    assert_eq!(soon(ask(&client, get("/hello"))).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_shutdown_answers_what_is_in_flight() {
    let server = serve("h2c = true\n").await;
    let client = connect(&server).await;
    let slow = {
        let client = client.clone();
        tokio::spawn(async move { ask(&client, get("/slow?ms=300")).await })
    };
    server
        .until(|status| {
            crate::harness::entry(status, "slow.wasm").is_some_and(|entry| entry["in_flight"] == 1)
        })
        .await;
    assert!(server.stop().await.success());
    assert_eq!(soon(slow).await.unwrap().unwrap().0, 200);
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go() {
    let server = serve("h2c = true\nidle_connection_timeout = \"200ms\"\n").await;
    let mut raw = Raw::connect(&server).await;
    assert_eq!(soon(raw.until(GOAWAY)).await, Some(GOAWAY));
    assert_eq!(soon(raw.until(u8::MAX)).await, None);
}

/// A client that makes its own frames.
struct Raw {
    stream: TcpStream,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

impl Raw {
    async fn connect(server: &Running) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&begin).await.unwrap();
        Self { stream }
    }

    /// Reads frames up to one of this type. `None`: the connection ended before.
    async fn until(&mut self, kind: u8) -> Option<u8> {
        self.payload(kind).await.map(|_| kind)
    }

    /// The same, and what is in it.
    async fn payload(&mut self, kind: u8) -> Option<Vec<u8>> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            if head[3] == kind {
                return Some(payload);
            }
        }
    }

    /// Sends these until the server says that it ends the connection, and why.
    async fn flood(self, mut next: impl FnMut(u32) -> Vec<u8> + Send + 'static) -> Option<u32> {
        let (read, mut write) = self.stream.into_split();
        let sending = tokio::spawn(async move {
            for turn in 0..TURNS {
                if write.write_all(&next(turn)).await.is_err() {
                    return write;
                }
            }
            write
        });
        let mut read = tokio::io::BufReader::new(read);
        let told = async {
            loop {
                let mut head = [0; 9];
                read.read_exact(&mut head).await.ok()?;
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                read.read_exact(&mut payload).await.ok()?;
                if head[3] == GOAWAY {
                    let code = payload.get(4..8)?.try_into().ok()?;
                    return Some(u32::from_be_bytes(code));
                }
            }
        };
        let told = soon(told).await;
        sending.abort();
        told
    }
}

/// How often a flood sends what it sends, and how many frames that is.
const TURNS: u32 = 100;
const FRAMES: usize = 100;

const ENHANCE_YOUR_CALM: u32 = 11;

/// What is sent at each turn.
type Flood = Box<dyn FnMut(u32) -> Vec<u8> + Send>;

/// Frames that are legal each by itself, for a client that asks nothing.
fn floods() -> Vec<(&'static str, Flood)> {
    let many = |frame: Vec<u8>| frame.repeat(FRAMES);
    vec![
        ("PING", Box::new(move |_| many(frame(PING, 0, 0, &[0; 8])))),
        (
            "SETTINGS",
            Box::new(move |_| many(frame(SETTINGS, 0, 0, &[]))),
        ),
        (
            "WINDOW_UPDATE",
            Box::new(move |_| many(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
        ),
        (
            "PRIORITY",
            Box::new(move |_| many(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16]))),
        ),
        (
            "DATA without any",
            Box::new(|turn| match turn {
                0 => frame(HEADERS, END_HEADERS, 1, READS),
                _ => frame(DATA, 0, 1, &[]).repeat(FRAMES),
            }),
        ),
        (
            "an unknown type",
            Box::new(move |_| many(frame(200, 0, 0, &[]))),
        ),
        (
            "PING between requests",
            Box::new(move |turn| {
                let asks = frame(HEADERS, END_STREAM | END_HEADERS, 2 * turn + 1, GET);
                [asks, many(frame(PING, 0, 0, &[0; 8]))].concat()
            }),
        ),
        (
            "CONTINUATION",
            Box::new(|turn| match turn {
                0 => frame(HEADERS, END_STREAM, 1, GET),
                _ => frame(CONTINUATION, 0, 1, &[]).repeat(FRAMES),
            }),
        ),
        (
            "rapid reset",
            Box::new(|turn| {
                let reset = |nth| {
                    let stream = 2 * nth + 1;
                    let asks = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
                    [asks, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
                };
                (turn * 50..turn * 50 + 50).flat_map(reset).collect()
            }),
        ),
    ]
}

#[tokio::test]
async fn floods_end_within_ten_thousand_frames() {
    let server = serve("h2c = true\n").await;
    assert_eq!(server.get("/hello").await.status, 200);
    let before = server.vitals();
    for round in 0..3 {
        for (name, next) in floods() {
            let raw = Raw::connect(&server).await;
            let told = raw.flood(next).await;
            assert_eq!(told, Some(ENHANCE_YOUR_CALM), "{name}, round {round}");
        }
    }
    server.until_as_before(before, 8).await;
    assert_eq!(server.get("/hello").await.status, 200);
}

/// It is told to stop, which is no error (RFC 9113, section 8.1), and has its window back.
#[tokio::test]
async fn a_client_that_sends_what_nobody_reads_is_told_to_stop() {
    let server = serve("h2c = true\n").await;
    let mut raw = Raw::connect(&server).await;
    // More than the window of the connection, all in all.
    for turn in 0..100 {
        let stream = 2 * turn + 1;
        // It has no such method.
        let asks = frame(HEADERS, END_HEADERS, stream, SLOW);
        let body = frame(DATA, 0, stream, &[b'x'; 16_384]);
        raw.stream.write_all(&[asks, body].concat()).await.unwrap();
        assert_eq!(
            soon(raw.payload(RST_STREAM)).await,
            Some(vec![0; 4]),
            "{turn}"
        );
    }
}

/// One that asks for ever and takes nothing gives way to others in time.
#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let server = serve("h2c = true\nwrite_timeout = \"200ms\"\n").await;
    let mut raw = Raw::connect(&server).await;
    // SETTINGS_INITIAL_WINDOW_SIZE of nothing.
    let closed = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    raw.stream.write_all(&closed).await.unwrap();
    // `/hello` as a literal path.
    let hello = [
        &[0x82, 0x86, 0x04, 0x06],
        &b"/hello"[..],
        &[0x41, 0x01, b'a'],
    ]
    .concat();
    let asks = frame(HEADERS, END_STREAM | END_HEADERS, 1, &hello);
    raw.stream.write_all(&asks).await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(soon(raw.until(u8::MAX)).await, None);
    assert!(began.elapsed() >= Duration::from_millis(200));
}

/// What waits for a client is bounded for its connection: there, the next request waits.
#[tokio::test]
async fn requests_wait_while_much_waits_to_be_sent() {
    let server = serve("h2c = true\nmax_unsent = \"64KB\"\n").await;
    let client = connect(&server).await;
    let mut sender = client.clone().ready().await.unwrap();
    let (parts, body) = post("/echo", vec![b'x'; 300_000]).into_parts();
    let request = Request::from_parts(parts, ());
    let (answer, mut upload) = sender.send_request(request, false).unwrap();
    upload.send_data(body, true).unwrap();
    let mut unread = soon(answer).await.unwrap().into_body();
    let mut hello = std::pin::pin!(ask(&client, get("/hello")));
    let early = tokio::time::timeout(Duration::from_millis(300), hello.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    let mut bytes = 0;
    while let Some(piece) = soon(unread.data()).await {
        let piece = piece.unwrap();
        bytes += piece.len();
        unread.flow_control().release_capacity(piece.len()).unwrap();
    }
    assert!(bytes > 300_000);
    assert_eq!(soon(hello).await.unwrap().0, 200);
}

/// A client that pings now and then is alive, not a nuisance.
#[tokio::test]
async fn a_ping_is_answered() {
    let server = serve("h2c = true\n").await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    for _ in 0..10 {
        soon(pings.ping(Ping::opaque())).await.unwrap();
    }
    assert_eq!(soon(ask(&client, get("/hello"))).await.unwrap().0, 200);
}
