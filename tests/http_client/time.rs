//! How long fetches take, and how many are under way.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use tokio::sync::{Barrier, Notify};

use super::{configured, encoded, fetched, origin, serving};
use crate::harness::peer::whole;
use crate::harness::{LONG, Peer};

#[tokio::test]
async fn a_slow_server_is_given_up_in_time() {
    let slow = Peer::start(|request: Request<Incoming>| async move {
        match request.uri().path() {
            "/head" => std::future::pending().await,
            _ => {
                let piece = futures_util::stream::iter([Ok(Frame::data(Bytes::from("x")))]);
                let body = StreamBody::new(piece.chain(futures_util::stream::pending()));
                Response::new(BodyExt::boxed(body))
            }
        }
    });
    let slow = slow.await;
    let server = serving(&[origin(&slow)]).await;
    for path in ["/head", "/body"] {
        let began = Instant::now();
        let url = format!("{}{path}", origin(&slow));
        let late = fetched(&server, &url, "&request_timeout=200").await;
        assert_eq!(
            (&late["code"], &late["error"]),
            (&599.into(), &"Timeout during request".into())
        );
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(200) && took < LONG,
            "{took:?}"
        );
    }
    // Nobody listens there any more.
    let gone = Peer::saying("").await;
    let address = origin(&gone);
    drop(gone);
    let server = serving(std::slice::from_ref(&address)).await;
    let refused = fetched(&server, &address, "").await;
    assert_eq!(
        (&refused["code"], &refused["error"]),
        (&599.into(), &"Connection refused".into())
    );
}

#[tokio::test]
async fn past_max_clients_a_fetch_waits_and_that_counts_as_connecting() {
    let gate = Arc::new(Notify::new());
    let inside = gate.clone();
    let peer = Peer::start(move |_| {
        let gate = inside.clone();
        async move {
            gate.notified().await;
            Response::new(whole("x"))
        }
    });
    let peer = peer.await;
    let app = configured(&[origin(&peer)], "", "max_clients = 2");
    let server = app.serve().await;
    let url = format!("url={}", encoded(&origin(&peer)));
    let path = format!("/many?{}", [&*url; 6].join("&"));
    let all = server.get(&path);
    let mut all = std::pin::pin!(all);
    let both = async {
        while peer.counts.at_once.load(SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = &mut all => panic!("{answer:?}"),
        () = both => {}
    }
    let late = fetched(&server, &origin(&peer), "&connect_timeout=100").await;
    assert_eq!(late["error"], "Timeout while connecting", "{late}");
    let opening = async {
        loop {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::select! {
        answer = all => answer,
        () = opening => unreachable!("it has no end"),
    };
    assert_eq!(answer.body.matches("\"code\":200").count(), 6, "{answer:?}");
    assert_eq!(peer.counts.most_at_once.load(SeqCst), 2);
}

/// Answers nobody before so many are there.
async fn patient(count: usize) -> Peer {
    let all = Arc::new(Barrier::new(count));
    let peer = Peer::start(move |_| {
        let all = all.clone();
        async move {
            all.wait().await;
            Response::new(whole("x"))
        }
    });
    peer.await
}

#[tokio::test]
async fn two_fetches_are_under_way_at_once() {
    let peer = patient(2).await;
    let server = serving(&[origin(&peer)]).await;
    let answer = server
        .get(&format!("/pair?url={}", encoded(&origin(&peer))))
        .await;
    assert_eq!(answer.body, "200 200");
}

/// How long that takes, `cargo bench -- --only fetch` tells.
#[tokio::test]
async fn a_thousand_requests_fetch_side_by_side_in_one_instance() {
    // As many as `max_clients` lets through at once, of the two thousand.
    let peer = patient(1000).await;
    let server = serving(&[origin(&peer)]).await;
    let path = format!("/pair?url={}", encoded(&origin(&peer)));
    let mut clients = join_all((0..1000).map(|_| server.connect())).await;
    let answers = join_all(clients.iter_mut().map(|client| client.get(&path))).await;
    assert!(answers.iter().all(|answer| answer.body == "200 200"));
}
