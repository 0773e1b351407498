//! What the SDK's verbs do with a stream.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{app, echo, serve, talk, told};
use crate::harness::tls::Authority;
use crate::harness::{Running, soon};
use crate::http_client::acceptor;

/// One that may reach the echo server at this address by it.
async fn serving(address: std::net::SocketAddr) -> Running {
    app(&[address.to_string()], "").serve().await
}

/// What the steps have led to.
async fn done(app: &Running, port: u16, more: &str, steps: &[&str]) -> Value {
    let mut told = soon(told(app, &talk("127.0.0.1", port, more, steps))).await;
    told["done"].take()
}

#[tokio::test]
async fn each_verb_reads_what_it_says() {
    let server = serve(echo).await;
    let app = serving(server).await;
    let steps = [
        "write:one\ntwo\r\nthree12345",
        "until:\n",
        "until:\r\n",
        "match:100",
        "bytes:2",
        "into:1",
        "partial:100",
        "write:abc",
        "into_partial:2",
        "bytes:1",
        "bytes:0",
        "write_of:300000",
        "bytes:300000",
        "write:last",
        "end",
        "rest",
        "until:\n",
        "write:late",
    ];
    assert_eq!(
        done(&app, server.port(), "", &steps).await,
        json!([
            "ok", "one\n", "two\r\n", "three1", "23", "4", "5", "ok", 2, "c", "", "ok",
            { "bytes": 300_000 }, "ok", "ok", "last", "Stream is closed",
            "Stream is closed: Broken pipe (os error 32)",
        ])
    );
}

#[tokio::test]
async fn a_read_that_is_given_up_loses_nothing() {
    let server = serve(async |mut stream: TcpStream| {
        stream.write_all(b"begun, ").await.expect("sent");
        let mut byte = [0];
        // Until the guest asks for the rest.
        stream.read_exact(&mut byte).await.expect("a byte");
        stream.write_all(b"done\n").await.expect("sent");
    });
    let server = server.await;
    let app = serving(server).await;
    let steps = ["glimpse:\n", "write:x", "until:\n"];
    assert_eq!(
        done(&app, server.port(), "", &steps).await,
        json!(["nothing", "ok", "begun, done\n"])
    );
}

#[tokio::test]
async fn past_max_bytes_and_past_the_buffer_the_stream_is_closed() {
    let server = serve(echo).await;
    let app = serving(server).await;
    let closed = "Stream is closed";
    let steps = ["write_of:100", "within:50:\n", "until:\n", "write:x"];
    assert_eq!(
        done(&app, server.port(), "", &steps).await,
        json!([
            "ok",
            "what was to be read is not within 50 bytes",
            closed,
            closed
        ])
    );
    // The delimiter counts, and what is just within is read.
    let steps = [
        "write:12345\nabc",
        "within:6:\n",
        "write:45\n",
        "within:5:\n",
    ];
    assert_eq!(
        done(&app, server.port(), "", &steps).await,
        json!([
            "ok",
            "12345\n",
            "ok",
            "what was to be read is not within 5 bytes"
        ])
    );
    let steps = ["write_of:5000", "until:\n", "write:x"];
    assert_eq!(
        done(&app, server.port(), "&max_buffer_size=1000", &steps).await,
        json!(["ok", "Reached maximum read buffer size: 1000 bytes", closed])
    );
}

#[tokio::test]
async fn the_other_side_s_end_is_seen_also_where_nothing_is_read() {
    let server = serve(async |mut stream: TcpStream| {
        stream.write_all(b"bye\n").await.expect("sent");
    });
    let server = server.await;
    let app = serving(server).await;
    let steps = ["closed", "until:\n", "until:\n"];
    assert_eq!(
        done(&app, server.port(), "", &steps).await,
        json!(["closed", "bye\n", "Stream is closed"])
    );
    let server = serve(async |mut stream: TcpStream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let server = server.await;
    let app = serving(server).await;
    assert_eq!(
        done(&app, server.port(), "", &["closed", "close", "write:x"]).await,
        json!(["open", true, "Stream is closed"])
    );
}

#[tokio::test]
async fn who_waits_for_bytes_and_who_waits_for_the_end_are_both_woken() {
    let server = serve(async |mut stream: TcpStream| {
        for line in ["one\n", "two\n"] {
            // Until the guest waits for both.
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.write_all(line.as_bytes()).await.expect("sent");
        }
        let mut byte = [0];
        let _ = stream.read_exact(&mut byte).await;
    });
    let server = server.await;
    let app = serving(server).await;
    let steps = ["either:\n", "either:\n", "write:x", "either:\n"];
    let done = done(&app, server.port(), "", &steps).await;
    let done = done.as_array().expect("the steps");
    assert_eq!(done[..3], [json!("one\n"), json!("two\n"), json!("ok")]);
    let last = [json!("closed"), json!("Stream is closed")];
    assert!(last.contains(&done[3]), "{done:?}");
}

#[tokio::test]
async fn a_server_that_reads_nothing_holds_back_its_writer_and_no_one_else() {
    let server = serve(async |stream: TcpStream| {
        tokio::time::sleep(Duration::from_secs(600)).await;
        drop(stream);
    });
    let server = server.await;
    let other = serve(echo).await;
    let app = app(&[server.to_string(), other.to_string()], "")
        .serve()
        .await;
    let before = app.resident();
    let deaf = talk("127.0.0.1", server.port(), "", &["fill:30000000"]);
    let deaf = told(&app, &deaf);
    let heard = async {
        for _ in 0..20 {
            let steps = ["write:x\n", "until:\n"];
            assert_eq!(
                done(&app, other.port(), "", &steps).await,
                json!(["ok", "x\n"])
            );
        }
    };
    let (deaf, ()) = soon(async { tokio::join!(deaf, heard) }).await;
    assert_eq!(deaf["done"], json!(["full"]), "{deaf}");
    let more = app.resident().saturating_sub(before) / 1024;
    assert!(more < 64, "{more} MiB: the guest has 30, the host nothing");
}

#[tokio::test]
async fn one_task_writes_while_another_reads() {
    let server = serve(echo).await;
    let app = serving(server).await;
    let path = format!("/both?host=127.0.0.1&port={}&times=2000", server.port());
    let answer = soon(app.get(&path)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "2000"));
}

