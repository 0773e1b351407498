//! Clients that never read, of a topic on which much is said.

use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use super::super::{FILE, publish, until_open};
use super::{Beside, serve, watching};
use crate::harness::{Running, Ws};

const CLIENTS: usize = 1000;
const TIMES: u32 = 500;
const LENGTH: usize = 32 * 1024;

/// What may wait for one of them, in KB.
const UNSENT_KIB: u64 = 128;

/// One whose system takes little for it.
async fn deaf(server: &Running) -> Ws {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    let stream = socket.connect(server.address).await.expect("a place");
    Ws::over(stream, "/topic/a", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn never_reads_a_thousand_of_them() {
    let server = serve(
        "sockets",
        "write_timeout = \"5s\"",
        &format!("max_socket_unsent = \"{UNSENT_KIB}KB\""),
    )
    .await;
    let beside = Beside::start(server.address);
    let mut all = Vec::new();
    for _ in 0..CLIENTS {
        all.push(deaf(&server).await);
    }
    while publish(&server, "a", "go").await != CLIENTS {}
    let before = server.vitals();
    let text = "x".repeat(LENGTH);
    let says = async {
        for _ in 0..TIMES / 10 {
            let answer = server.request("POST /publish/a?times=10", "", &text).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let began = Instant::now();
        // All of them are cut.
        until_open(&server, FILE, 1).await;
        began.elapsed()
    };
    let (cut, most) = watching(&server, says).await;
    let seen = beside.end();
    println!(
        "never_reads: {CLIENTS} clients, {TIMES} messages of {} KB to each, all cut {:.1} s after the last; \
         MB before {}, most {most}; {seen}",
        LENGTH / 1024,
        cut.as_secs_f64(),
        before.mib
    );
    let bound = before.mib + CLIENTS as u64 * UNSENT_KIB / 1024 + 64;
    assert!(most < bound, "{most} MiB");
    assert!(cut < Duration::from_secs(20), "{cut:?}");
    drop(all);
}
