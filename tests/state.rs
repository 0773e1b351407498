//! The state of a `single` component, which goes to its next version: `save` and `restore`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::harness::{App, Client, Running, guest, renumbered, soon};

const ROOM: &str = "room.wasm";

fn config(version: &str, more: &str) -> String {
    format!("[component.{ROOM:?}]\nenv = {{ VERSION = \"{version}\"{more} }}\n")
}

async fn serve(more: &str) -> Running {
    App::new()
        .handler(ROOM, guest("room"))
        .config(&config("v1", more))
        .serve()
        .await
}

fn configure(server: &Running, text: &str) {
    let aside = server.app.path().join("aside");
    std::fs::write(&aside, text).unwrap();
    std::fs::rename(aside, server.app.path().join("waterspout.toml")).unwrap();
}

async fn swap(server: &Running, version: &str) {
    let number = server.status().await["generation"].as_u64().unwrap();
    configure(server, &config(version, ""));
    server.until_generation(number + 1).await;
}

async fn add(client: &mut Client, number: u64) {
    let body = number.to_string();
    let length = body.len();
    let request = format!(
        "POST /numbers HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    client.send(request).await;
    let answer = soon(client.answer()).await;
    assert_eq!((answer.status, answer.body), (200, body));
}

async fn numbers(server: &Running) -> Vec<u64> {
    serde_json::from_str(&server.get("/numbers").await.body).unwrap()
}

#[tokio::test]
async fn nothing_that_was_answered_is_lost_while_versions_follow_each_other() {
    let server = serve("").await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..8 {
        let (mut connection, ended) = (server.connect().await, ended.clone());
        clients.spawn(async move {
            let mut count = 0;
            while !ended.load(SeqCst) {
                add(&mut connection, client * 1_000_000 + count).await;
                count += 1;
            }
            count
        });
    }
    for version in 2..30 {
        swap(&server, &format!("v{version}")).await;
    }
    ended.store(true, SeqCst);
    let added: u64 = soon(clients.join_all()).await.iter().sum();
    let mut all = numbers(&server).await;
    let count = all.len() as u64;
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len() as u64, count, "each once");
    // Where a request has taken longer than the state waits for it, as on a machine that is overloaded, the log says so.
    let is_late = "are still under way after 1 s";
    assert!(
        count == added || count < added && server.logged().await.contains(is_late),
        "{count} of {added}: {}",
        server.log.text()
    );
    assert_eq!(server.get("/version").await.body, "v29");
}

#[tokio::test]
async fn a_version_that_can_not_take_the_state_is_refused_and_the_old_one_serves_on() {
    let server = serve("").await;
    let mut client = server.connect().await;
    add(&mut client, 1).await;
    for (restore, why) in [("fails", "another format"), ("traps", "`restore` failed")] {
        configure(
            &server,
            &config("v2", &format!(", RESTORE = \"{restore}\"")),
        );
        let status = server.until_swap_is(false).await;
        let error = status["last_swap"]["error"].as_str().unwrap();
        assert!(error.contains(ROOM) && error.contains(why), "{error}");
        add(&mut client, 2).await;
        assert_eq!(server.get("/version").await.body, "v1");
        configure(&server, &config("v1", ""));
        server.until_swap_is(true).await;
    }
    assert_eq!(numbers(&server).await, [1, 2, 2]);
    swap(&server, "v3").await;
    assert_eq!(numbers(&server).await, [1, 2, 2]);
}

#[tokio::test]
async fn a_version_whose_state_can_not_be_had_is_not_replaced() {
    let server = serve(", SAVE = \"fails\"").await;
    add(&mut server.connect().await, 1).await;
    configure(&server, &config("v2", ""));
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().unwrap();
    assert!(
        error.contains("can't `save` its state: as it was told"),
        "{error}"
    );
    assert_eq!(numbers(&server).await, [1]);
}

#[tokio::test]
async fn what_is_under_way_is_waited_for_a_moment_and_no_longer() {
    let server = serve("").await;
    let slow = |ms: u64| {
        format!("POST /numbers?ms={ms} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n7")
    };
    let mut short = server.connect().await;
    short.send(slow(300)).await;
    server.until_in_flight(ROOM, 1).await;
    swap(&server, "v2").await;
    assert_eq!(numbers(&server).await, [7]);
    assert_eq!(soon(short.answer()).await.status, 200);

    let mut long = server.connect().await;
    long.send(slow(20_000)).await;
    server.until_in_flight(ROOM, 1).await;
    swap(&server, "v3").await;
    assert_eq!(numbers(&server).await, [7]);
    server
        .log
        .line_with("what they change is not handed over")
        .await;
}

#[tokio::test]
async fn a_component_without_state_is_not_waited_for() {
    let (file, component) = ("slow.wasm", guest("slow"));
    let server = App::new().handler(file, &component).serve().await;
    let mut slow = server.send("GET /slow?ms=1500").await;
    server.until_in_flight(file, 1).await;
    let next = renumbered(component, 2);
    server.app.replace(file, &next);
    server.until_serving(file, &next).await;
    assert_eq!(soon(slow.answer()).await.status, 200);
    let log = server.logged().await;
    assert!(!log.contains("handed over"), "{log}");
}
