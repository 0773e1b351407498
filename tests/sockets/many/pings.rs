//! Clients that send pings as fast as they can.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{Beside, connect_all, serve, watching};
use crate::harness::websocket::{PING, frame};

const CLIENTS: usize = 100;
const LASTS: Duration = Duration::from_secs(10);

/// How many pongs this one has read; one that reads none is held up by what it does not read.
async fn flood(mut stream: TcpStream, reads: bool) -> usize {
    let pings = frame(true, 0, PING, &[b'p'; 125], true).repeat(100);
    let pong = frame(true, 0, PING, &[b'p'; 125], false).len();
    let (mut from, mut to) = stream.split();
    let writes = async { while to.write_all(&pings).await.is_ok() {} };
    let mut heard = 0;
    let mut bytes = vec![0; 1 << 16];
    let hears = async {
        if !reads {
            return std::future::pending().await;
        }
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            heard += read;
        }
    };
    let _ = timeout(LASTS, async { tokio::join!(writes, hears) }).await;
    heard / pong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn pings_without_end_disturb_no_other_socket() {
    for reads in [true, false] {
        let server = serve("sockets", "write_timeout = \"5s\"", "").await;
        let beside = Beside::start(server.address);
        let all = connect_all(server.address, CLIENTS, |_| "/echo".to_owned()).await;
        let before = server.vitals();
        let clients = all.into_iter().map(|ws| flood(ws.stream, reads));
        let clients: JoinSet<usize> = clients.collect();
        let began = Instant::now();
        let (counts, most) = watching(&server, clients.join_all()).await;
        let seen = beside.end();
        println!(
            "pings: {CLIENTS} clients that read: {reads}, {:.0} pongs/s; MB before {}, most {most}; {seen}",
            counts.iter().sum::<usize>() as f64 / began.elapsed().as_secs_f64(),
            before.mib
        );
        assert!(most < before.mib + 64, "{most} MiB");
        server.until_as_before(before, 32).await;
    }
}
