//! Sockets that can't go to the next version: each is told, once for each swap, and is served when it comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::numbers::{converse, first_due};
use super::{Order, Times, connect_all, serve, swaps, until_moved};
use crate::harness::{Ws, guest, renumbered, soon};

const SOCKETS: usize = 1000;
const FILE: &str = "sockets.wasm";

/// What one client has seen.
#[derive(Default)]
struct Client {
    told: u32,
    heard: u64,
    /// Messages that were under way when the server closed.
    unanswered: u64,
    /// From each 1012 to the first answer over the next connection.
    back: Times,
}

async fn client(
    address: SocketAddr,
    mut ws: Ws,
    mut due: Instant,
    mut orders: watch::Receiver<Order>,
    told: Arc<AtomicU32>,
) -> Client {
    let mut client = Client::default();
    let mut closed: Option<Instant> = None;
    loop {
        let seen = converse(ws, |number| number.to_string(), &mut due, &mut orders).await;
        client.heard += seen.heard;
        client.unanswered += seen.sent - seen.heard;
        if let (Some(closed), Some(answer)) = (closed, seen.first_answer) {
            client.back.add(answer - closed);
        }
        if seen.closed.is_none() {
            return client;
        }
        assert_eq!(seen.closed, Some(1012));
        closed = Some(Instant::now());
        client.told += 1;
        ws = Ws::connect(address, "/echo").await;
        due = Instant::now();
        told.fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn a_thousand_clients_are_told_once_in_each_of_a_hundred_swaps() {
    let swaps = swaps(100);
    let server = serve("sockets", "", "drain_deadline = \"500ms\"").await;
    let address = server.address;
    let orders = watch::Sender::new(Order::Send);
    let told = Arc::new(AtomicU32::new(0));
    let mut clients = JoinSet::new();
    let all = connect_all(address, SOCKETS, |_| "/echo".to_owned()).await;
    for (number, ws) in all.into_iter().enumerate() {
        let due = first_due(number, SOCKETS);
        clients.spawn(client(address, ws, due, orders.subscribe(), told.clone()));
    }
    for number in 1..=swaps {
        let bytes = renumbered(guest("sockets"), (number % 256) as u8);
        server.app.replace(FILE, &bytes);
        server.until_serving(FILE, &bytes).await;
        let all = SOCKETS as u32 * number;
        soon(async {
            while told.load(SeqCst) < all {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        until_moved(&server).await;
        assert_eq!(told.load(SeqCst), all, "none is told twice");
    }
    // Until the last of them are served.
    tokio::time::sleep(Duration::from_secs(1)).await;
    orders.send_replace(Order::End);
    let (mut heard, mut unanswered, mut back) = (0, 0, Times::default());
    for client in soon(clients.join_all()).await {
        assert_eq!((client.told, client.back.len()), (swaps, swaps as usize));
        (heard, unanswered) = (heard + client.heard, unanswered + client.unanswered);
        back.extend([client.back]);
    }
    println!(
        "told: {SOCKETS} sockets, {swaps} swaps, {} times 1012, {heard} answers in order, {unanswered} under way at a close, \
         back after {back}",
        told.load(SeqCst)
    );
    assert_eq!(server.component(FILE).await["traps"], 0);
}
