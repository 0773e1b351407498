//! Clients whose messages carry numbers, each at a steady rate: what is lost, doubled or out of order shows.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Times, connect_all};
use crate::harness::Ws;
use crate::harness::websocket::{CLOSE, TEXT};

/// Of each client.
pub const EVERY: Duration = Duration::from_millis(200);

/// What clients are to do.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Order {
    Send,
    /// Wait for what is under way, and stay open.
    Rest,
    /// The same, and then close.
    End,
}

/// What one socket has seen, from its opening to its end.
#[derive(Default)]
pub struct Seen {
    pub sent: u64,
    pub heard: u64,
    /// From each message to its answer.
    pub times: Times,
    pub first_answer: Option<Instant>,
    /// The code, where the server has closed it.
    pub closed: Option<u16>,
}

/// Many such clients, until one is told to close its socket or is closed.
pub struct Load {
    clients: JoinSet<Seen>,
    pub orders: watch::Sender<Order>,
}

impl Load {
    /// Opens so many. `answer`: what the server says to the message that is this number.
    pub async fn start(
        address: SocketAddr,
        count: usize,
        path: &'static str,
        answer: fn(u64) -> String,
    ) -> Self {
        let orders = watch::Sender::new(Order::Send);
        let mut clients = JoinSet::new();
        let all = connect_all(address, count, move |_| path.to_owned()).await;
        for (number, ws) in all.into_iter().enumerate() {
            let mut orders = orders.subscribe();
            let mut due = first_due(number, count);
            clients.spawn(async move { converse(ws, answer, &mut due, &mut orders).await });
        }
        Self { clients, orders }
    }

    /// Waits for the end of all.
    pub async fn ended(self) -> Vec<Seen> {
        self.clients.join_all().await
    }
}

/// When a client sends first, so that they don't all send at the same moment.
pub fn first_due(number: usize, count: usize) -> Instant {
    Instant::now() + EVERY.mul_f64(number as f64 / count as f64)
}

/// Sends numbers when they are due, whether or not the ones before were answered, and expects each answer in its order.
pub async fn converse(
    mut ws: Ws,
    answer: fn(u64) -> String,
    due: &mut Instant,
    orders: &mut watch::Receiver<Order>,
) -> Seen {
    let mut seen = Seen::default();
    let mut under_way = VecDeque::new();
    loop {
        let order = *orders.borrow_and_update();
        if order == Order::End && under_way.is_empty() {
            ws.send_close(1000, "").await;
            ws.expect_close(1000).await;
            return seen;
        }
        tokio::select! {
            _ = orders.changed() => {}
            () = tokio::time::sleep_until(*due), if order == Order::Send => {
                seen.sent += 1;
                under_way.push_back(Instant::now());
                ws.send_text(&seen.sent.to_string()).await;
                *due = (*due + EVERY).max(Instant::now());
            }
            frame = ws.next(), if order == Order::Send || !under_way.is_empty() => {
                if frame.opcode == CLOSE {
                    let code = *frame.payload.first_chunk().expect("a code");
                    seen.closed = Some(u16::from_be_bytes(code));
                    ws.send_close(seen.closed, "").await;
                    // Exactly one, and nothing behind it.
                    assert_eq!(ws.rest().await, b"");
                    return seen;
                }
                seen.heard += 1;
                let text = String::from_utf8(frame.payload).expect("a text");
                assert_eq!((frame.opcode, text), (TEXT, answer(seen.heard)));
                let sent = under_way.pop_front().expect("an answer to a message");
                seen.times.add(sent.elapsed());
                seen.first_answer.get_or_insert_with(Instant::now);
            }
        }
    }
}
