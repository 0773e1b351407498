//! What goes through a fetch: codings, bombs, much of it, both ways.

use std::io::Write;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{configured, encoded, fetched, fetching, origin, serving};
use crate::harness::peer::{Body, whole};
use crate::harness::{Peer, Running, mebibytes, soon};

fn coded(coding: &str, plain: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    match coding {
        "gzip" => {
            let mut coder = flate2::write::GzEncoder::new(&mut coded, flate2::Compression::fast());
            coder.write_all(plain).unwrap();
            coder.finish().unwrap();
        }
        "br" => {
            let mut coder = brotli::CompressorWriter::new(&mut coded, 4096, 3, 20);
            coder.write_all(plain).unwrap();
        }
        "br-large-window" => {
            let parameters = brotli::enc::BrotliEncoderParams {
                quality: 3,
                large_window: true,
                lgwin: 30,
                ..Default::default()
            };
            let mut coder = brotli::CompressorWriter::with_params(&mut coded, 4096, &parameters);
            coder.write_all(plain).unwrap();
        }
        "zstd" => coded = zstd::encode_all(plain, 3).unwrap(),
        other => panic!("{other}"),
    }
    coded
}

#[tokio::test]
async fn codings_come_off_unless_the_handler_asked_for_them() {
    let text = "once upon a time ".repeat(10_000);
    let plain = text.clone();
    let peer = Peer::start(move |request: Request<Incoming>| {
        let coding = request.uri().path().trim_start_matches('/').to_owned();
        let body = match &*coding {
            "broken" => b"\x1f\x8bnot at all".to_vec(),
            coding => coded(coding, plain.as_bytes()),
        };
        let coding = if coding == "broken" { "gzip" } else { &coding }.to_owned();
        async move {
            let response = Response::builder().header("content-encoding", coding);
            response.body(whole(body)).unwrap()
        }
    });
    let peer = peer.await;
    let server = serving(&[origin(&peer)]).await;
    for coding in ["gzip", "br", "zstd"] {
        let url = format!("{}/{coding}", origin(&peer));
        let decoded = fetched(&server, &url, "").await;
        assert!(decoded["body"] == *text, "{coding}");
        assert_eq!(decoded["headers"]["content-encoding"], Value::Null);
        assert_eq!(decoded["headers"]["content-length"], Value::Null);
        for asked in ["&header=Accept-Encoding:x", "&decompress=no"] {
            let as_it_is = fetched(&server, &url, asked).await;
            assert_eq!(as_it_is["headers"]["content-encoding"], coding);
            assert!(as_it_is["body"].as_str().unwrap().len() < text.len() / 10);
        }
        let head = fetched(&server, &url, "&method=HEAD").await;
        assert_eq!((&head["code"], &head["body"]), (&200.into(), &"".into()));
    }
    let broken = fetched(&server, &format!("{}/broken", origin(&peer)), "").await;
    assert_eq!(broken["code"], 599, "{broken}");
}

/// How much more memory than before the server may have while much goes through it.
const MORE_KIB: u64 = 24 * 1024;

