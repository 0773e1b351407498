//! What the isolations share, and when an instance is replaced.

use serde_json::{Value, json};

use super::serve;
use crate::harness::{let_go, soon};

#[tokio::test]
async fn module_state_is_kept_by_shared_and_exclusive_and_not_by_fresh() {
    for (isolation, kept) in [
        ("isolation = \"shared\"\ninstances = 1", true),
        ("isolation = \"exclusive\"\nmax_concurrent = 1", true),
        ("isolation = \"fresh\"", false),
    ] {
        let server = serve("slow", isolation).await;
        for _ in 0..3 {
            assert_eq!(server.get("/slow?ms=0").await.status, 200);
            // Its last function may still be under way.
            server.until_in_flight("slow.wasm", 0).await;
        }
        let started = &server.json("/slow/counts").await["started"];
        assert_eq!(
            *started,
            if kept { json!(3) } else { json!(0) },
            "{isolation}"
        );
    }
}

#[tokio::test]
async fn shared_instances_have_each_their_own_state() {
    let server = serve("slow", "instances = 3").await;
    for _ in 0..60 {
        assert_eq!(server.get("/slow?ms=0").await.status, 200);
    }
    assert_eq!(server.component("slow.wasm").await["instances"], 3);
    server
        .until_json("/slow/counts", |counts| {
            counts["started"].as_u64() < Some(60)
        })
        .await;
}

#[tokio::test]
async fn requests_of_a_shared_instance_overlap() {
    let server = serve("slow", "instances = 1").await;
    let mut clients = server.hold("GET /slow?for=body", 20).await;
    // All are inside before any has answered.
    let counts = server
        .until_json("/slow/counts", |counts| counts["started"] == 20)
        .await;
    assert_eq!(counts["answered"], 0);
    let_go(&mut clients).await;
    for mut client in clients {
        assert_eq!(soon(client.answer()).await.body, "slow");
    }
    assert_eq!(server.component("slow.wasm").await["instances"], 1);
}

#[tokio::test]
async fn an_exclusive_instance_serves_one_at_a_time() {
    let server = serve("slow", "isolation = \"exclusive\"\nmax_concurrent = 1").await;
    let mut slow = server.hold("GET /slow?for=body", 1).await;
    server.until_in_flight("slow.wasm", 1).await;
    let mut counts = server.send("GET /slow/counts").await;
    server.until_in_flight("slow.wasm", 2).await;
    let_go(&mut slow).await;
    assert_eq!(soon(slow[0].answer()).await.body, "slow");
    let counts: Value = serde_json::from_str(&soon(counts.answer()).await.body).expect("JSON");
    assert_eq!(
        (&counts["answered"], &counts["on_finish"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn exclusive_and_fresh_grow_to_max_concurrent() {
    for isolation in ["exclusive", "fresh"] {
        let rules = format!("isolation = \"{isolation}\"\nmax_concurrent = 3");
        let server = serve("slow", &rules).await;
        let mut clients = server.hold("GET /slow?for=body", 7).await;
        server.until_in_flight("slow.wasm", 7).await;
        server.until_count("slow.wasm", "instances", 3).await;
        let_go(&mut clients).await;
        for mut client in clients {
            assert_eq!(soon(client.answer()).await.body, "slow");
            let instances = server.component("slow.wasm").await["instances"].as_u64();
            assert!(instances <= Some(3), "{instances:?}");
        }
        server.until_in_flight("slow.wasm", 0).await;
    }
}

#[tokio::test]
async fn an_instance_is_replaced_after_max_requests_and_no_request_is_lost() {
    for isolation in ["shared\"\ninstances = 1", "exclusive\"\nmax_concurrent = 1"] {
        let server = serve(
            "slow",
            &format!("max_requests = 3\nisolation = \"{isolation}"),
        )
        .await;
        let mut started = Vec::new();
        for _ in 0..3 {
            assert_eq!(server.get("/slow?ms=0").await.status, 200);
            assert_eq!(server.get("/slow?ms=0").await.status, 200);
            started.push(server.json("/slow/counts").await["started"].clone());
        }
        assert_eq!(started, [2, 2, 2], "{isolation}");
        // Also when they come faster than instances are made.
        let clients = server.send_all("GET /slow?ms=20", 50).await;
        for mut client in clients {
            assert_eq!(soon(client.answer()).await.body, "slow");
        }
        server.until_in_flight("slow.wasm", 0).await;
        let component = server.component("slow.wasm").await;
        assert_eq!(
            (&component["requests"], &component["traps"]),
            (&json!(59), &json!(0))
        );
        assert!(component["instances"].as_u64() <= Some(1), "{component}");
    }
}

#[tokio::test]
async fn what_is_inside_an_instance_that_is_replaced_finishes() {
    let server = serve("slow", "max_requests = 2\ninstances = 1").await;
    let mut slow = server.hold("GET /slow?for=body", 1).await;
    server.until_in_flight("slow.wasm", 1).await;
    assert_eq!(server.json("/slow/counts").await["started"], 1);
    assert_eq!(server.json("/slow/counts").await["started"], 0);
    server.until_count("slow.wasm", "instances", 2).await;
    let_go(&mut slow).await;
    assert_eq!(soon(slow[0].answer()).await.body, "slow");
    server.until_count("slow.wasm", "instances", 1).await;
}

#[tokio::test]
async fn an_instance_may_have_memory_up_to_its_cap() {
    let server = serve("grow", "memory = \"8MB\"\ninstances = 1").await;
    assert_eq!(server.get("/grow").await.status, 500);
    assert_eq!(server.component("grow.wasm").await["traps"], 1);
    assert_eq!(server.get("/grow").await.status, 500);
}

#[tokio::test]
async fn a_single_component_has_one_instance_whatever_the_rules_say() {
    let server = serve("state", "instances = 4\nmax_requests = 2").await;
    for count in 1..=9 {
        assert_eq!(server.get("/state").await.body, count.to_string());
    }
    assert_eq!(server.component("state.wasm").await["instances"], 1);
}
