//! The effect of swaps on others: the latencies of a component that is not swapped, while another one of the same app
//! is swapped ten times a second between two versions whose compiled code is in the cache.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::app::{App, place};
use crate::load::{self, Load, Run};
use crate::process::{Cores, on_core};
use crate::questions::Questions;
use crate::runs::Plan;
use crate::served::Server;
use crate::versions::{Versions, get, until_answer_has};
use crate::workload::Workload;

const SWAPPED: &str = "swapped.wasm";

/// From one swap to the next.
const PERIOD: Duration = Duration::from_millis(100);

/// The runs without and with swaps, in pairs.
pub struct Tails {
    /// Without swaps.
    pub calm: Vec<Run>,
    /// With swaps.
    pub swapped: Vec<Run>,
    /// How many swaps each second of each run with swaps had, as seen in answers.
    pub swaps: Vec<f64>,
    /// How many rounds were disturbed.
    pub rejected: usize,
    /// The size of the swapped component in bytes.
    pub size: usize,
}

/// Measures a run of each kind in each round, one after the other, on a new server in each round.
///
/// The client spins, so a client that did not have all of its core was disturbed. Then both runs are made again, in no
/// more than twice as many rounds as are wanted.
pub fn measure(
    healthy: &[u8],
    versions: &Versions,
    load: Load,
    plan: &Plan,
) -> anyhow::Result<Tails> {
    let mut app = App::new()?;
    app.add("healthy.wasm", Workload::Get.path(), healthy)?;
    app.add(SWAPPED, "/swapped", &versions.component(0))?;
    let mut tails = Tails {
        calm: Vec::new(),
        swapped: Vec::new(),
        swaps: Vec::new(),
        rejected: 0,
        size: versions.size(),
    };
    // The first start compiles, so that the measured ones find the code in the cache.
    app.serve("shared", None)?;
    for round in 0..plan.rounds * 2 {
        if tails.calm.len() == plan.rounds {
            break;
        }
        let server = app.serve("shared", Some(&[plan.cores.server]))?;
        for version in [1, 0] {
            app.replace(SWAPPED, &versions.component(version))?;
            until_answer_has(&versions.text(version), server.address, "/swapped")?;
        }
        let run = |swapping| run(&app, versions, &server, load, plan.cores, swapping);
        let ((calm, _), (swapped, swaps)) = if round % 2 == 0 {
            let swapped = run(true)?;
            (run(false)?, swapped)
        } else {
            (run(false)?, run(true)?)
        };
        let (with, without) = (swapped.p99, calm.p99);
        eprint!(
            "tail, round {}: p99 {with:.0} µs, without swaps {without:.0} µs",
            round + 1
        );
        if calm.client.min(swapped.client) < plan.saturated {
            eprintln!(", disturbed");
            tails.rejected += 1;
            continue;
        }
        eprintln!();
        tails.calm.push(calm);
        tails.swapped.push(swapped);
        tails.swaps.push(swaps);
    }
    Ok(tails)
}

/// One run, and how many swaps each second of it had.
fn run(
    app: &App,
    versions: &Versions,
    server: &Server,
    load: Load,
    cores: Cores,
    swapping: bool,
) -> anyhow::Result<(Run, f64)> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            on_core(cores.client, || {
                swap(app, versions, server.address, swapping, &over)
            })
        });
        let questions = Questions::of(server, Workload::Get);
        let run =
            questions.and_then(|questions| load::run(server, &[cores.client], &questions, load));
        over.store(true, Ordering::Relaxed);
        let swaps = swapper.join();
        let swaps = swaps.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((run?, swaps?))
    })
}

/// Puts a version in its place at each period, and checks often which one answers. Returns how often in a second that
/// changed. Without swaps it does the same in a folder that is not watched, so that the client's core has the same
/// work.
fn swap(
    app: &App,
    versions: &Versions,
    address: SocketAddr,
    swapping: bool,
    over: &AtomicBool,
) -> anyhow::Result<f64> {
    const LOOK: Duration = Duration::from_millis(10);
    let components = [versions.component(0), versions.component(1)];
    let decoy = tempfile::tempdir()?;
    let (beside, aside) = (decoy.path().join("new"), decoy.path().join(SWAPPED));
    let current = |answer: &str| usize::from(answer.contains(&versions.text(1)));
    let mut last = current(&get(address, "/swapped")?);
    let (mut placed, mut changes) = (last, 0);
    let began = Instant::now();
    let mut next = began;
    while !over.load(Ordering::Relaxed) {
        if Instant::now() >= next {
            next += PERIOD;
            placed += 1;
            let component = &components[placed % 2];
            match swapping {
                true => app.replace(SWAPPED, component)?,
                false => place(component, &beside, &aside)?,
            };
        }
        let answer = get(address, "/swapped")?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "wrong: {answer:?}");
        let version = current(&answer);
        changes += u32::from(version != last);
        last = version;
        std::thread::sleep(LOOK);
    }
    Ok(f64::from(changes) / began.elapsed().as_secs_f64())
}
