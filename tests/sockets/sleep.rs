//! Sockets that are quiet do without an instance: `hibernate`.

use serde_json::Value;

use super::connect;
use crate::harness::{App, Running, Ws, entry, guest};

const SUSPENDS: &str = "suspends.wasm";

async fn serve(rules: &str) -> Running {
    App::new()
        .handler(SUSPENDS, guest("suspends"))
        .config(&format!(
            "[component.{SUSPENDS:?}]\ninstances = 1\nhibernate = \"200ms\"\n{rules}\n"
        ))
        .serve()
        .await
}

/// Waits until there are so many instances, and as many sockets as before.
async fn until_instances(server: &Running, count: u64, sockets: u64) -> Value {
    server
        .until(|status| {
            let entry = entry(status, SUSPENDS).expect("an entry");
            entry["instances"] == count && entry["sockets"] == sockets
        })
        .await
}

async fn answered(ws: &mut Ws, count: u64) {
    ws.send_text("x").await;
    ws.expect_text(&format!("v1 {count} x")).await;
}

#[tokio::test]
async fn quiet_sockets_have_no_instance_and_lose_nothing() {
    let server = serve("").await;
    let mut all = Vec::new();
    for _ in 0..5 {
        let mut ws = connect(&server, "/suspends/a").await;
        answered(&mut ws, 1).await;
        all.push(ws);
    }
    until_instances(&server, 0, 5).await;
    // What comes for one wakes one: the others are told of nothing.
    answered(&mut all[0], 2).await;
    until_instances(&server, 0, 5).await;
    for (number, ws) in all.iter_mut().enumerate() {
        answered(ws, if number == 0 { 3 } else { 2 }).await;
    }
    assert_eq!(server.component(SUSPENDS).await["traps"], 0);
    until_instances(&server, 0, 5).await;
    // A pong needs no guest.
    all[1].send_ping("p").await;
    assert_eq!(all[1].next().await.payload, b"p");
    assert_eq!(server.component(SUSPENDS).await["instances"], 0);
}

#[tokio::test]
async fn a_socket_that_is_closed_in_its_sleep_has_its_end_once() {
    let server = serve("").await;
    let mut ws = connect(&server, "/suspends/a").await;
    answered(&mut ws, 1).await;
    until_instances(&server, 0, 1).await;
    ws.send_close(1000, "").await;
    ws.expect_close(1000).await;
    server.log.line_with("close after 1 messages").await;
    server
        .until(|status| entry(status, SUSPENDS).expect("an entry")["sockets"] == 0)
        .await;
    let log = server.logged().await;
    assert_eq!(log.matches("close after").count(), 1, "{log}");
}

#[tokio::test]
async fn a_sleeper_wakes_in_the_version_that_serves_then() {
    let server = serve("").await;
    let mut ws = connect(&server, "/suspends/a").await;
    answered(&mut ws, 1).await;
    until_instances(&server, 0, 1).await;
    let number = server.status().await["generation"].as_u64().unwrap();
    let next = format!("[component.{SUSPENDS:?}]\nenv = {{ VERSION = \"v2\" }}\n");
    let aside = server.app.path().join("aside");
    std::fs::write(&aside, next).unwrap();
    std::fs::rename(aside, server.app.path().join("waterspout.toml")).unwrap();
    server.until_generation(number + 1).await;
    ws.send_text("x").await;
    ws.expect_text("v2 2 x").await;
}
