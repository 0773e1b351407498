//! One connection after the other: what it may do, how long it may take, and who notices when it
//! ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{SHORT, echo, limits, start, status};
use crate::harness::{Client, soon};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use waterspout::base::client;
use waterspout::config::Limits;
use waterspout::edge::connection::IncomingBody;

const CHUNKED: &str = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let (server, address) = start(limits(), echo).await;
    let mut client = Client::connect(address).await;
    for path in ["/1", "/2", "/3"] {
        assert_eq!(client.get(path).await.body, path);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_server, address) = start(limits(), echo).await;
    let mut client = Client::connect(address).await;
    client
        .send(
            "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst\
             GET /2 HTTP/1.1\r\nHost: a\r\n\r\n\
             GET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.body, "first");
    assert_eq!(client.answer().await.body, "/2");
    assert_eq!(client.answer().await.body, "/3");
}

#[tokio::test]
async fn a_chunked_body_is_read() {
    let (_server, address) = start(limits(), echo).await;
    let mut client = Client::connect(address).await;
    client.send(CHUNKED).await;
    client.send("3\r\nabc\r\n").await;
    client.send("2\r\nde\r\n0\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "abcde");
    assert_eq!(client.get("/next").await.body, "/next");
}

#[tokio::test]
async fn http_1_0_closes_after_its_answer() {
    let (_server, address) = start(limits(), echo).await;
    let mut client = Client::connect(address).await;
    client.send("GET /old HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "/old");
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_dripping_head_is_closed_at_the_header_timeout() {
    let (_server, address) = start(
        Limits {
            header_timeout: Some(SHORT),
            ..limits()
        },
        echo,
    )
    .await;
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/").await.status, 200);

    // On a connection of its own, behind a request, and behind the first bytes sent with it.
    for before in [
        "",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /",
    ] {
        let mut client = Client::connect(address).await;
        client.send(before).await;
        if !before.is_empty() {
            assert_eq!(client.answer().await.status, 200);
        }
        let began = Instant::now();
        drip(&mut client, "GET / HTTP/1.1\r\nHost: a\r\nX-Drip: ").await;
        assert!(
            began.elapsed() >= SHORT / 2,
            "{before:?}: {:?}",
            began.elapsed()
        );
        assert!(
            began.elapsed() < SHORT * 5,
            "{before:?}: {:?}",
            began.elapsed()
        );
    }
    assert_eq!(idle.get("/").await.status, 200);
}

/// Sends a byte of a head every few milliseconds until the other side has hung up.
async fn drip(client: &mut Client, head: &str) {
    for byte in head.bytes().chain(std::iter::repeat(b'x')) {
        let pause = tokio::time::timeout(SHORT / 20, client.stream.read_u8());
        if pause.await.is_ok() || client.stream.write_u8(byte).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn half_a_head_behind_a_request_is_closed_at_the_header_timeout() {
    let (_server, address) = start(
        Limits {
            header_timeout: Some(SHORT),
            ..limits()
        },
        echo,
    )
    .await;
    let mut client = Client::connect(address).await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HT")
        .await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn an_idle_connection_is_closed_at_its_timeout() {
    let (_server, address) = start(
        Limits {
            idle_connection_timeout: Some(SHORT),
            header_timeout: None,
            ..limits()
        },
        echo,
    )
    .await;
    let mut silent = Client::connect(address).await;
    let mut client = Client::connect(address).await;
    for _ in 0..4 {
        tokio::time::sleep(SHORT / 2).await;
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(silent.rest().await, b"");
    let began = Instant::now();
    assert_eq!(client.rest().await, b"");
    assert!(began.elapsed() >= SHORT / 2, "{:?}", began.elapsed());
}

/// Answers, and reads nothing.
async fn ignore(_: Request<IncomingBody>, _: client::Client) -> Response<Full<Bytes>> {
    status(StatusCode::OK)
}

#[tokio::test]
async fn a_body_that_nobody_reads_leaves_the_connection_idle() {
    let (_server, address) = start(
        Limits {
            header_timeout: Some(SHORT),
            ..limits()
        },
        ignore,
    )
    .await;
    let mut client = Client::connect(address).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    assert_eq!(client.answer().await.status, 200);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(client.get("/").await.status, 200);
}

/// A request whose body has so many bytes: its head, and that body.
fn post(length: usize, is_chunked: bool) -> (String, String) {
    let bytes = "x".repeat(length);
    let (framing, body) = match is_chunked {
        true => (
            "Transfer-Encoding: chunked".to_owned(),
            format!("{length:x}\r\n{bytes}\r\n0\r\nA: b\r\n\r\n"),
        ),
        false => (format!("Content-Length: {length}"), bytes),
    };
    (
        format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"),
        body,
    )
}

/// The body may be sent when the answer is there already.
#[tokio::test]
async fn a_body_that_nobody_reads_costs_no_request() {
    let (server, address) = start(limits(), ignore).await;
    let mut client = Client::connect(address).await;
    for is_chunked in [false, true] {
        for length in [1, 5, 20_000, 60_000, 65_536] {
            let (head, body) = post(length, is_chunked);
            let what = format!("{length} bytes, chunked: {is_chunked}");
            // One after the other, and each for itself. Only where its length is known is the answer there before it.
            client.send(&head).await;
            if is_chunked {
                client.send(&body).await;
            }
            let answer = client.answer().await;
            assert_eq!(answer.status, 200, "{what}");
            assert_eq!(answer.header("connection"), None, "{what}");
            if !is_chunked {
                client.send(&body).await;
            }
            assert_eq!(client.get("/").await.status, 200, "{what}");
            // With all that follows.
            client.send(format!("{head}{body}").repeat(3)).await;
            for _ in 0..3 {
                assert_eq!(client.answer().await.status, 200, "{what}");
            }
        }
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_body_that_is_too_long_to_drop_ends_the_connection_with_a_word() {
    let (_server, address) = start(limits(), ignore).await;
    for length in [65_537, 1_000_000] {
        let mut client = Client::connect(address).await;
        let (head, body) = post(length, false);
        client.send(&head).await;
        let answer = client.answer().await;
        assert_eq!(answer.header("connection"), Some("close"), "{length}");
        // Heard out, not reset.
        client.send(&body).await;
        let mut rest = Vec::new();
        soon(client.stream.read_to_end(&mut rest)).await.unwrap();
    }
    // Also where the client would rather speak another protocol.
    let mut client = Client::connect(address).await;
    let (head, body) = post(1_000_000, false);
    let head = head.replace("Host: a", "Host: a\r\nConnection: Upgrade\r\nUpgrade: h2c");
    client.send(&head).await;
    let answer = client.answer().await;
    assert_eq!(answer.header("connection"), Some("close"));
    client.send(&body).await;
    let mut rest = Vec::new();
    soon(client.stream.read_to_end(&mut rest)).await.unwrap();
    // In chunks, nobody knows before.
    for length in [200_000, 1_000_000] {
        let mut client = Client::connect(address).await;
        let (head, body) = post(length, true);
        client.send(head + &body).await;
        let answer = client.answer().await;
        assert_eq!(answer.header("connection"), Some("close"), "{length}");
        let mut rest = Vec::new();
        soon(client.stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"", "{length}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_waited_for_long() {
    let (server, address) = start(
        Limits {
            body_timeout: None,
            header_timeout: None,
            idle_connection_timeout: None,
            ..limits()
        },
        ignore,
    )
    .await;
    for begin in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nhell",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b",
    ] {
        let mut client = Client::connect(address).await;
        client.send(begin).await;
        assert_eq!(client.answer().await.status, 200, "{begin:?}");
        drip_with(
            &mut client,
            begin.as_bytes().last().filter(|byte| **byte != b'\n'),
        )
        .await;
    }
    until_none_is_left(&server).await;
}

/// Sends this byte again and again, until the other side has hung up.
async fn drip_with(client: &mut Client, byte: Option<&u8>) {
    loop {
        let pause = tokio::time::timeout(SHORT / 4, client.stream.read_u8());
        if soon(pause).await.is_ok() {
            return;
        }
        if let Some(byte) = byte
            && client.stream.write_u8(*byte).await.is_err()
        {
            return;
        }
    }
}

async fn until_none_is_left<S: waterspout::edge::connection::Service>(
    server: &waterspout::edge::server::Server<S>,
) {
    soon(async {
        while server.connections() > 0 {
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_waits_to_send_what_nobody_reads_is_told_that_it_ends() {
    let (_server, address) = start(limits(), ignore).await;
    let mut client = Client::connect(address).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.rest().await, b"");
    // One that does not wait loses nothing.
    let mut client = Client::connect(address).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.get("/").await.status, 200);
}

/// Blank lines before a request are none, and a byte that may begin another protocol is one of a head.
#[tokio::test]
async fn nothing_turns_back_the_clock_of_a_head() {
    let (server, address) = start(
        Limits {
            header_timeout: Some(SHORT),
            h2c: true,
            ..limits()
        },
        echo,
    )
    .await;
    for (before, turns) in [
        ("\r\n", &b"\r\n"[..]),
        ("\n", b"\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n", b"\r\n"),
        ("P", b""),
        ("PRI * HTTP/2.0\r\n", b""),
        ("GET / HTTP/1.1\r\nX: ", b"y"),
    ] {
        let mut client = Client::connect(address).await;
        client.send(before).await;
        if before.starts_with("GET / HTTP/1.1\r\nHost") {
            assert_eq!(client.answer().await.status, 200);
        }
        let began = Instant::now();
        let mut turns = turns.iter().cycle();
        loop {
            let pause = tokio::time::timeout(SHORT / 20, client.stream.read_u8());
            if soon(pause).await.is_ok() {
                break;
            }
            if let Some(byte) = turns.next()
                && client.stream.write_u8(*byte).await.is_err()
            {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{before:?}");
        }
    }
    until_none_is_left(&server).await;
}

/// Wherever it stands still, and however little of it comes.
#[tokio::test]
async fn a_late_body_is_late_in_all_its_parts() {
    let (server, address) = start(
        Limits {
            body_timeout: Some(SHORT),
            ..limits()
        },
        echo,
    )
    .await;
    for (begin, more) in [
        ("", ""),
        ("0", "0"),
        ("1;", "a"),
        ("1;a=\"", "b"),
        ("1\r\n", ""),
        ("ffff\r\n", "x"),
        ("0\r\n", ""),
        ("0\r\n", "A"),
        ("0\r\nA: ", "b"),
    ] {
        let mut client = Client::connect(address).await;
        client.send(format!("{CHUNKED}{begin}")).await;
        let answer = loop {
            tokio::select! {
                answer = client.head() => break answer,
                () = tokio::time::sleep(SHORT / 10) => client.send(more).await,
            }
        };
        // So many digits are none.
        let told = ["HTTP/1.1 408 ", "HTTP/1.1 400 "];
        assert!(
            told.iter().any(|told| answer.starts_with(told)),
            "{begin:?}: {answer}"
        );
        assert!(answer.contains("connection: close"), "{begin:?}: {answer}");
    }
    until_none_is_left(&server).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let (ended, mut ends) = mpsc::channel::<()>(1);
    let flood = move |_: Request<IncomingBody>, _: client::Client| {
        let ended = ended.clone();
        async move { Response::new(Flood(ended)) }
    };
    let (server, address) = start(
        Limits {
            write_timeout: Some(SHORT),
            ..limits()
        },
        flood,
    )
    .await;
    let mut reader = Client::connect(address).await;
    let mut client = Client::connect(address).await;
    for client in [&mut reader, &mut client] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    }
    // One reads a little at a time, far slower than it is sent to, and stays.
    let began = Instant::now();
    let mut scrap = vec![0; 1 << 20];
    while server.connections() == 2 {
        soon(reader.stream.read_exact(&mut scrap)).await.unwrap();
        tokio::time::sleep(SHORT / 20).await;
    }
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
    soon(reader.stream.read_exact(&mut scrap)).await.unwrap();
    drop((server, reader));
    assert_eq!(soon(ends.recv()).await, None);
}

/// A body without end, which tells when it is dropped.
struct Flood(#[expect(dead_code, reason = "held")] mpsc::Sender<()>);

impl http_body::Body for Flood {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        static BYTES: [u8; 16_384] = [b'x'; 16_384];
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&BYTES)))))
    }
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let slow = |request: Request<IncomingBody>, peer| async move {
        tokio::time::sleep(SHORT * 3).await;
        echo(request, peer).await
    };
    let (_server, address) = start(
        Limits {
            header_timeout: Some(SHORT),
            idle_connection_timeout: Some(SHORT),
            body_timeout: Some(SHORT),
            write_timeout: Some(SHORT),
            ..limits()
        },
        slow,
    )
    .await;
    let mut client = Client::connect(address).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n")
        .await;
    assert_eq!(client.answer().await.body, "abc");
    client.send("Host: a\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "/2");
}

#[tokio::test]
async fn a_client_that_expects_it_is_told_to_go_on() {
    let (asked, mut asks) = mpsc::channel(1);
    let go = Arc::new(Notify::new());
    let service = {
        let go = go.clone();
        move |request: Request<IncomingBody>, peer| {
            let (asked, go) = (asked.clone(), go.clone());
            async move {
                asked.send(()).await.unwrap();
                go.notified().await;
                echo(request, peer).await
            }
        }
    };
    let (_server, address) = start(limits(), service).await;
    let mut client = Client::connect(address).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;
    soon(asks.recv()).await.unwrap();
    let early = tokio::time::timeout(SHORT / 4, client.stream.readable()).await;
    assert!(early.is_err(), "told to go on before anybody reads");
    go.notify_one();
    assert_eq!(client.answer().await.status, 100);
    client.send("abc").await;
    assert_eq!(client.answer().await.body, "abc");
}

#[tokio::test]
async fn a_body_past_its_limit_is_refused() {
    let (_server, address) = start(
        Limits {
            max_body_size: 4,
            ..limits()
        },
        echo,
    )
    .await;
    for (body, status) in [
        ("4\r\nabcd\r\n0\r\n\r\n", 200),
        ("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 413),
    ] {
        let mut client = Client::connect(address).await;
        client.send(CHUNKED).await;
        client.send(body).await;
        assert_eq!(client.answer().await.status, status, "{body}");
    }
    for (length, status) in [(4, 200), (5, 413)] {
        let mut client = Client::connect(address).await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.send(head + "abcde").await;
        assert_eq!(client.answer().await.status, status, "{length}");
    }
}

/// The socket would be reset under the answer if it was closed with all those bytes unread.
#[tokio::test]
async fn a_client_that_goes_on_sending_hears_why_it_is_refused() {
    let (_server, address) = start(limits(), echo).await;
    let mut client = Client::connect(address).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
        .await;
    let (mut read, mut write) = client.stream.into_split();
    let sending = tokio::spawn(async move {
        let _ = write.write_all(&vec![b'x'; 20_000_000]).await;
    });
    soon(sending).await.unwrap();
    let mut answer = Vec::new();
    soon(read.read_to_end(&mut answer)).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 413 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn a_late_body_is_told_apart() {
    let (_server, address) = start(
        Limits {
            body_timeout: Some(SHORT),
            ..limits()
        },
        echo,
    )
    .await;
    let mut client = Client::connect(address).await;
    client.send(CHUNKED).await;
    let began = Instant::now();
    let mut dripping = tokio::time::interval(SHORT / 10);
    let answer = loop {
        tokio::select! {
            _ = dripping.tick() => client.stream.write_all(b"1\r\nx\r\n").await.unwrap(),
            _ = client.stream.readable() => break client.answer().await,
        }
    };
    assert_eq!(answer.status, 408);
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_broken_chunk_is_told_apart() {
    let (_server, address) = start(limits(), echo).await;
    for body in [
        "x\r\n",
        "1\r\nab\r\n",
        "1;a\nb\r\n",
        "fffffffffffffffff\r\n",
        "0\r\nno field\r\n\r\n",
    ] {
        let mut client = Client::connect(address).await;
        client.send(CHUNKED).await;
        client.send(body).await;
        assert_eq!(client.answer().await.status, 400, "{body:?}");
        assert_eq!(client.rest().await, b"", "{body:?}");
    }
}

#[tokio::test]
async fn a_service_is_dropped_when_its_client_leaves() {
    let (event, mut events) = mpsc::channel(4);
    let wait = move |request: Request<IncomingBody>, _: client::Client| {
        let event = event.clone();
        async move {
            let _body = request.into_body();
            let _dropped = OnDrop(event.clone());
            event.send("called").await.unwrap();
            std::future::pending::<Response<Full<Bytes>>>().await
        }
    };
    let (_server, address) = start(limits(), wait).await;
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        for half in [false, true] {
            let mut client = Client::connect(address).await;
            client.send(request).await;
            assert_eq!(soon(events.recv()).await, Some("called"));
            match half {
                true => client.stream.shutdown().await.unwrap(),
                false => drop(client),
            }
            assert_eq!(
                soon(events.recv()).await,
                Some("dropped"),
                "{request:?}, {half}"
            );
        }
    }
}

struct OnDrop(mpsc::Sender<&'static str>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.try_send("dropped");
    }
}

#[tokio::test]
async fn a_reader_hears_that_its_client_left() {
    let (heard, mut hears) = mpsc::channel(1);
    let service = move |request: Request<IncomingBody>, _: client::Client| {
        let heard = heard.clone();
        async move {
            tokio::spawn(async move {
                let read = request.into_body().collect().await;
                heard.send(read.map(|body| body.to_bytes())).await.unwrap();
            });
            std::future::pending::<Response<Full<Bytes>>>().await
        }
    };
    let (_server, address) = start(limits(), service).await;
    let mut client = Client::connect(address).await;
    client.send(CHUNKED).await;
    client.send("5\r\nab").await;
    drop(client);
    let read = soon(hears.recv()).await.unwrap();
    assert_eq!(read, Err(waterspout::base::body::BodyError::Gone));
}

/// The rest of a body may be read after its response has ended, for longer than a head may take.
#[tokio::test]
async fn a_body_outlives_its_response() {
    let (heard, mut hears) = mpsc::channel(1);
    let service = move |request: Request<IncomingBody>, _: client::Client| {
        let heard = heard.clone();
        async move {
            tokio::spawn(async move {
                let body = request.into_body().collect().await.unwrap();
                heard.send(body.to_bytes()).await.unwrap();
            });
            status(StatusCode::OK)
        }
    };
    let (_server, address) = start(
        Limits {
            header_timeout: Some(SHORT),
            idle_connection_timeout: Some(SHORT),
            ..limits()
        },
        service,
    )
    .await;
    let mut client = Client::connect(address).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na")
        .await;
    assert_eq!(client.answer().await.status, 200);
    tokio::time::sleep(SHORT * 2).await;
    client.send("bc").await;
    assert_eq!(soon(hears.recv()).await.unwrap(), "abc");
}

#[test]
fn the_default_limits_are_long() {
    assert!(limits().header_timeout.unwrap() >= Duration::from_secs(10));
    assert!(limits().idle_connection_timeout.unwrap() > Duration::from_secs(60));
}
