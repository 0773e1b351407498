//! What takes minutes: `.ci/python`. Each run prints a line.

use std::process::Command;

use super::{is_there, replace};
use crate::harness::{App, Load, Running, raise_descriptors, soon};

const MANY: &str = include_str!("many.py");
const FILE: &str = "many.py";

fn saying(version: &str) -> String {
    MANY.replace("VERSION = \"edit\"", &format!("VERSION = \"{version}\""))
}

/// How often something is done, unless `WATERSPOUT_SWAPS` says otherwise.
fn times(usual: usize) -> usize {
    let said = std::env::var("WATERSPOUT_SWAPS").ok();
    said.and_then(|said| said.parse().ok()).unwrap_or(usual)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/python"]
async fn two_machines_have_different_seeds() {
    if !is_there().await {
        return;
    }
    let mut seeds = Vec::new();
    for _ in 0..2 {
        // A machine that has never had a Python app.
        let cache = tempfile::tempdir().expect("a folder");
        let app = App::new().handler(FILE, MANY).cache(cache.path());
        let mut check = Command::new(env!("CARGO_BIN_EXE_waterspout"));
        check.arg("check").arg(app.path());
        check.arg("--cache-dir").arg(cache.path());
        let checked = check.output().expect("waterspout starts");
        assert!(checked.status.success(), "{checked:?}");
        let server = app.serve().await;
        seeds.push(server.get("/seed").await.body);
        drop(server);
    }
    println!("two seeds: {seeds:?}");
    assert_ne!(seeds[0], seeds[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/python"]
async fn edits_lose_nothing_while_instances_are_lost() {
    if !is_there().await {
        return;
    }
    let edits = times(200);
    let bodies: Vec<String> = (0..edits)
        .map(|number| format!("edit {}", "*".repeat(number)))
        .collect();
    let versions: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let keys = format!("[component.{FILE:?}]\nmax_requests = 500\n");
    let app = App::new().handler(FILE, saying(versions[0])).config(&keys);
    let server = app.serve().await;
    let load = Load::start(server.address, "/", 8, &versions);
    let (mut lost, mut refused) = (0, 0);
    for number in 0..edits {
        let program = saying(load.turns.begin());
        replace(&server, FILE, &program);
        server.until_serving(FILE, program.as_bytes()).await;
        load.turns.named();
        load.more(5).await;
        if number % 4 == 0 {
            replace(&server, FILE, "an edit that is not finished\n");
            server.until_swap_is(false).await;
            refused += 1;
        }
        if number % 2 == 0 {
            // Also while the file in `handlers/` is the one that was refused.
            lose(&server, if number % 20 == 0 { "/spin" } else { "/abort" }).await;
            lost += 1;
            load.more(20).await;
        }
    }
    let tally = load.end().await;
    tally.assert_flawless();
    println!("{edits} edits, {refused} refused, {lost} instances lost, no request failed");
}

/// Loses the instance that answers this.
async fn lose(server: &Running, path: &str) {
    let answer = soon(server.get(path)).await;
    assert!(answer.status >= 500, "{}", answer.status);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/python"]
async fn what_waited_was_lost_or_was_swapped_leaves_nothing() {
    const WAITING: usize = 17_000;
    if !is_there().await {
        return;
    }
    assert!(raise_descriptors() > WAITING + 1_000, "too few descriptors");
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\nmax_connections = 20000\nmax_instance_memory = \"1GB\"\n\
         [component.{FILE:?}]\nmemory = \"512MB\"\nmax_concurrent = 20000\ndeadline = \"off\"\n"
    );
    let server = App::new().handler(FILE, MANY).config(&config).serve().await;
    lose(&server, "/abort").await;
    let before = server.vitals();
    let mut clients = Vec::new();
    for _ in 0..WAITING {
        let mut client = server.connect().await;
        client.send("GET /poll HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clients.push(client);
    }
    let count = WAITING.to_string();
    assert_eq!(server.request("POST /poll", "", &count).await.body, count);
    let at_most = server.vitals();
    server.request("PUT /poll", "", "").await;
    for client in &mut clients {
        assert_eq!(soon(client.answer()).await.body, "news");
    }
    drop(clients);
    // Its memory goes with the instance.
    lose(&server, "/abort").await;
    let waited = server.vitals();
    let lost = times(1_000);
    for _ in 0..lost {
        lose(&server, "/abort").await;
    }
    let lost_all = server.vitals();
    let swaps = times(1_000);
    for number in 0..swaps {
        let program = saying(&format!("edit {number}"));
        replace(&server, FILE, &program);
        server.until_serving(FILE, program.as_bytes()).await;
    }
    let swapped = server.vitals();
    println!(
        "before {before:?}; {WAITING} wait {at_most:?}, are over {waited:?}; {lost} lost {lost_all:?}; {swaps} swaps {swapped:?}"
    );
    for after in [waited, lost_all, swapped] {
        assert!(after.mib < before.mib + 64, "{after:?}");
        assert!(after.descriptors < before.descriptors + 16, "{after:?}");
        assert!(after.threads < before.threads + 8, "{after:?}");
    }
}