/// Asks for `path`, watching the server's memory until the answer is there.
async fn within_memory(server: &Running, path: &str) -> String {
    let before = server.resident();
    let watch = async {
        loop {
            let now = server.resident();
            assert!(now < before + MORE_KIB, "{before} KiB, and then {now} KiB");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut client = server.connect().await;
    let answer = async {
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        // It may be long in coming.
        client.stream.readable().await.unwrap();
        client.answer().await
    };
    tokio::select! {
        answer = answer => answer.body,
        () = watch => unreachable!("it has no end"),
    }
}

#[tokio::test]
async fn a_small_body_that_becomes_a_large_one_takes_no_memory() {
    const LARGE: usize = 512 * 1024 * 1024;
    let plain = vec![0; LARGE];
    let bombs = ["gzip", "zstd"].map(|coding| coded(coding, &plain));
    assert!(bombs.iter().all(|bomb| bomb.len() < LARGE / 100));
    let peer = Peer::start(move |request: Request<Incoming>| {
        let coding = request.uri().path().trim_start_matches('/').to_owned();
        let body = bombs[usize::from(coding == "zstd")].clone();
        async move {
            let response = Response::builder().header("content-encoding", coding);
            response.body(whole(body)).unwrap()
        }
    });
    let peer = peer.await;
    let server = serving(&[origin(&peer)]).await;
    fetched(&server, &origin(&peer), "&max_body_size=1").await;
    for coding in ["gzip", "zstd"] {
        let url = encoded(&format!("{}/{coding}", origin(&peer)));
        let counted = within_memory(&server, &format!("/count?url={url}")).await;
        assert!(
            counted.contains(&format!("\"bytes\":{LARGE},")),
            "{counted}"
        );
        // Kept whole, it is too large for the guest, which says so.
        let whole = server.get(&format!("/one?url={url}")).await;
        assert!(
            whole.body.contains("larger than max_body_size"),
            "{whole:?}"
        );
    }
}

/// Its decoder would take up to 1 GB for it.
#[tokio::test]
async fn a_brotli_window_larger_than_http_has_is_refused() {
    let peer = Peer::start(|_| async {
        let body = coded("br-large-window", b"once upon a time");
        let response = Response::builder().header("content-encoding", "br");
        response.body(whole(body)).unwrap()
    });
    let peer = peer.await;
    let server = serving(&[origin(&peer)]).await;
    let fetched = fetched(&server, &origin(&peer), "").await;
    let error = fetched["error"].as_str().unwrap_or_default();
    assert!(error.contains("a brotli window larger"), "{fetched}");
}

/// Goes on for so many pieces of 64 KiB.
fn pieces(count: usize) -> Response<Body> {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces = futures_util::stream::iter(0..count).map(move |_| Ok(Frame::data(piece.clone())));
    Response::new(BodyExt::boxed(StreamBody::new(pieces)))
}

#[tokio::test]
async fn a_large_response_that_is_fetched_takes_no_memory() {
    let mebibytes = usize::try_from(mebibytes()).unwrap();
    let peer = Peer::start(move |_| async move { pieces(16 * mebibytes) }).await;
    let app = configured(&[origin(&peer)], "", "deadline = \"off\"");
    let server = app.serve().await;
    fetched(&server, &origin(&peer), "&max_body_size=1").await;
    let path = format!("/count?url={}", encoded(&origin(&peer)));
    let counted = within_memory(&server, &path).await;
    let expected = format!("\"bytes\":{},", mebibytes << 20);
    assert!(
        counted.contains(&expected) && counted.contains("whole"),
        "{counted}"
    );
}

#[tokio::test]
async fn a_handler_that_reads_nothing_has_nothing_sent_to_it_and_its_end_frees_the_connection() {
    let peer = Peer::start(|_| async { pieces(usize::MAX) }).await;
    let server = fetching(&[origin(&peer)], "").serve().await;
    let before = server.resident();
    let mut client = server.connect().await;
    let url = encoded(&origin(&peer));
    client
        .send(format!("GET /hold?url={url} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .await;
    server.log.line_with("holding 200").await;
    // As much as there is room for on the way, and no more.
    for _ in 0..200 {
        server.status().await;
        let now = server.resident();
        assert!(now < before + MORE_KIB, "{before} KiB, and then {now} KiB");
    }
    assert_eq!(peer.counts.open.load(SeqCst), 1);
    drop(client);
    peer.until_open(0).await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_fetch_along() {
    let peer = Peer::start(|_| std::future::pending()).await;
    let server = serving(&[origin(&peer)]).await;
    let mut client = server.connect().await;
    let url = encoded(&origin(&peer));
    client
        .send(format!("GET /one?url={url} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .await;
    peer.until_open(1).await;
    drop(client);
    peer.until_open(0).await;
}

#[tokio::test]
async fn a_body_is_sent_as_it_is_made() {
    let peer = Peer::start(|request: Request<Incoming>| async move {
        let mut body = request.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Err(_) => return Response::new(whole("broken")),
            }
        }
        Response::new(whole(bytes.to_string()))
    });
    let peer = peer.await;
    let server = serving(&[origin(&peer)]).await;
    let path = format!(
        "/upload?method=PUT&pieces=1000&url={}",
        encoded(&origin(&peer))
    );
    let sent = within_memory(&server, &path).await;
    assert!(sent.contains("\"body\":\"100000000\""), "{sent}");
    let fails = format!(
        "/upload?method=PUT&pieces=3&fails=yes&url={}",
        encoded(&origin(&peer))
    );
    let failed = server.get(&fails).await;
    assert!(failed.body.contains("nothing more to send"), "{failed:?}");
}

/// A peer whose only response has a body that is sent piece by piece.
async fn by_and_by() -> (UnboundedSender<String>, Peer) {
    let (pieces, receiver) = unbounded_channel::<String>();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let peer = Peer::start(move |_| {
        let receiver = receiver.lock().unwrap().take().expect("one request");
        async move {
            let pieces = stream::unfold(receiver, async |mut receiver| {
                let piece = receiver.recv().await?;
                Some((Ok(Frame::data(piece.into())), receiver))
            });
            Response::new(BodyExt::boxed(StreamBody::new(pieces)))
        }
    });
    (pieces, peer.await)
}

#[tokio::test]
async fn a_read_that_is_dropped_loses_nothing() {
    let (pieces, peer) = by_and_by().await;
    let server = serving(&[origin(&peer)]).await;
    let path = format!("/late?url={}", encoded(&origin(&peer)));
    let asked = server.get(&path);
    let sent = async {
        for (nth, piece) in ["01", "23", "45", "67", "89"].into_iter().enumerate() {
            server.log.nth_line_with(nth + 1, "a read waits").await;
            pieces.send(piece.into()).expect("a request that goes on");
        }
        drop(pieces);
    };
    let (answer, ()) = tokio::join!(asked, sent);
    assert_eq!(answer.body, "0123456789");
}

#[tokio::test]
async fn a_body_is_read_by_one_request_after_the_other_and_leaves_nothing_behind() {
    let (pieces, peer) = by_and_by().await;
    // As few handles as an instance can have: 1,152.
    let few = "max_concurrent = 1\nmax_tasks = 1\n";
    let server = configured(&[origin(&peer)], "", few).serve().await;
    let mut client = server.connect().await;
    let url = encoded(&origin(&peer));
    let keep = format!("/keep?request_timeout=0&url={url}");
    assert_eq!(soon(client.get(&keep)).await.body, "kept");
    for number in 0..300 {
        for _ in 0..5 {
            assert_eq!(soon(client.get("/next?ms=0")).await.body, "none");
        }
        pieces.send(number.to_string()).expect("it goes on");
        let next = soon(client.get("/next?ms=10000")).await;
        assert_eq!(next.body, number.to_string());
    }
    drop(pieces);
    for _ in 0..2 {
        assert_eq!(soon(client.get("/next?ms=10000")).await.body, "the end");
    }
    assert_eq!(server.component("http_client.wasm").await["traps"], 0);
}
