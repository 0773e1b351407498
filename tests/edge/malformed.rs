//! Requests that break the rules, and some that only look like it.

use super::{echo, limits, start};
use crate::harness::Client;
use waterspout::config::Limits;

/// Each with the status that it gets. `0` is none: the connection is closed without a word.
const CORPUS: &[(u16, &str)] = &[
    (200, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, "GET / HTTP/1.1\nHost: a\n\n"),
    (200, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
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
    // Host.
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
        400,
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

/// hyper drops a length that stands beside a coding, so it can't be refused; but nothing behind
/// such a body is believed.
#[tokio::test]
async fn a_length_beside_a_coding_ends_the_connection() {
    let (_server, address) = start(limits(), echo).await;
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
    ] {
        let mut client = Client::connect(address).await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(head + "1\r\nx\r\n0\r\n\r\n" + smuggled).await;
        let answer = client.answer().await;
        assert_eq!(answer.body, "x");
        assert!(answer.head.contains("connection: close"), "{}", answer.head);
        assert_eq!(client.rest().await, b"");
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
