//! Requests that wait for an instance.

use super::serve;
use crate::harness::{App, Load, guest, let_go, soon, versioned};

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
        let mut admitted = server.hold("GET /slow?for=body", 3).await;
        server.until_in_flight("slow.wasm", 3).await;
        let refused = server.get("/slow?ms=0").await;
        assert_eq!(refused.status, 503);
        assert!(
            refused.head.contains("retry-after: 1\r\n"),
            "{}",
            refused.head
        );
        let_go(&mut admitted).await;
        for client in &mut admitted {
            assert_eq!(soon(client.answer()).await.status, 200, "{rules}");
        }
    }
}

#[tokio::test]
async fn waiting_counts_towards_the_deadline() {
    let rules = "instances = 1\nmax_concurrent = 1\ndeadline = \"1500ms\"";
    let server = serve("slow", rules).await;
    let mut inside = server.send("GET /slow?ms=60000").await;
    server.until_in_flight("slow.wasm", 1).await;
    let mut waiting = server.send("GET /slow?ms=1490").await;
    assert_eq!(soon(inside.answer()).await.status, 504);
    assert_eq!(soon(waiting.answer()).await.status, 504);
    // Neither is left behind.
    server.until_in_flight("slow.wasm", 0).await;
}

#[tokio::test]
async fn a_client_that_left_the_queue_leaves_its_place_to_another() {
    let rules = "instances = 1\nmax_concurrent = 1\nmax_queue = 1";
    let server = serve("slow", rules).await;
    let mut inside = server.hold("GET /slow?for=body", 1).await;
    server.until_in_flight("slow.wasm", 1).await;
    for _ in 0..20 {
        let waiting = server.send("GET /slow?ms=0").await;
        server.until_in_flight("slow.wasm", 2).await;
        drop(waiting);
        server.until_in_flight("slow.wasm", 1).await;
    }
    let mut last = server.send("GET /slow?ms=0").await;
    let_go(&mut inside).await;
    assert_eq!(soon(inside[0].answer()).await.body, "slow");
    assert_eq!(soon(last.answer()).await.body, "slow");
    // Nothing of the others ever reached the guest.
    assert_eq!(server.json("/slow/counts").await["started"], 2);
}

#[tokio::test]
async fn past_the_cap_on_live_instances_requests_queue_and_then_get_503() {
    // Room for a few dozen instances, where there are thousands as a rule.
    const ADDRESS_SPACE: u64 = 128 << 30;
    let server = App::new()
        .address_space(ADDRESS_SPACE)
        .handler("slow.wasm", guest("slow"))
        .config("[component.\"slow.wasm\"]\nisolation = \"fresh\"\ndeadline = \"4s\"")
        .serve()
        .await;
    let mut clients = server.send_all("GET /slow?ms=60000", 100).await;
    server.until_in_flight("slow.wasm", 100).await;
    let (mut busy, mut late) = (0, 0);
    for client in &mut clients {
        let answer = soon(client.answer()).await;
        match answer.status {
            503 => {
                assert!(answer.head.contains("retry-after: 1\r\n"), "{answer:?}");
                busy += 1;
            }
            504 => late += 1,
            _ => panic!("{answer:?}"),
        }
    }
    assert!(busy >= 50, "{busy} times 503, {late} times 504");
    assert!(late >= 5, "{busy} times 503, {late} times 504");
    assert_eq!(server.get("/slow?ms=0").await.body, "slow");
    server.until_in_flight("slow.wasm", 0).await;
}

#[tokio::test]
async fn nobody_waits_for_an_instance_in_a_long_run_while_another_is_free() {
    let rules = "instances = 2\ncpu_deadline = \"off\"\nblock_log = \"off\"\ndeadline = \"off\"";
    let server = serve("spin", rules).await;
    let spinning = server.send("GET /spin").await;
    server.until_in_flight("spin.wasm", 1).await;
    for _ in 0..200 {
        let answer = soon(server.get("/spin/slow")).await;
        assert_eq!(answer.body, "slow and well");
    }
    let census = server.component("spin.wasm").await;
    assert_eq!(census["in_flight"], 1, "the run goes on: {census}");
    drop(spinning);
}

/// Fewer instances than threads that serve, or as many: whoever asks from a thread without one is served as well.
#[tokio::test]
async fn clients_of_every_thread_are_served_where_there_are_few_instances() {
    for rules in [
        "instances = 1\nmax_concurrent = 1",
        "instances = 2\nmax_concurrent = 2",
        "isolation = \"exclusive\"\nmax_concurrent = 1",
        "isolation = \"exclusive\"\nmax_concurrent = 3",
        "isolation = \"fresh\"\nmax_concurrent = 2",
    ] {
        let server = serve("slow", rules).await;
        for path in ["/slow?ms=0", "/slow?ms=1"] {
            let load = Load::start(server.address, path, 16, &["slow"]);
            load.more(500).await;
            load.end().await.assert_flawless();
        }
        server.until_in_flight("slow.wasm", 0).await;
    }
}

/// Its instance may have begun to wait just then: of some thousand requests a few were lost, each until its deadline.
#[tokio::test]
async fn what_comes_from_another_thread_begins_at_once() {
    for rules in ["instances = 1", "isolation = \"exclusive\""] {
        let server = App::new()
            .handler("version.wasm", versioned("one"))
            .config(&format!(
                "[component.\"version.wasm\"]\n{rules}\nmax_concurrent = 1\ndeadline = \"2s\""
            ))
            .serve()
            .await;
        let load = Load::start(server.address, "/version", 8, &["one"]);
        load.more(5000).await;
        load.end().await.assert_flawless();
    }
}
