//! Connections that are kept, and that their servers close without a word: what is sent again, and what never is.

use super::{encoded, fetched, serving};
use crate::harness::peer::{Say, Wire};

fn ok() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()
}

/// Answers the first request of each connection, as if more could come, and has closed it when the next one is there.
async fn once_each() -> Wire {
    Wire::start(|head, before| match (head.contains(" /dead"), before) {
        (false, 0) => Say::This(ok()),
        _ => Say::Nothing,
    })
    .await
}

#[tokio::test]
async fn what_is_idempotent_and_has_sent_no_body_is_sent_again_by_a_new_connection() {
    let wire = once_each().await;
    let server = serving(&[wire.origin()]).await;
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"] {
        for number in 0..10 {
            let url = format!("{}/{method}/{number}", wire.origin());
            let fetched = fetched(&server, &url, &format!("&method={method}")).await;
            assert_eq!(fetched["code"], 200, "{url}: {fetched}");
            let came = wire.count(&format!("{method} /{method}/{number} "));
            assert!(came == 1 || came == 2, "{url} came {came} times");
        }
    }
    // Else nothing was tried here.
    assert!(wire.count("") > 60, "{}", wire.count(""));
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    let wire = once_each().await;
    let server = serving(&[wire.origin()]).await;
    let mut lost = 0;
    for (method, body) in [
        ("POST", ""),
        ("POST", "x"),
        ("PATCH", "x"),
        ("PUT", "x"),
        ("DELETE", "x"),
    ] {
        for number in 0..10 {
            let warm = fetched(&server, &format!("{}/warm", wire.origin()), "").await;
            assert_eq!(warm["code"], 200, "{warm}");
            let path = format!("/{method}/{}/{number}", body.len());
            let more = format!("&method={method}&body={body}");
            let fetched = fetched(&server, &format!("{}{path}", wire.origin()), &more).await;
            lost += usize::from(fetched["code"] == 599);
            assert_eq!(
                wire.count(&format!("{method} {path} ")),
                1,
                "{path}: {fetched}"
            );
        }
    }
    assert!(lost > 0, "all of them had a connection of their own");
}

/// A server that does so on a new connection, too, is broken.
#[tokio::test]
async fn it_is_sent_again_once() {
    let wire = once_each().await;
    let server = serving(&[wire.origin()]).await;
    for number in 0..10 {
        let path = format!("/dead/{number}");
        let url = |path: &str| format!("{}{path}", wire.origin());
        assert_eq!(fetched(&server, &url("/warm"), "").await["code"], 200);
        let dead = fetched(&server, &url(&path), "").await;
        assert_eq!(
            (&dead["code"], &dead["error"]),
            (&599.into(), &"Stream closed".into()),
            "{dead}"
        );
        let came = wire.count(&format!("GET {path} "));
        assert!(came == 1 || came == 2, "{path} came {came} times");
    }
}

/// Many at once on connections that are all too old.
#[tokio::test]
async fn none_of_many_is_lost() {
    let wire = once_each().await;
    let server = serving(&[wire.origin()]).await;
    for round in 0..4 {
        let urls: Vec<String> = (0..20)
            .map(|at| {
                format!(
                    "url={}",
                    encoded(&format!("{}/{round}/{at}", wire.origin()))
                )
            })
            .collect();
        let many = server.get(&format!("/many?{}", urls.join("&"))).await;
        assert_eq!(many.body.matches("\"code\":200").count(), 20, "{many:?}");
    }
}
