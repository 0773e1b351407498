//! Requests that break the rules, and some that only look like it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{echo, limits, start, status};
use crate::harness::Client;
use http::{Request, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use waterspout::config::Limits;
use waterspout::edge::connection::IncomingBody;

/// Each with the status that it gets. `0` is none: the connection is closed without a word.
const CORPUS: &[(u16, &str)] = &[
    (200, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, "GET / HTTP/1.1\nHost: a\n\n"),
    (200, "GET / HTTP/1.0\r\n\r\n"),
    (200, "GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    // The request line.
    (400, "GET /\r\n\r\n"),
    (400, "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n"),
    (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    (400, "GET / FTP/1.1\r\nHost: a\r\n\r\n"),
    (400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (501, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    // Host.
    (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: \t \r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    (200, "GET / HTTP/1.0\r\nHost:\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"),
    // Fields.
    (400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n"),
    // Framing.
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    ),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nabcde",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ),
    (
        413,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ),
    (
        413,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
];

#[tokio::test]
async fn malformed_requests_are_refused_and_the_connection_closed() {
    let (server, address) = start(limits(), echo).await;
    for &(status, request) in CORPUS {
        let mut client = Client::connect(address).await;
        client.send(request).await;
        if status != 0 {
            let answer = client.answer().await;
            assert_eq!(answer.status, status, "{request:?}: {}", answer.head);
        }
        if status != 200 {
            assert_eq!(client.rest().await, b"", "{request:?}");
        }
    }
    drop(server);
}

/// No service is asked, and nothing that follows is believed.
#[tokio::test]
async fn a_body_that_is_framed_twice_is_refused_before_anybody_sees_it() {
    let called = Arc::new(AtomicUsize::new(0));
    let service = {
        let called = called.clone();
        move |request: Request<IncomingBody>, peer| {
            called.fetch_add(1, Relaxed);
            echo(request, peer)
        }
    };
    let (_server, address) = start(limits(), service).await;
    for fields in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
        "transfer-encoding:chunked\r\nX: y\r\ncontent-length:0",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: identity\r\nContent-Length: 6",
        "Transfer-Encoding: , chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding:\r\nContent-Length: 6",
        "Content-Length: 6, 6",
        "Content-Length: 0x6",
        "Content-Length: 18446744073709551621",
    ] {
        let head = format!("POST /2 HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let hidden = "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        for before in [0, 1, 2] {
            called.store(0, Relaxed);
            let mut client = Client::connect(address).await;
            let sound = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(before);
            client.send(format!("{sound}{head}{hidden}")).await;
            for _ in 0..before {
                assert_eq!(client.answer().await.body, "/1", "{fields}");
            }
            let answer = client.answer().await;
            assert!(
                matches!(answer.status, 400 | 413),
                "{fields}: {}",
                answer.head
            );
            assert_eq!(answer.header("connection"), Some("close"), "{fields}");
            assert_eq!(client.rest().await, b"", "{fields}");
            assert_eq!(called.load(Relaxed), before, "{fields}");
        }
    }
}

/// Chunks and trailers that one server takes for the end of a body, and another does not: each with what comes before.
const BROKEN: &[&str] = &[
    "1;\r\nx\r\n0\r\n\r\n",
    "1;a;\r\nx\r\n0\r\n\r\n",
    "1;@=b\r\nx\r\n0\r\n\r\n",
    "1;a\0\r\nx\r\n0\r\n\r\n",
    "1;a=\"\0\"\r\nx\r\n0\r\n\r\n",
    "1;a\nx\r\n0\r\n\r\n",
    "1;a\rb\r\nx\r\n0\r\n\r\n",
    "1 \r\nx\r\n0\r\n\r\n",
    "1\t\r\nx\r\n0\r\n\r\n",
    " 1\r\nx\r\n0\r\n\r\n",
    "\r\nx\r\n0\r\n\r\n",
    ";a\r\nx\r\n0\r\n\r\n",
    "0x1\r\nx\r\n0\r\n\r\n",
    "-1\r\nx\r\n0\r\n\r\n",
    "1_0\r\nx\r\n0\r\n\r\n",
    "10000000000000001\r\nx\r\n0\r\n\r\n",
    "1\nx\r\n0\r\n\r\n",
    "1\r\nxy0\r\n\r\n",
    "1\r\nx\n0\r\n\r\n",
    "1\r\nx0\r\n\r\n",
    "1\r\nx\r\n0\n\r\n",
    "1\r\nx\r\n0\r\n\n",
    "1\r\nx\r\n0\r\nA: b\n\r\n",
    "1\r\nx\r\n0\r\nA: b\r\n\n",
    "1\r\nx\r\n0\r\nA: b\n\n",
    "1\r\nx\r\n0\r\n A: b\r\n\r\n",
    "1\r\nx\r\n0\r\nA : b\r\n\r\n",
    "1\r\nx\r\n0\r\nA\r\n\r\n",
    "1\r\nx\r\n0\r\nA: b\0\r\n\r\n",
];

#[tokio::test]
async fn a_body_that_breaks_the_rules_of_chunks_hides_nothing() {
    let (seen, mut sees) = mpsc::unbounded_channel();
    let service = move |request: Request<IncomingBody>, peer| {
        let seen = seen.clone();
        seen.send(request.uri().path().to_owned()).unwrap();
        async move {
            match request.uri().path() {
                "/unread" => status(StatusCode::OK),
                _ => echo(request, peer).await,
            }
        }
    };
    let (_server, address) = start(limits(), service).await;
    for body in BROKEN {
        for (path, told) in [("/read", 400), ("/unread", 200)] {
            // All at once, and byte by byte.
            for size in [1024, 1] {
                let mut client = Client::connect(address).await;
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                );
                client.send(head).await;
                let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
                client.stream.set_nodelay(true).unwrap();
                for part in format!("{body}{hidden}").as_bytes().chunks(size) {
                    // Refused, it may have closed before all of it is sent.
                    let _ = client.stream.write_all(part).await;
                }
                assert_eq!(client.answer().await.status, told, "{body:?}");
                assert_eq!(client.rest().await, b"", "{body:?}");
                assert_eq!(sees.recv().await.as_deref(), Some(path), "{body:?}");
            }
        }
    }
    assert!(sees.is_empty());
}

/// What is legal, if odd, goes on being served, and so does what follows it.
#[tokio::test]
async fn bodies_in_odd_chunks_are_read() {
    let (_server, address) = start(limits(), echo).await;
    for body in [
        "3\r\nabc\r\n0\r\n\r\n",
        "003\r\nabc\r\n00000\r\n\r\n",
        "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
        "3;a\r\nabc\r\n0;b=c\r\n\r\n",
        "3 ;a = \"b;\\\"c\"\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nA: b\r\nC:\r\n\r\n",
    ] {
        for size in [1024, 7, 1] {
            let mut client = Client::connect(address).await;
            client.stream.set_nodelay(true).unwrap();
            let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked \r\n\r\n";
            let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
            for part in format!("{head}{body}{next}").as_bytes().chunks(size) {
                client.send(part).await;
            }
            assert_eq!(client.answer().await.body, "abc", "{body:?}");
            assert_eq!(client.answer().await.body, "/next", "{body:?}");
        }
    }
}

#[tokio::test]
async fn heads_past_their_limit_are_refused() {
    let limits = Limits {
        max_header_size: 4096,
        ..limits()
    };
    let (_server, address) = start(limits, echo).await;
    let fits = 4096 - "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    for (length, status) in [(fits, 200), (fits + 1, 431), (5000, 431), (100_000, 431)] {
        let mut client = Client::connect(address).await;
        let value = "x".repeat(length);
        client
            .send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n"))
            .await;
        assert_eq!(client.answer().await.status, status, "a field of {length}");
    }
    for (length, status) in [(4000, 200), (4096, 414), (100_000, 414)] {
        let mut client = Client::connect(address).await;
        let path = "x".repeat(length);
        client
            .send(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        assert_eq!(client.answer().await.status, status, "a path of {length}");
        if status == 200 {
            client
                .send(format!("GET /{path}{path} HTTP/1.1\r\nHost: a\r\n\r\n"))
                .await;
            assert_eq!(client.answer().await.status, 414, "on a used connection");
        }
    }
    for (fields, status) in [(99, 200), (100, 431)] {
        let mut client = Client::connect(address).await;
        let fields = "X: y\r\n".repeat(fields);
        client
            .send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
            .await;
        assert_eq!(client.answer().await.status, status);
    }
}
