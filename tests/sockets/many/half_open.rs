//! Handshakes that never end, and one that is endless.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Beside, Times, serve, watching};
use crate::harness::websocket::handshake;
use crate::harness::{LONG, Running};

const CLIENTS: usize = 10_000;

/// How long a head may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

async fn serve_with_beside() -> (Running, Beside) {
    let timeout = format!("header_timeout = \"{}s\"", HEADER_TIMEOUT.as_secs());
    let server = serve("sockets", &timeout, "").await;
    let beside = Beside::start(server.address);
    tokio::time::sleep(Duration::from_secs(1)).await;
    (server, beside)
}

/// Sends the first half of a handshake, and returns how long it is waited for.
async fn half(address: SocketAddr) -> Duration {
    let mut stream = TcpStream::connect(address).await.expect("a place");
    let head = handshake("/echo", &[]);
    let (half, _) = head.split_at(head.len() / 2);
    let began = Instant::now();
    stream
        .write_all(half.as_bytes())
        .await
        .expect("half a head");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(HEADER_TIMEOUT + LONG, read).await;
    // Cut off, by an end or a reset.
    let _ = read.expect("it is cut");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn ten_thousand_handshakes_without_an_end_are_cut_in_time() {
    let (server, beside) = serve_with_beside().await;
    let before = server.vitals();
    let mut clients: JoinSet<_> = (0..CLIENTS).map(|_| half(server.address)).collect();
    let waits = async {
        let mut times = Times::default();
        while let Some(time) = clients.join_next().await {
            times.add(time.expect("a client"));
        }
        times
    };
    let (times, most) = watching(&server, waits).await;
    let seen = beside.end();
    println!(
        "half_open: {CLIENTS} clients, cut after {:.1} s and more, {times}; MB before {}, most {most}; {seen}",
        times.shortest().as_secs_f64(),
        before.mib
    );
    assert!(times.shortest() >= HEADER_TIMEOUT - Duration::from_millis(100));
    assert!(times.longest() < HEADER_TIMEOUT + Duration::from_secs(10));
    assert!(most < before.mib + 400, "{most} MiB");
    server.until_as_before(before, 32).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn half_open_beside_a_head_of_100_000_lines() {
    let (server, beside) = serve_with_beside().await;
    let before = server.vitals();
    let lines: Vec<String> = (0..100_000)
        .map(|number| format!("X-{number}: y"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let head = handshake("/echo", &lines);
    let asks = async {
        let stream = TcpStream::connect(server.address).await.expect("a place");
        let (mut reads, mut writes) = stream.into_split();
        let began = Instant::now();
        let mut answer = [0; 1000];
        // It need not take all of it.
        let (_, read) = tokio::join!(writes.write_all(head.as_bytes()), reads.read(&mut answer));
        let read = read.expect("an answer");
        (
            String::from_utf8_lossy(&answer[..read]).into_owned(),
            began.elapsed(),
        )
    };
    let ((answer, time), most) = watching(&server, asks).await;
    let seen = beside.end();
    println!(
        "half_open: a head of {} bytes, {:?} after {time:.1?}; MB before {}, most {most}; {seen}",
        head.len(),
        answer.lines().next(),
        before.mib
    );
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(time < HEADER_TIMEOUT, "{time:?}");
    assert!(most < before.mib + 32, "{most} MiB");
}
