//! Heads of requests and responses: what a handler may say in them, and what servers do.

use std::sync::Arc;

use serde_json::Value;

use super::{acceptor, fetched, fetching, mirror, origin, seen, serving};
use crate::harness::Peer;
use crate::harness::peer::{Say, Wire};
use crate::harness::tls::Authority;

#[tokio::test]
async fn a_host_of_the_handler_s_own_is_sent_where_it_is_granted() {
    let peer = Peer::start(mirror).await;
    let grants = [
        origin(&peer),
        "http://app.example".to_owned(),
        "self".to_owned(),
    ];
    let server = serving(&grants).await;
    for (host, sent) in [
        ("app.example", "app.example".to_owned()),
        ("APP.example:80", "app.example".to_owned()),
        // That of its URL.
        (&*peer.address.to_string(), peer.address.to_string()),
    ] {
        let fetched = fetched(&server, &origin(&peer), &format!("&header=Host:{host}")).await;
        assert_eq!(seen(&fetched)["host"], sent, "{host}");
    }
    for other in ["other.example", "app.example:81", "127.0.0.1"] {
        let refused = fetched(&server, &origin(&peer), &format!("&header=Host:{other}")).await;
        let error = refused["error"].as_str().unwrap_or_default();
        assert!(error.starts_with("Not granted"), "{other}: {refused}");
    }
    let line = server
        .log
        .line_with("http://other.example is refused")
        .await;
    assert!(line.contains("add \"http://other.example\""), "{line}");
    for none in ["a/b", "a@b", "a&header=Host:b", "b%C3%BCcher.example"] {
        let refused = fetched(&server, &origin(&peer), &format!("&header=Host:{none}")).await;
        let error = refused["error"].as_str().unwrap_or_default();
        assert!(error.contains("header `Host`"), "{none}: {refused}");
    }
    // The app is granted with all of its hosts.
    let own = format!("http://127.0.0.1:{}/none", server.address.port());
    let own = fetched(&server, &own, "&header=Host:any.example").await;
    assert_eq!(own["code"], 404, "{own}");
}

/// HTTP/2 has no place for it.
#[tokio::test]
async fn a_host_of_the_handler_s_own_goes_by_http_1_where_tls_is_spoken() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let peer = Peer::start_with(Some(acceptor(&authority.sign(&["localhost"]))), mirror).await;
    let url = format!("https://localhost:{}", peer.port());
    let app = fetching(&[url.clone(), "https://app.example".to_owned()], "");
    let server = app.variable("SSL_CERT_FILE", &roots).serve().await;
    for _ in 0..2 {
        let other = seen(&fetched(&server, &url, "&header=Host:app.example").await);
        assert_eq!(
            (&other["version"], &other["host"]),
            (&"HTTP/1.1".into(), &"app.example".into())
        );
        let usual = seen(&fetched(&server, &url, "").await);
        assert_eq!(
            (&usual["version"], &usual["host"]),
            (&"HTTP/2.0".into(), &Value::Null)
        );
    }
}

#[tokio::test]
async fn a_header_that_can_not_be_set_is_named() {
    let peer = Peer::start(mirror).await;
    let server = serving(&[origin(&peer)]).await;
    for (header, named) in [
        ("Connection:close", "connection"),
        ("Transfer-Encoding:chunked", "transfer-encoding"),
        ("Upgrade:h2c", "upgrade"),
        ("Keep-Alive:1", "keep-alive"),
        ("Proxy-Connection:close", "proxy-connection"),
        ("Proxy-Authorization:x", "proxy-authorization"),
        ("Content-Length:3", "content-length"),
        ("Content-Length:five", "content-length"),
        ("X%0a:1", "header name"),
        ("X-A:a%0ab", "x-a"),
    ] {
        let more = format!("&method=POST&body=hello&header=X-First:1&header={header}");
        let refused = fetched(&server, &origin(&peer), &more).await;
        let error = refused["error"].as_str().unwrap_or_default();
        assert!(error.contains(named), "{header}: {refused}");
    }
    let without = fetched(&server, &origin(&peer), "&header=Content-Length:3").await;
    assert!(without.to_string().contains("has 0 bytes"), "{without}");
    assert_eq!(peer.accepted(), 0);
    let right = "&method=POST&body=hello&header=Content-Length:5";
    assert_eq!(
        seen(&fetched(&server, &origin(&peer), right).await)["body"],
        "hello"
    );
}

fn response(headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{headers}\r\nok").into_bytes()
}

#[tokio::test]
async fn heads_of_many_and_of_folded_lines_are_read() {
    let wire = Wire::start(|head, _| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        Say::This(match path.trim_start_matches('/').parse::<usize>() {
            Ok(count) => response(
                &(0..count)
                    .map(|at| format!("x{at}: {at}\r\n"))
                    .collect::<String>(),
            ),
            Err(_) if path == "/long" => response(&format!("x: {}\r\n", "y".repeat(200_000))),
            Err(_) => response("x-folded: one\r\n two\r\n\t three \r\nx-next: four\r\n"),
        })
    });
    let wire = wire.await;
    let server = serving(&[wire.origin()]).await;
    let folded = fetched(&server, &format!("{}/folded", wire.origin()), "").await;
    assert_eq!(folded["headers"]["x-folded"], "one two three", "{folded}");
    assert_eq!(folded["headers"]["x-next"], "four");
    for count in [99, 100, 101, 1_000] {
        let many = fetched(&server, &format!("{}/{count}", wire.origin()), "").await;
        assert_eq!(many["body"], "ok", "{count}");
        let last = format!("x{}", count - 1);
        assert_eq!(many["headers"][last], (count - 1).to_string());
    }
    for past in ["1024", "long"] {
        let refused = fetched(&server, &format!("{}/{past}", wire.origin()), "").await;
        let error = refused["error"].as_str().unwrap_or_default();
        assert_eq!(error, "The head of the response is too long", "{past}");
    }
}

#[tokio::test]
async fn an_empty_body_is_one_in_every_coding() {
    let wire = Wire::start(|head, _| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let (coding, framing) = path[1..].split_once('/').unwrap_or_default();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\n");
        match framing {
            "chunked" => {
                Say::This(format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n").into())
            }
            "length" => Say::This(format!("{head}content-length: 0\r\n\r\n").into()),
            // It has begun, and is no whole one.
            "begun" => Say::Last([head.as_bytes(), b"\r\n\x1f"].concat()),
            _ => Say::Last(format!("{head}\r\n").into()),
        }
    });
    let wire = Arc::new(wire.await);
    let server = serving(&[wire.origin()]).await;
    for coding in ["gzip", "x-gzip", "br", "zstd", "GZIP"] {
        for framing in ["chunked", "length", "close"] {
            let url = format!("{}/{coding}/{framing}", wire.origin());
            let empty = fetched(&server, &url, "").await;
            assert_eq!(
                (&empty["code"], &empty["body"]),
                (&200.into(), &"".into()),
                "{url}: {empty}"
            );
        }
    }
    let begun = fetched(&server, &format!("{}/gzip/begun", wire.origin()), "").await;
    assert_eq!(begun["code"], 599, "{begun}");
}
