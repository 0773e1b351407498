//! Thousands of streams: what a few don't show. `.ci/sockets` runs it; it is not part of `cargo test`. Each run prints its
//! figures in a line.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::{FILE, LINES, Lines, app, place};
use crate::harness::{Running, guest, raise_descriptors, renumbered, soon};

async fn serve(keys: &str) -> Running {
    raise_descriptors();
    let config = format!("[log]\nlevel = 'access=off'\n[server]\nmax_connections = 15000\n{LINES}");
    let keys = format!("max_streams = 15000\n{keys}");
    app(&config, &keys).serve().await
}

/// Opens so many, some of them concurrently, each after one answer.
async fn open(server: &Running, count: usize) -> Vec<Lines> {
    const CONCURRENT: usize = 50;
    let address = place(server, 1, "Lines").await;
    let mut opening = JoinSet::new();
    for first in 0..CONCURRENT {
        opening.spawn(async move {
            let mut opened = Vec::new();
            for _ in (first..count).step_by(CONCURRENT) {
                let mut stream = Lines::connect(address).await;
                assert_eq!(stream.ask("hello").await, "You sent: hello");
                opened.push(stream);
            }
            opened
        });
    }
    opening.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn ten_thousand_clients_that_vanish_in_mid_read_leave_nothing() {
    const CLIENTS: usize = 10_000;
    let server = serve("").await;
    let mut rest = Vec::new();
    for round in 1..=3 {
        let mut streams = open(&server, CLIENTS).await;
        for (number, stream) in streams.iter_mut().enumerate() {
            let begin = stream.0.write_all(b"the beginning of a line").await;
            begin.and(stream.0.flush().await).expect("written");
            if number % 2 == 1 {
                let socket = socket2::SockRef::from(stream.socket());
                socket.set_linger(Some(Duration::ZERO)).expect("an option");
            }
        }
        let open = server.resident() >> 10;
        drop(streams);
        server.until_now(&format!("0 of {}", round * CLIENTS)).await;
        tokio::time::sleep(Duration::from_secs(12)).await;
        rest.push((open, server.resident() >> 10));
    }
    println!(
        "vanish: {CLIENTS} streams three times, MiB while they are open and at rest: {rest:?}"
    );
    assert_eq!(server.component(FILE).await["streams"], 0);
    let [first, .., last] = &rest[..] else {
        panic!("three rounds")
    };
    assert!(last.1 < first.1 + 16, "{rest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn a_swap_with_a_thousand_streams_cuts_none_before_its_time() {
    const STREAMS: usize = 1000;
    const DRAIN: Duration = Duration::from_secs(5);
    let server = serve("drain_deadline = '5s'").await;
    let streams = open(&server, STREAMS).await;
    let mut talking = JoinSet::new();
    for mut stream in streams {
        talking.spawn(async move {
            let mut answers = 0_u64;
            loop {
                let asked = Instant::now();
                stream.say("still").await;
                match stream.line().await.as_str() {
                    "You sent: still" => answers += 1,
                    "" => return (asked, answers),
                    other => panic!("{other}"),
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let swapped = Instant::now();
    let next = renumbered(guest("tcp_server"), 1);
    server.app.replace(FILE, &next);
    server.until_serving(FILE, &next).await;
    let took = swapped.elapsed();
    let late = open(&server, STREAMS).await;
    let ended = soon(talking.join_all()).await;
    let first = ended
        .iter()
        .map(|(at, _)| *at - swapped)
        .min()
        .expect("some");
    let last = ended
        .iter()
        .map(|(at, _)| *at - swapped)
        .max()
        .expect("some");
    let answers: u64 = ended.iter().map(|(_, answers)| answers).sum();
    println!(
        "swap: {STREAMS} streams, {answers} answers, swapped in {took:?}, the first ended {first:?} after that, the last {last:?}"
    );
    assert!(first >= DRAIN - Duration::from_millis(200), "{first:?}");
    assert!(last < DRAIN + Duration::from_secs(5), "{last:?}");
    for mut stream in late {
        assert_eq!(stream.ask("hello").await, "You sent: hello");
    }
}
