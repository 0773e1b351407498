//! A room with state, swapped again and again while clients count in it: nothing of it is lost, and nobody waits for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Times, served, swaps};
use crate::harness::{App, Running, Way, Ws, guest, put, raise_descriptors, renumbered, soon};

const ROOM: &str = "room.wasm";
const ENTRIES: usize = 10_000;
const CLIENTS: usize = 20;
const REFUSED: u32 = 20;

/// Of each client: together a message for each millisecond.
const EVERY: Duration = Duration::from_millis(20);

/// What a pause should be at most.
const GOAL: Duration = Duration::from_millis(20);

fn config(version: u32, more: &str) -> String {
    format!(
        "[log]\nlevel = 'access=off,app=off'\n\
         [component.{ROOM:?}]\nenv = {{ VERSION = \"v{version}\"{more} }}\n"
    )
}

fn configure(server: &Running, text: &str) {
    let aside = server.app.path().join("aside");
    std::fs::write(&aside, text).expect("a file");
    std::fs::rename(aside, server.app.path().join("waterspout.toml")).expect("a rename");
}

/// Counts each of its entries in turn. Returns the counts, and for each message when it was sent and when it was answered.
async fn count(
    mut ws: Ws,
    first: usize,
    is_over: Arc<AtomicBool>,
) -> (Vec<u64>, Vec<(Instant, Instant)>) {
    let mut counts = vec![0; ENTRIES / CLIENTS];
    let mut answers = Vec::new();
    let mut due = Instant::now() + EVERY.mul_f64(first as f64 / ENTRIES as f64);
    while !is_over.load(SeqCst) {
        sleep_until(due).await;
        let at = answers.len() % counts.len();
        counts[at] += 1;
        let sent = Instant::now();
        let text = format!("{} {}", first + at, counts[at]);
        ws.send_text(&text).await;
        ws.expect_text(&text).await;
        answers.push((sent, Instant::now()));
        due = (due + EVERY).max(Instant::now());
    }
    (counts, answers)
}

/// Adds all entries, each at 0.
async fn fill(server: &Running) {
    let mut ws = Ws::connect(server.address, "/count").await;
    for at in 0..ENTRIES {
        ws.send_text(&format!("{at} 0")).await;
        ws.expect_text(&format!("{at} 0")).await;
    }
}

/// A version that does not take the state is refused, and the one before serves on.
async fn refuse(server: &Running, version: u32, serves: &str) {
    let restore = if version.is_multiple_of(2) {
        "fails"
    } else {
        "traps"
    };
    configure(
        server,
        &config(version, &format!(", RESTORE = \"{restore}\"")),
    );
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().expect("a reason");
    assert!(
        error.contains("restore") || error.contains("another format"),
        "{error}"
    );
    assert_eq!(server.get("/version").await.body, serves);
}

/// Swaps so often; returns when each swap began.
async fn swap_all(server: &Running, swaps: u32) -> Vec<Instant> {
    let mut began = Vec::new();
    let mut serves = "v0".to_owned();
    for number in 1..=swaps {
        let is_planted = number.is_multiple_of(swaps.div_ceil(REFUSED));
        if is_planted {
            refuse(server, number, &serves).await;
        }
        let generation = server.status().await["generation"]
            .as_u64()
            .expect("a number");
        began.push(Instant::now());
        // Some are of other code, which is compiled.
        if number % 10 == 5 && !is_planted {
            let bytes = renumbered(guest("room"), (number / 10 % 256) as u8);
            put(Way::Renamed, &server.app, ROOM, &bytes);
        } else {
            serves = format!("v{number}");
            configure(server, &config(number, ""));
        }
        server.until_generation(generation + 1).await;
    }
    assert_eq!(server.get("/version").await.body, serves);
    began
}

/// The longest that a message waited for its answer, for each of these times until the next one.
fn pauses(began: &[Instant], answers: &[(Instant, Instant)]) -> Times {
    let mut pauses = vec![Duration::ZERO; began.len()];
    for (sent, answered) in answers {
        let last = began.partition_point(|at| at <= answered);
        let first = began.partition_point(|at| at <= sent).max(1);
        for pause in pauses.iter_mut().take(last).skip(first - 1) {
            *pause = (*pause).max(*answered - *sent);
        }
    }
    pauses.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn nothing_in_a_room_is_lost_in_a_thousand_swaps() {
    let swaps = swaps(1000);
    raise_descriptors();
    let app = App::new().handler(ROOM, guest("room"));
    let server = served(app.config(&config(0, ""))).await;
    fill(&server).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let ws = Ws::connect(server.address, "/count").await;
        let first = number * (ENTRIES / CLIENTS);
        let is_over = is_over.clone();
        clients.spawn(async move { (first, count(ws, first, is_over).await) });
    }
    // What messages take without swaps.
    let quiet = Instant::now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let began = swap_all(&server, swaps).await;
    is_over.store(true, SeqCst);
    let mut expected = vec![0; ENTRIES];
    let (mut answers, mut usual) = (Vec::new(), Times::default());
    for (first, (counts, its)) in soon(clients.join_all()).await {
        expected[first..first + counts.len()].copy_from_slice(&counts);
        for (sent, answered) in &its {
            if quiet < *sent && *answered < began[0] {
                usual.add(*answered - *sent);
            }
        }
        answers.extend(its);
    }
    let state: Vec<u64> =
        serde_json::from_str(&server.get("/numbers").await.body).expect("numbers");
    assert_eq!(state.len(), ENTRIES);
    assert_eq!(state, expected);
    let pauses = pauses(&began, &answers);
    println!(
        "room: {swaps} swaps, {REFUSED} versions refused, {ENTRIES} entries, {} messages, 0 lost; pause {pauses}, \
         {} of them past {GOAL:?}; without swaps {usual}",
        answers.len(),
        pauses.longer_than(GOAL)
    );
}
