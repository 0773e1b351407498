//! The machine and the versions with which it was measured.

use std::fs;
use std::process::Command;

use crate::peers::{Peer, Peers};
use crate::process::Cores;
use crate::served::ROOT;

/// The machine, its system, and all versions.
pub fn describe(cores: &Cores, peers: &Peers) -> String {
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let kind = if cpuinfo.contains(" hypervisor") {
        "virtual machine"
    } else {
        "machine"
    };
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    let place = if cores.server == cores.client {
        "**There is only one core: server and client share it, so requests/s and latencies say little.**"
            .to_owned()
    } else {
        format!(
            "server on core {}, client on core {}",
            cores.server, cores.client
        )
    };
    let mut rows = vec![
        (
            "machine",
            format!(
                "{kind} with {count} cores ({model}), {} of memory",
                memory()
            ),
        ),
        (
            "system",
            format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        ),
        ("cores used", place),
        ("compiler", rustc()),
        (
            "ours",
            format!(
                "waterspout {}{} on wasmtime {}, hyper {}, tokio {}",
                env!("CARGO_PKG_VERSION"),
                commit(),
                locked("wasmtime"),
                locked("hyper"),
                locked("tokio")
            ),
        ),
        (
            "native peer",
            format!(
                "hyper {}, tokio {}; of WebSockets, sockudo-ws {}",
                locked("hyper"),
                locked("tokio"),
                locked("sockudo-ws")
            ),
        ),
    ];
    for (name, peer) in [
        ("`wasmtime serve`", Peer::Wasmtime),
        ("Tornado", Peer::Tornado),
    ] {
        let version = match peers.version(peer) {
            Ok(version) => version.to_owned(),
            Err(reason) => format!("**left out: {reason}**"),
        };
        rows.push((name, version));
    }
    let rows = rows
        .iter()
        .map(|(name, value)| format!("| {name} | {value} |\n"));
    format!(
        "| measured with | |\n|---|---|\n{}",
        rows.collect::<String>()
    )
}

fn memory() -> String {
    let total = read("/proc/meminfo");
    let kilobytes = total
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .unwrap_or(0_u64);
    format!("{:.0} GB", kilobytes as f64 / 1e6)
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

/// The commit, if there is one. `-dirty` if the files differ from it.
fn commit() -> String {
    let said = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(ROOT)
        .output();
    match said {
        Ok(said) if said.status.success() => {
            format!(", commit {},", String::from_utf8_lossy(&said.stdout).trim())
        }
        _ => String::new(),
    }
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
