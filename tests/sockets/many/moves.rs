//! Sockets that go from version to version while they carry messages both ways.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::{Load, Order, Times, at_rest, serve, swaps, until_moved};
use crate::harness::{Running, guest, renumbered, soon};

const SOCKETS: usize = 1000;
const FILE: &str = "suspends.wasm";

/// So that messages come before, while and after sockets move.
const EVERY_SWAP: Duration = Duration::from_secs(1);

/// Memory with all sockets open and no message under way.
async fn rest(server: &Running, load: &Load) -> u64 {
    load.orders.send_replace(Order::Rest);
    until_moved(server).await;
    let mib = at_rest(server).await;
    load.orders.send_replace(Order::Send);
    mib
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn a_thousand_sockets_lose_nothing_in_a_hundred_swaps() {
    let swaps = swaps(100);
    let server = serve("suspends", "", "").await;
    // The guest counts the messages of a socket: its number comes back beside ours.
    let answer = |number| format!("v1 {number} {number}");
    let load = Load::start(server.address, SOCKETS, "/suspends/a", answer).await;
    let mut memory = Vec::new();
    let (mut served, mut moved) = (Times::default(), Times::default());
    let mut due = interval(EVERY_SWAP);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 1..=swaps {
        due.tick().await;
        let bytes = renumbered(guest("suspends"), (number % 256) as u8);
        let began = Instant::now();
        server.app.replace(FILE, &bytes);
        server.until_serving(FILE, &bytes).await;
        served.add(began.elapsed());
        let began = Instant::now();
        until_moved(&server).await;
        moved.add(began.elapsed());
        if number == swaps.div_ceil(3) || number == swaps {
            memory.push(rest(&server, &load).await);
        }
    }
    assert_eq!(server.component(FILE).await["sockets"], SOCKETS);
    load.orders.send_replace(Order::End);
    let (mut sent, mut heard, mut times) = (0, 0, Times::default());
    for seen in soon(load.ended()).await {
        assert_eq!((seen.closed, seen.heard), (None, seen.sent));
        (sent, heard) = (sent + seen.sent, heard + seen.heard);
        times.extend([seen.times]);
    }
    let [third, last] = memory[..] else {
        panic!("{memory:?}")
    };
    println!(
        "moves: {SOCKETS} sockets, {swaps} swaps, {sent} messages, {heard} answers in order, 0 closed, \
         {times}; new code serves after {served}, all have moved after {moved} more; MB at rest after a third {third}, at the end {last}"
    );
    assert!(last < third + third / 10 + 32, "{third}, then {last} MiB");
    super::super::until_open(&server, FILE, 0).await;
    assert_eq!(server.component(FILE).await["traps"], 0);
}
