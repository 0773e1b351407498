//! Thousands of sockets, and swaps by the hundred: what a few sockets don't show. `.ci/sockets` runs it; it is not part of
//! `cargo test`.
//!
//! Each run prints its figures in a line. `WATERSPOUT_SWAPS` says how often to swap, `WATERSPOUT_BINARY` names another build
//! of the server.

mod beside;
mod bombs;
mod deaf;
mod half_open;
mod moves;
mod numbers;
mod pings;
mod room;
mod sigterm;
mod times;
mod told;
mod vanish;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use self::beside::Beside;
use self::numbers::{Load, Order};
use self::times::Times;
use crate::harness::{App, Running, Ws, guest, raise_descriptors};

/// How long memory may take to come back: allocators give back what nothing uses after seconds.
const REST: Duration = Duration::from_secs(12);

/// How often to swap, unless the environment says it.
fn swaps(usual: u32) -> u32 {
    let said = std::env::var("WATERSPOUT_SWAPS").ok();
    said.map_or(usual, |said| said.parse().expect("a number of swaps"))
}

/// An app with one guest, where thousands of clients have a place. `server` is what stands in `[server]`, `rules` what
/// stands in the table of the component.
async fn serve(name: &str, server: &str, rules: &str) -> Running {
    raise_descriptors();
    let file = format!("{name}.wasm");
    let config = format!(
        "[log]\nlevel = 'access=off,app=off'\n[server]\nmax_connections = 15000\n{server}\n\
         [component.{file:?}]\ninstances = 1\nmax_sockets = 15000\nmax_concurrent = 15000\n{rules}\n"
    );
    served(App::new().handler(&file, guest(name)).config(&config)).await
}

/// Serves with the build that the environment names.
async fn served(app: App) -> Running {
    let script = "exec \"${WATERSPOUT_BINARY:-$0}\" \"$@\"";
    match std::env::var_os("WATERSPOUT_BINARY").is_some_and(|name| !name.is_empty()) {
        true => app.through("sh", &["-c", script].map(str::to_owned)),
        false => app,
    }
    .serve()
    .await
}

/// Opens so many, some of them concurrently, each with the path of its number.
async fn connect_all(
    address: SocketAddr,
    count: usize,
    path: impl Fn(usize) -> String + Send + Sync + 'static,
) -> Vec<Ws> {
    const CONCURRENT: usize = 50;
    let path = Arc::new(path);
    let mut connects = JoinSet::new();
    for first in 0..CONCURRENT {
        let path = path.clone();
        connects.spawn(async move {
            let mut opened = Vec::new();
            for number in (first..count).step_by(CONCURRENT) {
                opened.push((number, Ws::connect(address, &path(number)).await));
            }
            opened
        });
    }
    let mut all: Vec<_> = connects.join_all().await.into_iter().flatten().collect();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, ws)| ws).collect()
}

/// The least memory in MiB that is held within a rest.
async fn at_rest(server: &Running) -> u64 {
    let end = tokio::time::Instant::now() + REST;
    let mut least = u64::MAX;
    while tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(200)).await;
        least = least.min(server.resident() / 1024);
    }
    least
}

/// Looks at the memory until this is over, and returns the most in MiB too.
async fn watching<F: Future>(server: &Running, work: F) -> (F::Output, u64) {
    let mut most = 0;
    let looks = async {
        loop {
            most = most.max(server.resident() / 1024);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let output = tokio::select! {
        output = work => output,
        () = looks => unreachable!(),
    };
    (output, most.max(server.resident() / 1024))
}

/// Waits until no version but the one that serves has anything.
async fn until_moved(server: &Running) {
    server
        .until(|status| {
            let all = status["components"].as_array().expect("a list").iter();
            all.filter(|entry| entry["state"] == "draining").count() == 0
        })
        .await;
}
