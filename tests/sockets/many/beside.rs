//! A socket and a request beside thousands of others, which must not notice them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use super::Times;
use crate::harness::{Client, Ws};

/// Messages and requests under way, on a thread of their own: the clients of the test would hold them up.
pub struct Beside {
    thread: JoinHandle<[Times; 2]>,
    is_over: Arc<AtomicBool>,
}

const PAUSE: Duration = Duration::from_millis(20);

/// Longer than an answer may take, whatever the machine is doing.
const UNDISTURBED: Duration = Duration::from_secs(5);

impl Beside {
    /// Of the guest `sockets`.
    pub fn start(address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (socket, requests) =
                    tokio::join!(socket(address, &over), requests(address, &over));
                [socket, requests]
            })
        });
        Self { thread, is_over }
    }

    /// What they saw, in words. Panics where one of them was disturbed.
    pub fn end(self) -> String {
        self.is_over.store(true, SeqCst);
        let [socket, requests] = self
            .thread
            .join()
            .expect("a socket and requests that go on");
        let longest = socket.longest().max(requests.longest());
        assert!(longest < UNDISTURBED, "{longest:?}");
        format!("beside: socket {socket}, request {requests}")
    }
}

async fn socket(address: SocketAddr, is_over: &AtomicBool) -> Times {
    let mut ws = Ws::connect(address, "/echo").await;
    let mut times = Times::default();
    while !is_over.load(SeqCst) {
        tokio::time::sleep(PAUSE).await;
        let began = Instant::now();
        let text = times.len().to_string();
        ws.send_text(&text).await;
        ws.expect_text(&text).await;
        times.add(began.elapsed());
    }
    times
}

async fn requests(address: SocketAddr, is_over: &AtomicBool) -> Times {
    let mut client = Client::connect(address).await;
    let mut times = Times::default();
    while !is_over.load(SeqCst) {
        tokio::time::sleep(PAUSE).await;
        let began = Instant::now();
        // A page that is a handshake without its headers.
        assert_eq!(client.get("/guarded").await.status, 400);
        times.add(began.elapsed());
    }
    times
}
