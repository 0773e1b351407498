//! `cargo bench`: what a request costs in each isolation, beside a native hyper server that does the same work,
//! and how long a swap takes. Prints Markdown; `docs/benchmark.md` says how to read it. Runs on Linux only.

mod load;
mod native;
mod report;
mod served;
mod swap;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use clap::Parser;

use load::Run;
use served::{App, Cores, Server};

/// Measures `hello` in each isolation against native hyper, and the time of a swap.
#[derive(Parser)]
#[command(name = "cargo bench --")]
struct Options {
    /// How many rounds count; each measures every server once
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// How long each server is measured in a round
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    seconds: u64,
    /// Keep-alive connections, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// Swaps of each kind, 2 at least; 0 leaves them out
    #[arg(long, value_name = "N", default_value_t = 10)]
    swaps: usize,
    /// The benchmark starts itself again as its native peer.
    #[arg(long, hide = true, value_name = "ADDR")]
    native: Option<SocketAddr>,
    /// Cargo says this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured: a name for the table, and the isolation where it is ours.
const SERVERS: [(&str, Option<&str>); 4] = [
    ("native hyper", None),
    ("shared", Some("shared")),
    ("exclusive", Some("exclusive")),
    ("fresh", Some("fresh")),
];

/// One run of each server, in the order of `SERVERS`.
type Round = Vec<Run>;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(address) = options.native {
        return native::serve(address);
    }
    let cores = Cores::choose()?;
    let hello = served::build("examples", "hello", &[])?;
    report::machine(&cores);
    if options.rounds > 0 {
        let (rounds, rejected) = rounds(&options, &cores, &hello)?;
        report::requests(&options, &rounds, rejected);
    }
    if options.swaps > 0 {
        let small = served::build("tests/guests/count", "count", &[STRIPPED])?;
        let swaps = [
            swap::measure("hello", &hello, "Hello, world", options.swaps)?,
            swap::measure("count", &small, "on_connection_close", options.swaps)?,
        ];
        report::swaps(&swaps);
    }
    Ok(())
}

/// Without the names of functions, `count` is about as large as the component that swaps are judged by.
const STRIPPED: (&str, &str) = ("CARGO_PROFILE_RELEASE_STRIP", "symbols");

/// Measures until enough rounds count, and tells how many did not.
fn rounds(options: &Options, cores: &Cores, hello: &Path) -> anyhow::Result<(Vec<Round>, usize)> {
    let app = App::new(&std::fs::read(hello)?)?;
    let mut rounds = Vec::new();
    let mut rejected = 0;
    while rounds.len() < options.rounds && rejected <= options.rounds {
        match round(options, cores, &app, rounds.len())? {
            Some(round) => rounds.push(round),
            None => rejected += 1,
        }
    }
    if rounds.is_empty() {
        bail!("no round counts: neither a server nor its client ever had a core to itself");
    }
    Ok((rounds, rejected))
}

/// Measures every server once. `None`: something else took the time of their cores.
fn round(
    options: &Options,
    cores: &Cores,
    app: &App,
    number: usize,
) -> anyhow::Result<Option<Round>> {
    let mut runs: [Option<Run>; SERVERS.len()] = Default::default();
    let mut first_answer = None;
    // Nobody is always first, or always after the same one.
    for place in 0..SERVERS.len() {
        let at = (place + number) % SERVERS.len();
        let (name, isolation) = SERVERS[at];
        eprint!("round {}: {name}:", number + 1);
        let Some(run) = undisturbed(options, cores, app, isolation)? else {
            eprintln!(" the cores were never theirs, the round is rejected");
            return Ok(None);
        };
        eprintln!(" {:.0} requests/s", run.per_second);
        let first = first_answer.get_or_insert_with(|| run.answer.clone());
        if *first != run.answer {
            bail!("not the same work:\n{first}\n{}", run.answer);
        }
        runs[at] = Some(run);
    }
    Ok(runs.into_iter().collect())
}

/// Measures a server, started for this alone, until it or its client had a core to itself: a few times at most.
fn undisturbed(
    options: &Options,
    cores: &Cores,
    app: &App,
    isolation: Option<&str>,
) -> anyhow::Result<Option<Run>> {
    const ATTEMPTS: usize = 5;
    const SATURATED: f64 = 0.95;
    for _ in 0..ATTEMPTS {
        let server = match isolation {
            Some(isolation) => app.serve(isolation, Some(cores.server))?,
            None => Server::native(cores.server)?,
        };
        let time = Duration::from_secs(options.seconds);
        let run = load::run(&server, cores.client, options.connections, time)?;
        if run.server.max(run.client) >= SATURATED {
            return Ok(Some(run));
        }
        let (server, client) = (run.server * 100.0, run.client * 100.0);
        eprint!(" (disturbed: server {server:.0} %, client {client:.0} %)");
    }
    Ok(None)
}
