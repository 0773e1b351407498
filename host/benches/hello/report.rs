//! What the benchmark prints: Markdown, ready for a page that names the machine.

use std::fmt;
use std::fs;
use std::process::Command;

use crate::load::Run;
use crate::served::{Cores, ROOT};
use crate::swap::Swaps;
use crate::{Options, Round, SERVERS};

/// Where and with what it was measured.
pub fn machine(cores: &Cores) {
    let model = read("/proc/cpuinfo");
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let machine = if read("/proc/cpuinfo").contains(" hypervisor") {
        "virtual machine"
    } else {
        "machine"
    };
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "Measured on a {machine} with {count} cores ({model}), Linux {}; waterspout {} on wasmtime {}, hyper {} and \
         tokio {}, {}.",
        read("/proc/sys/kernel/osrelease").trim(),
        env!("CARGO_PKG_VERSION"),
        locked("wasmtime"),
        locked("hyper"),
        locked("tokio"),
        rustc()
    );
    if cores.server == cores.client {
        println!(
            "**There is only one core: server and client share it, so requests/s and latencies say little.**"
        );
    } else {
        println!(
            "Server on core {}, client on core {}.",
            cores.server, cores.client
        );
    }
}

/// The table of what requests cost.
pub fn requests(options: &Options, rounds: &[Round], rejected: usize) {
    println!(
        "\n### hello: GET /, {} keep-alive connections\n\n\
         Median (min..max) of {} rounds of {} s each ({} were wanted); {rejected} more were rejected: neither side had its\n\
         core.\n\
         Ratios are taken within each round. Where the client's core is the one that is full, requests/s is the\n\
         client's limit: then only the ratio per CPU time counts.\n",
        options.connections,
        rounds.len(),
        options.seconds,
        options.rounds
    );
    println!(
        "| server | requests/s | ÷ native | CPU µs/request | requests per CPU time ÷ native | p50 µs | p99 µs \
         | core used: server, client |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (at, (name, _)) in SERVERS.iter().enumerate() {
        // The native peer is the first of each round.
        let over = |value: fn(&Run, &Run) -> f64| {
            Spread(
                rounds
                    .iter()
                    .map(|round| value(&round[at], &round[0]))
                    .collect(),
            )
        };
        println!(
            "| {name} | {:.0} | {:.2} | {:.1} | {:.2} | {:.0} | {:.0} | {:.0} %, {:.0} % |",
            over(|run, _| run.per_second),
            over(|run, native| run.per_second / native.per_second),
            over(|run, _| run.cpu),
            over(|run, native| native.cpu / run.cpu),
            over(|run, _| run.p50),
            over(|run, _| run.p99),
            over(|run, _| run.server * 100.0).median(),
            over(|run, _| run.client * 100.0).median(),
        );
    }
}

/// The table of what swaps take.
pub fn swaps(swaps: &[Swaps]) {
    let count = swaps.first().map_or(0, |swap| swap.cold.len());
    println!(
        "\n### Swap: rename to first new answer\n\n\
         Median (min..max) of {count} swaps, in milliseconds; shared, on all cores, with one client that asks a few\n\
         times per millisecond. Cold: a version never seen. Cached: its compiled code is on disk.\n"
    );
    println!("| component | size | cold cache | cached |");
    println!("|---|---|---|---|");
    for swap in swaps {
        println!(
            "| {} | {} KB | {:.1} | {:.1} |",
            swap.name,
            swap.size / 1000,
            Spread(swap.cold.clone()),
            Spread(swap.cached.clone())
        );
    }
}

/// Shown as median and range.
struct Spread(Vec<f64>);

impl Spread {
    fn sorted(&self) -> Vec<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self) -> f64 {
        let values = self.sorted();
        let middle = values.len() / 2;
        match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        let values = self.sorted();
        let (least, most) = (values[0], values[values.len() - 1]);
        write!(
            f,
            "{:.digits$} ({least:.digits$}..{most:.digits$})",
            self.median()
        )
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The version of a dependency that this was built with.
fn locked(name: &str) -> &'static str {
    const LOCK: &str = include_str!("../../../Cargo.lock");
    let entry = format!("name = \"{name}\"\nversion = \"");
    LOCK.split_once(&entry)
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("unknown")
}

fn rustc() -> String {
    let said = Command::new("rustc")
        .arg("--version")
        .current_dir(ROOT)
        .output();
    said.map_or("rustc unknown".to_owned(), |said| {
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    })
}
