//! How a request ends before its time: late, or without its client.

use serde_json::json;

use super::{serve, serve_with};
use crate::harness::soon;

#[tokio::test]
async fn a_late_handler_is_a_504_and_is_cancelled_at_its_await() {
    let server = serve("slow", "instances = 1\ndeadline = \"200ms\"").await;
    let answer = server.get("/slow?ms=60000").await;
    assert_eq!(answer.status, 504);
    assert!(
        answer.body.contains("504: Gateway Timeout"),
        "{}",
        answer.body
    );
    let counts = server
        .until_json("/slow/counts", |counts| counts["dropped"] == 1)
        .await;
    let expected = json!({
        "started": 1, "answered": 0, "cancelled": 1,
        "on_connection_close": 0, "on_finish": 1, "dropped": 1,
    });
    assert_eq!(counts, expected);
    server.until_in_flight("slow.wasm", 0).await;
}

#[tokio::test]
async fn a_deadline_that_is_off_ends_nothing() {
    let server = serve("slow", "deadline = \"off\"").await;
    assert_eq!(server.get("/slow?ms=300").await.body, "slow");
}

#[tokio::test]
async fn a_request_without_a_client_is_cancelled_and_told_so() {
    let server = serve("slow", "instances = 1").await;
    let client = server.send("GET /slow?ms=60000").await;
    server
        .until_json("/slow/counts", |counts| counts["started"] == 1)
        .await;
    drop(client);
    let counts = server
        .until_json("/slow/counts", |counts| counts["dropped"] == 1)
        .await;
    let expected = json!({
        "started": 1, "answered": 0, "cancelled": 1,
        "on_connection_close": 1, "on_finish": 1, "dropped": 1,
    });
    assert_eq!(counts, expected);
    server.until_in_flight("slow.wasm", 0).await;
}

#[tokio::test]
async fn on_connection_close_comes_before_on_finish() {
    let server = serve("lifecycle", "instances = 1").await;
    let client = server.send("GET /lifecycle?as=a&ms=60000").await;
    server
        .until_json("/lifecycle/log", |log| log[3] == "a get")
        .await;
    drop(client);
    let log = server
        .until_json("/lifecycle/log", |log| log[5] != json!(null))
        .await;
    assert_eq!(
        (&log[4], &log[5]),
        (&json!("a on_connection_close"), &json!("a on_finish"))
    );
}

#[tokio::test]
async fn a_request_runs_on_without_its_client_where_the_rules_say_so() {
    let server = serve("slow", "instances = 1\ncancel_on_close = false").await;
    let client = server.send("GET /slow?ms=300").await;
    server
        .until_json("/slow/counts", |counts| counts["started"] == 1)
        .await;
    drop(client);
    let counts = server
        .until_json("/slow/counts", |counts| counts["dropped"] == 1)
        .await;
    let expected = json!({
        "started": 1, "answered": 1, "cancelled": 0,
        "on_connection_close": 1, "on_finish": 1, "dropped": 1,
    });
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn a_deaf_instance_is_replaced_while_the_others_on_it_finish() {
    let server = serve("deaf", "instances = 1").await;
    let mut other = server.send("GET /deaf?7000").await;
    let leaving = server.send("GET /deaf").await;
    server.until_in_flight("deaf.wasm", 2).await;
    drop(leaving);
    // Its five seconds are over.
    server.until_in_flight("deaf.wasm", 1).await;
    assert_eq!(server.get("/deaf?0").await.body, "at last");
    assert_eq!(server.component("deaf.wasm").await["instances"], 2);
    assert_eq!(soon(other.answer()).await.body, "at last");
    server.until_count("deaf.wasm", "instances", 1).await;
    assert_eq!(server.component("deaf.wasm").await["traps"], 0);
}

#[tokio::test]
async fn an_instance_that_spins_on_is_replaced_also_where_runs_have_no_limit() {
    let rules = "instances = 1\ncpu_deadline = \"off\"\nblock_log = \"off\"\ndeadline = \"500ms\"";
    let server = serve("spin", rules).await;
    let mut spinning = server.send("GET /spin").await;
    assert_eq!(soon(spinning.answer()).await.status, 504);
    // It is in the way until it has been asked to end for five seconds.
    server.until_count("spin.wasm", "traps", 1).await;
    assert_eq!(server.get("/spin/slow").await.body, "slow and well");
    server.until_count("spin.wasm", "instances", 1).await;
    server.until_in_flight("spin.wasm", 0).await;
}

#[tokio::test]
async fn on_finish_runs_once_whatever_answered() {
    let server = serve_with("lifecycle", "instances = 1", "").await;
    for (name, query) in [
        ("a", ""),
        ("b", "&get=teapot&error=teapot"),
        ("c", "&get=finish"),
    ] {
        server.get(&format!("/lifecycle?as={name}{query}")).await;
    }
    let finished = |log: &serde_json::Value| {
        let notes = log.as_array().into_iter().flatten();
        notes
            .filter(|note| {
                note.as_str()
                    .is_some_and(|note| note.ends_with("on_finish"))
            })
            .count()
            == 3
    };
    server.until_json("/lifecycle/log", finished).await;
}
