//! Requests that wait for an instance.

use super::serve;
use crate::harness::soon;

#[tokio::test]
async fn a_full_queue_is_a_503_with_retry_after() {
    for rules in [
        "instances = 1",
        "isolation = \"exclusive\"",
        "isolation = \"fresh\"",
    ] {
        let server = serve(
            "slow",
            &format!("{rules}\nmax_concurrent = 2\nmax_queue = 1"),
        )
        .await;
        let mut admitted = server.send_all("GET /slow?ms=500", 3).await;
        server.until_in_flight("slow.wasm", 3).await;
        let refused = server.get("/slow?ms=0").await;
        assert_eq!(refused.status, 503);
        assert!(
            refused.head.contains("retry-after: 1\r\n"),
            "{}",
            refused.head
        );
        for client in &mut admitted {
            assert_eq!(soon(client.answer()).await.status, 200, "{rules}");
        }
    }
}

#[tokio::test]
async fn waiting_counts_towards_the_deadline() {
    let rules = "instances = 1\nmax_concurrent = 1\ndeadline = \"400ms\"";
    let server = serve("slow", rules).await;
    let mut inside = server.send("GET /slow?ms=60000").await;
    server.until_in_flight("slow.wasm", 1).await;
    let mut waiting = server.send("GET /slow?ms=390").await;
    assert_eq!(soon(inside.answer()).await.status, 504);
    assert_eq!(soon(waiting.answer()).await.status, 504);
    // Neither is left behind.
    server.until_in_flight("slow.wasm", 0).await;
}

#[tokio::test]
async fn a_client_that_left_the_queue_leaves_its_place_to_another() {
    let rules = "instances = 1\nmax_concurrent = 1\nmax_queue = 1";
    let server = serve("slow", rules).await;
    let mut inside = server.send("GET /slow?ms=1000").await;
    server.until_in_flight("slow.wasm", 1).await;
    for _ in 0..20 {
        let waiting = server.send("GET /slow?ms=0").await;
        server.until_in_flight("slow.wasm", 2).await;
        drop(waiting);
        server.until_in_flight("slow.wasm", 1).await;
    }
    let mut last = server.send("GET /slow?ms=0").await;
    assert_eq!(soon(inside.answer()).await.body, "slow");
    assert_eq!(soon(last.answer()).await.body, "slow");
    // Nothing of the others ever reached the guest.
    assert_eq!(server.json("/slow/counts").await["started"], 2);
}