#[tokio::test]
async fn streams_are_encrypted_from_the_beginning_or_later() {
    let authority = Authority::new();
    let tls = acceptor(&authority.sign(&["localhost"]));
    let encrypted = serve({
        let tls = tls.clone();
        move |stream| {
            let tls = tls.clone();
            async move {
                if let Ok(stream) = tls.accept(stream).await {
                    echo(stream).await;
                }
            }
        }
    })
    .await;
    // As with SMTP: a line, and then TLS.
    let later = serve(move |mut stream: TcpStream| {
        let tls = tls.clone();
        async move {
            let mut line = [0; 9];
            stream.read_exact(&mut line).await.expect("a line");
            stream.write_all(b"ready\n").await.expect("sent");
            if let Ok(stream) = tls.accept(stream).await {
                echo(stream).await;
            }
        }
    })
    .await;
    let grants = [encrypted, later].map(|server| format!("localhost:{}", server.port()));
    let app = app(&grants, "");
    let file = app.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).expect("written");
    let app = app.variable("SSL_CERT_FILE", &file).serve().await;
    let talked = async |port, more: &str, steps: &[&str]| {
        let mut told = soon(told(&app, &talk("localhost", port, more, steps))).await;
        told["done"].take()
    };
    let steps = [
        "write:x\n",
        "until:\n",
        "write_of:200000",
        "bytes:200000",
        "end",
        "rest",
    ];
    let expected = json!(["ok", "x\n", "ok", { "bytes": 200_000 }, "ok", ""]);
    assert_eq!(talked(encrypted.port(), "&tls=1", &steps).await, expected);
    let before = ["write:starttls\n", "until:\n", "tls:localhost"];
    let all = [&before[..], &steps[..]].concat();
    let mut done = talked(later.port(), "", &all).await;
    let done = done.as_array_mut().expect("the steps");
    assert_eq!(done.drain(..3).collect::<Vec<_>>(), ["ok", "ready\n", "ok"]);
    assert_eq!(json!(done), expected);
    // A certificate for another host is none for this one.
    let told = talked(
        later.port(),
        "",
        &["write:starttls\n", "until:\n", "tls:other.example"],
    )
    .await;
    assert!(told[2].to_string().contains("ertificate"), "{told}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_in_time() {
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        listener.local_addr().expect("its address")
    };
    let app = serving(gone).await;
    let answer = told(&app, &talk("127.0.0.1", gone.port(), "", &[])).await;
    assert!(answer["error"].to_string().contains("refused"), "{answer}");
}

#[tokio::test]
async fn past_max_clients_a_stream_waits_and_that_counts_as_connecting() {
    let server = serve(async |stream: TcpStream| {
        tokio::time::sleep(Duration::from_secs(600)).await;
        drop(stream);
    });
    let server = server.await;
    let app = app(&[server.to_string()], "max_clients = 1").serve().await;
    let path = |more, steps: &[&str]| talk("127.0.0.1", server.port(), more, steps);
    let held = path("", &["closed"]);
    let waits = path("&timeout=500", &[]);
    let (held, waited) = soon(async { tokio::join!(told(&app, &held), told(&app, &waits)) }).await;
    // Whichever came first has the place.
    let told = [&held["error"], &waited["error"]];
    assert!(
        told.contains(&&json!("Timeout while connecting")) || held["done"] == json!(["open"]),
        "{held} {waited}"
    );
    let again = soon(super::told(&app, &path("&timeout=5000", &[]))).await;
    assert_eq!(again["done"], json!([]), "there is a place again: {again}");
}

#[tokio::test]
async fn past_max_clients_per_server_a_stream_to_that_server_waits_and_one_to_another_does_not() {
    let silent = || {
        serve(async |stream: TcpStream| {
            tokio::time::sleep(Duration::from_secs(600)).await;
            drop(stream);
        })
    };
    let (server, other) = (silent().await, silent().await);
    let grants = [server.to_string(), other.to_string()];
    let app = app(&grants, "max_clients_per_server = 1").serve().await;
    let path = |port, more, steps: &[&str]| talk("127.0.0.1", port, more, steps);
    let held = path(server.port(), "", &["closed"]);
    let mut first = app.connect().await;
    first
        .send(format!("GET {held} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .await;
    soon(async {
        let opened = "waterspout_client_streams_opened_total{component=\"tcp_client.wasm\"} 1\n";
        while !app.metrics().await.contains(opened) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let waits = told(&app, &path(server.port(), "&timeout=300", &[])).await;
    assert_eq!(waits["error"], "Timeout while connecting");
    let elsewhere = told(&app, &path(other.port(), "&timeout=5000", &[])).await;
    assert_eq!(elsewhere["done"], json!([]), "{elsewhere}");
}
