//! Messages that are a thousand times as large as what is sent of them.

use flate2::{Compress, Compression, FlushCompress};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::{FILE, until_open};
use super::{Beside, Times, serve, watching};
use crate::harness::Ws;
use crate::harness::websocket::{BINARY, RSV1, frame};

const CLIENTS: usize = 100;
const TIMES: usize = 5;
const LENGTH: usize = 100 << 20;

/// One message of zeros, in one frame.
fn bomb() -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(LENGTH / 500);
    let zeros = vec![0; LENGTH];
    let flush = FlushCompress::Sync;
    compress
        .compress_vec(&zeros, &mut out, flush)
        .expect("room");
    assert_eq!(compress.total_in(), LENGTH as u64);
    // As RFC 7692 has it.
    assert!(out.ends_with(b"\0\0\xff\xff"));
    out.truncate(out.len() - 4);
    frame(true, RSV1, BINARY, &out, true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn bombs_are_refused_and_disturb_no_other_socket() {
    let server = serve("sockets", "", "").await;
    let bomb: std::sync::Arc<[u8]> = bomb().into();
    let beside = Beside::start(server.address);
    let before = server.vitals();
    let address = server.address;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let bomb = bomb.clone();
        clients.spawn(async move {
            let mut times = Times::default();
            for _ in 0..TIMES {
                let offer = "Sec-WebSocket-Extensions: permessage-deflate";
                let mut ws = Ws::connect_with(address, "/echo?deflate=1", &[offer]).await;
                let began = Instant::now();
                ws.send(&bomb).await;
                ws.expect_close(1009).await;
                times.add(began.elapsed());
            }
            times
        });
    }
    let (all, most) = watching(&server, clients.join_all()).await;
    let mut times = Times::default();
    times.extend(all);
    let seen = beside.end();
    println!(
        "bombs: {} of {} bytes that are {LENGTH}, each 1009, {times}; MB before {}, most {most}; {seen}",
        times.len(),
        bomb.len(),
        before.mib
    );
    assert!(most < before.mib + 400, "{most} MiB");
    until_open(&server, FILE, 0).await;
    server.until_as_before(before, 32).await;
}
