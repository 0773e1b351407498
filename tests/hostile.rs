//! Guests and clients that do their worst, a thousand times: what is beside them never notices, and nothing is left
//! behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{App, Load, Running, guest, soon, versioned};

const TIMES: usize = 1000;

/// How many ask at once, and of how many instances.
const AT_ONCE: usize = 4;

/// Waves of clients until the allocator has all the arenas that it will have.
const WARM: u64 = 5;

/// Asks a hostile guest a thousand times while the route of another component is asked without a pause. Each instance
/// has one request at a time, so that every answer is the culprit's own.
async fn assault(name: &str, query: &str, rules: &str, status: u16, words: &str) {
    let file = format!("{name}.wasm");
    let limits = format!("instances = {AT_ONCE}\nmax_concurrent = 1\n{rules}");
    let mut server = App::new()
        .handler(&file, guest(name))
        .handler("version.wasm", versioned("beside"))
        .config(&format!("[component.\"{file}\"]\n{limits}"))
        .serve()
        .await;
    let path = format!("/{name}{query}");
    let beside = Load::start(server.address, "/version", 2, &["beside"]);
    ask(&server, &path, 10 * AT_ONCE, status, words).await;
    let before = server.vitals();
    ask(&server, &path, TIMES, status, words).await;
    server.until_in_flight(&file, 0).await;
    server.until_as_before(before, 24).await;
    beside.more(100).await;
    beside.end().await.assert_flawless();
    assert!(server.is_alive());
    let component = server.component("version.wasm").await;
    assert_eq!(component["traps"], 0, "{component}");
}

async fn ask(server: &Running, path: &str, times: usize, status: u16, words: &str) {
    let left = Arc::new(AtomicUsize::new(times));
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut client = server.connect().await;
        let (left, path, words) = (left.clone(), path.to_owned(), words.to_owned());
        clients.spawn(async move {
            while left
                .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
                .is_ok()
            {
                let answer = soon(client.get(&path)).await;
                assert_eq!(answer.status, status, "{answer:?}");
                assert!(answer.body.contains(&words), "{answer:?}");
            }
        });
    }
    while let Some(asked) = clients.join_next().await {
        asked.expect("every answer as it should be");
    }
}

#[tokio::test]
async fn a_thousand_spins() {
    let rules = "cpu_deadline = \"10ms\"\nblock_log = \"off\"";
    assault("spin", "", rules, 503, "503: Service Unavailable").await;
}

#[tokio::test]
async fn a_thousand_traps() {
    assault("trap", "?in=get", "", 500, "page of 500: Trap").await;
}

#[tokio::test]
async fn a_thousand_exhaustions_of_memory() {
    assault(
        "grow",
        "",
        "memory = \"8MB\"",
        500,
        "500: Internal Server Error",
    )
    .await;
}

#[tokio::test]
async fn a_thousand_recursions_without_end() {
    assault("recurse", "", "", 500, "500: Internal Server Error").await;
}

#[tokio::test]
async fn a_thousand_panics() {
    assault("panic", "", "", 500, "500: Internal Server Error").await;
}

#[tokio::test]
async fn a_thousand_floods_of_the_log() {
    assault("chatty", "?lines=200", "", 200, "200").await;
}

#[tokio::test]
async fn ten_thousand_clients_that_disconnect_in_mid_call() {
    const CLIENTS: u64 = 10_000;
    const WAVE: u64 = 400;
    let mut server = App::new()
        .handler("slow.wasm", guest("slow"))
        .config(
            "[component.\"slow.wasm\"]\ninstances = 1\nmax_requests = \"off\"\ndeadline = \"off\"",
        )
        .serve()
        .await;
    let mut before = None;
    for wave in 1..=CLIENTS / WAVE {
        let clients = server.send_all("GET /slow?ms=600000", WAVE as usize).await;
        server
            .until_json("/slow/counts", |counts| counts["started"] == wave * WAVE)
            .await;
        drop(clients);
        server
            .until_json("/slow/counts", |counts| counts["dropped"] == wave * WAVE)
            .await;
        server.until_in_flight("slow.wasm", 0).await;
        if wave == WARM {
            before = Some(server.vitals());
        }
    }
    server.until_as_before(before.expect("waves"), 16).await;
    let counts = json!({
        "started": CLIENTS, "answered": 0, "cancelled": CLIENTS,
        "on_connection_close": CLIENTS, "on_finish": CLIENTS, "dropped": CLIENTS,
    });
    assert_eq!(server.json("/slow/counts").await, counts);
    let component = server.component("slow.wasm").await;
    assert_eq!(
        (&component["instances"], &component["traps"]),
        (&json!(1), &json!(0))
    );
    assert!(server.is_alive());
}

#[tokio::test]
async fn clients_that_disconnect_free_their_exclusive_and_fresh_instances() {
    const WAVE: u64 = 100;
    for isolation in ["exclusive", "fresh"] {
        let rules = format!("isolation = \"{isolation}\"\nmax_concurrent = 50\ndeadline = \"off\"");
        let server = App::new()
            .handler("slow.wasm", guest("slow"))
            .config(&format!("[component.\"slow.wasm\"]\n{rules}"))
            .serve()
            .await;
        let mut before = None;
        for wave in 1..=10 {
            let clients = server.send_all("GET /slow?ms=600000", WAVE as usize).await;
            server.until_in_flight("slow.wasm", WAVE).await;
            server.until_count("slow.wasm", "instances", 50).await;
            drop(clients);
            server.until_in_flight("slow.wasm", 0).await;
            if wave == WARM {
                before = Some(server.vitals());
            }
        }
        if isolation == "fresh" {
            server.until_count("slow.wasm", "instances", 0).await;
        }
        server.until_as_before(before.expect("waves"), 16).await;
        assert_eq!(server.get("/slow?ms=0").await.body, "slow");
    }
}

#[tokio::test]
async fn ten_thousand_clients_that_disconnect_in_the_queue() {
    const WAVE: u64 = 400;
    let rules = "instances = 1\nmax_concurrent = 1\nmax_queue = 400\ndeadline = \"off\"";
    let server = App::new()
        .handler("slow.wasm", guest("slow"))
        .config(&format!("[component.\"slow.wasm\"]\n{rules}"))
        .serve()
        .await;
    let inside = server.send("GET /slow?ms=600000").await;
    server.until_in_flight("slow.wasm", 1).await;
    let mut before = None;
    for wave in 1..=10_000 / WAVE {
        let clients = server.send_all("GET /slow?ms=600000", WAVE as usize).await;
        server.until_in_flight("slow.wasm", 1 + WAVE).await;
        drop(clients);
        server.until_in_flight("slow.wasm", 1).await;
        if wave == WARM {
            before = Some(server.vitals());
        }
    }
    server.until_as_before(before.expect("waves"), 16).await;
    drop(inside);
    assert_eq!(server.json("/slow/counts").await["started"], 1);
}
