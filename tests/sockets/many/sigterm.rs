//! The end of a server with a thousand sockets that carry messages.

use std::time::{Duration, Instant};

use super::{Load, serve};
use crate::harness::soon;

const SOCKETS: usize = 1000;
const GRACE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/sockets"]
async fn sigterm_tells_a_thousand_sockets_that_carry_messages() {
    let grace = format!("grace = \"{}s\"", GRACE.as_secs());
    let mut server = serve("sockets", &grace, "").await;
    let answer = |number: u64| number.to_string();
    let load = Load::start(server.address, SOCKETS, "/echo", answer).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    server.signal("TERM");
    let all = soon(load.ended()).await;
    let told = began.elapsed();
    let status = server.ended().await;
    let ended = began.elapsed();
    let heard: u64 = all.iter().map(|seen| seen.heard).sum();
    println!(
        "sigterm: {SOCKETS} sockets, {heard} answers in order, all told 1001 in {:.2} s, exit {:?} in {:.2} s",
        told.as_secs_f64(),
        status.code(),
        ended.as_secs_f64()
    );
    assert!(all.iter().all(|seen| seen.closed == Some(1001)));
    assert_eq!(status.code(), Some(0), "{}", server.log.text());
    assert!(ended < GRACE, "{ended:?}");
}
