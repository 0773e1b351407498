//! The results as Markdown. Measures nothing.

use std::fmt::Write as _;

use crate::contender::Contender;
use crate::fetch;
use crate::idle::Idle;
use crate::kv::{self, Writes};
use crate::load::{Load, Run};
use crate::native;
use crate::rounds::{Row, Sheet};
use crate::runs::Plan;
use crate::spread::Spread;
use crate::start::{COMPONENTS, Starts};
use crate::swap::Swaps;
use crate::tail::Tails;
use crate::waiting::{EVENTS, LISTENERS, Waiting};
use crate::wire::STREAMS;
use crate::workload::Workload;

/// The entry of a server that was not measured.
const NOTHING: &str = "–";

/// How the requests were measured, and the ratios by which Waterspout is judged, as far as both sides were measured.
pub fn ratios(plan: &Plan, sheets: &[Sheet]) -> String {
    let mut table = String::new();
    use Contender::{Exclusive, Fresh, Native, ServeP2, Shared, Tornado};
    let mut ratio = |workload: Workload, ours: Contender, peer: Option<Contender>| {
        let sheet = sheets.iter().find(|sheet| sheet.workload == workload);
        let pair = sheet.and_then(|sheet| Some((sheet.row(ours)?, sheet.row(peer?)?)));
        let Some((ours, peer)) = pair else { return };
        let _ = writeln!(
            table,
            "| {}: {} ÷ {} | {} | {} |",
            workload.title(),
            ours.contender.name(),
            peer.contender.name(),
            show(ours.runs.against(&peer.runs, speed_ratio), 2),
            show(ours.runs.against(&peer.runs, cpu_ratio), 2),
        );
    };
    for ours in [Shared, Exclusive, Fresh] {
        ratio(Workload::Get, ours, Some(Native));
    }
    ratio(Workload::Get, Fresh, Some(ServeP2));
    ratio(Workload::Get, Shared, best_serve(sheets));
    ratio(Workload::Get, Shared, Some(Tornado));
    for workload in [
        Workload::Lifecycle,
        Workload::Json,
        Workload::Headers,
        Workload::NotFound,
        Workload::Upload,
        Workload::Compressed,
        Workload::Stream,
        Workload::TlsH2,
    ] {
        ratio(workload, Shared, Some(Native));
    }
    if !table.is_empty() {
        table = format!("\n| what | requests/s | per CPU time |\n|---|---|---|\n{table}");
    }
    format!(
        "\n## Requests: the ratios\n\n\
         Median (min..max) over the rounds, each ratio taken within a round; {} rounds of {} s with {} keep-alive\n\
         connections, unless a table says otherwise. Runs in which neither the server nor the client used {:.0} % of\n\
         its core do not count. More is better. *Per CPU time*: requests per second of the server's CPU time.\n{table}",
        plan.rounds,
        plan.time.as_secs(),
        plan.connections,
        plan.saturated * 100.0
    )
}

/// The setting of `wasmtime serve` with the most requests per CPU time.
fn best_serve(sheets: &[Sheet]) -> Option<Contender> {
    let sheet = sheets
        .iter()
        .find(|sheet| sheet.workload == Workload::Get)?;
    let medians = sheet.rows.iter().filter_map(|row| {
        row.contender.serve_flags()?;
        Some((row.contender, row.runs.spread(|run| run.cpu)?.median()))
    });
    let best = medians.min_by(|(_, one), (_, other)| one.total_cmp(other));
    best.map(|(contender, _)| contender)
}

/// The table of one workload.
pub fn requests(plan: &Plan, sheet: &Sheet) -> String {
    let mut text = format!(
        "\n## {}\n\n{}\
         | server | requests/s | ÷ native | CPU µs/request | requests per CPU time ÷ native | p50 µs | p99 µs \
         | peak MB | core used: server, client | runs |\n|---|---|---|---|---|---|---|---|---|---|\n",
        sheet.workload.title(),
        others(plan, sheet.workload)
    );
    let native = &sheet.rows[0];
    for row in &sheet.rows {
        let used = |value: fn(&Run) -> f64| {
            let spread = row.runs.spread(value);
            spread.map_or(NOTHING.to_owned(), |spread| {
                format!("{:.0} %", spread.median() * 100.0)
            })
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {}, {} | {} |",
            row.contender.name(),
            show(row.runs.spread(|run| run.per_second), 0),
            show(row.runs.against(&native.runs, speed_ratio), 2),
            show(row.runs.spread(|run| run.cpu), 1),
            show(row.runs.against(&native.runs, cpu_ratio), 2),
            show(row.runs.spread(|run| run.p50), 0),
            show(row.runs.spread(|run| run.p99), 0),
            show(row.runs.spread(|run| run.peak as f64 / 1e6), 0),
            used(|run| run.server),
            used(|run| run.client),
            row.runs.len(),
        );
    }
    for row in &sheet.rows {
        text += &troubles(row);
    }
    text
}

/// How many ask, where that is not what the page says of all.
fn others(plan: &Plan, workload: Workload) -> String {
    let asking = workload.connections(plan.connections);
    match workload {
        Workload::Upload | Workload::Stream => format!("With {asking} keep-alive connections.\n\n"),
        Workload::TlsH2 => format!(
            "With {asking} concurrent requests, up to {STREAMS} of them on each of {} connections.\n\n",
            asking.div_ceil(STREAMS)
        ),
        _ => String::new(),
    }
}

/// What kept a row from having all its runs.
fn troubles(row: &Row) -> String {
    let mut text = String::new();
    let name = row.contender.name();
    if row.runs.rejected > 0 {
        let times = row.runs.rejected;
        let _ = write!(
            text,
            "\n{name}: {times} rounds were rejected, because neither side had its core.\n"
        );
    }
    if let Some(last) = row.failures.last() {
        let times = row.failures.len();
        let _ = write!(
            text,
            "\n**{name} failed in {times} rounds**, at last with: `{last}`\n"
        );
    }
    text
}

/// How `wasmtime serve` was started, for each row of it.
pub fn flags(sheets: &[Sheet]) -> String {
    let mut text = String::new();
    for contender in Contender::ALL {
        let there = sheets.iter().any(|sheet| sheet.row(*contender).is_some());
        if let (true, Some(flags)) = (there, contender.serve_flags()) {
            let name = contender.name();
            let _ = writeln!(
                text,
                "- {name}: `{}`",
                ["wasmtime serve -Scli", &flags.join(" ")].join(" ").trim()
            );
        }
    }
    match text.as_str() {
        "" => text,
        _ => format!("\nHow `wasmtime serve` was started:\n\n{text}"),
    }
}

/// The table of what swaps take.
pub fn swaps(swaps: &[Swaps]) -> String {
    let count = swaps.first().map_or(0, |swap| swap.cold.len());
    let mut text = format!(
        "\n## Swap: rename to first new answer\n\n\
         Median (min..max) of {count} swaps, in milliseconds; shared, on all cores, with one client that asks a few\n\
         times per millisecond. Cold: the version is new, and nothing else was compiled before. Edited: the version is\n\
         new, and another version was compiled before; a text differs. Cached: its compiled code is on disk.\n\n\
         | component | size | cold | edited | cached |\n|---|---|---|---|---|\n"
    );
    for swap in swaps {
        let _ = writeln!(
            text,
            "| {} | {} KB | {} | {} | {} |",
            swap.name,
            swap.size / 1000,
            show(Spread::of(swap.cold.iter().copied()), 1),
            show(Spread::of(swap.edited.iter().copied()), 1),
            show(Spread::of(swap.cached.iter().copied()), 1)
        );
    }
    text
}

/// How long an app takes to start.
pub fn starts(starts: &Starts) -> String {
    format!(
        "\n## Start of an app of {COMPONENTS} components\n\n\
         From the start of the process to the first right answer, in milliseconds; on all cores, median (min..max) of\n\
         {} starts. The components differ. Each has {} KB.\n\n\
         | all in the cache | none in the cache (one start) |\n|---|---|\n| {} | {:.0} |\n",
        starts.cached.len(),
        starts.size / 1000,
        show(Spread::of(starts.cached.iter().copied()), 1),
        starts.cold
    )
}

/// What clients cost that wait.
pub fn waiting(waiting: &Waiting) -> String {
    let mut text = format!(
        "\n## Clients that wait\n\n\
         Polls: {} connections, each with one request that is answered when there is news; one instance, all cores.\n\
         Memory: the memory that each adds to the server, its connection included. Answered: from the publish until the\n\
         last of them has its answer. Events: {LISTENERS} connections, each with one stream of server-sent events, and\n\
         {EVENTS} events a round; from the publish until all have it. Median (min..max) of {} rounds.\n\n\
         | server | memory of a poll, bytes | all polls answered, ms | event to all, ms | CPU µs for each of an event |\n\
         |---|---|---|---|---|\n",
        waiting.clients,
        waiting.ours.memory.len()
    );
    let rows = [
        ("shared", Some(&waiting.ours)),
        ("Tornado", waiting.tornado.as_ref()),
    ];
    for (name, figures) in rows {
        let Some(figures) = figures else { continue };
        let of = |values: &[f64], digits| show(Spread::of(values.iter().copied()), digits);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} |",
            of(&figures.memory, 0),
            of(&figures.answered, 0),
            of(&figures.told, 1),
            of(&figures.cpu, 1)
        );
    }
    text
}

/// How long requests take that wait for others.
pub fn fetches(all: &[f64]) -> String {
    format!(
        "\n## Requests that fetch\n\n\
         {} concurrent requests to one instance. Each fetches twice, concurrently, from a server that takes {} ms for\n\
         each answer. From the first request to the last answer; client and both servers are on the same cores.\n\
         Median (min..max) of {} rounds.\n\n\
         | all answered, ms |\n|---|\n| {} |\n",
        fetch::CLIENTS,
        native::WAIT.as_millis(),
        all.len(),
        show(Spread::of(all.iter().copied()), 0)
    )
}

/// What idle connections cost.
pub fn idle(idle: &Idle) -> String {
    let pairs = idle.ours.iter().zip(&idle.native);
    format!(
        "\n## Memory of an idle keep-alive connection\n\n\
         Resident memory that {} connections add to a server, each after one answer; bytes for each, median (min..max)\n\
         of {} rounds.\n\n\
         | shared | native hyper | shared ÷ native |\n|---|---|---|\n| {} | {} | {} |\n",
        idle.connections,
        idle.ours.len(),
        show(Spread::of(idle.ours.iter().copied()), 0),
        show(Spread::of(idle.native.iter().copied()), 0),
        show(Spread::of(pairs.map(|(ours, native)| ours / native)), 2)
    )
}

/// How many writes the state of an app takes.
pub fn kv(plan: &Plan, writes: &Writes) -> String {
    let spread = |of: &[f64]| Spread::of(of.iter().copied());
    let mut text = format!(
        "\n## Writes to the state that components share\n\n\
         Values of {} bytes; writes a second, median (min..max) of {} rounds of {} s. A handler sets one key for each\n\
         request, on {} connections; the library writes from one thread.\n\n\
         | | writes/s |\n|---|---|\n",
        kv::VALUE,
        plan.rounds,
        plan.time.as_secs(),
        plan.connections,
    );
    for (name, of) in [
        ("redb, a commit for each", &writes.one),
        (
            &format!("redb, a commit for {}", plan.connections),
            &writes.many,
        ),
        ("a handler, in a file", &writes.file),
        ("a handler, in memory", &writes.memory),
    ] {
        let _ = writeln!(text, "| {name} | {} |", show(spread(of), 0));
    }
    let pairs = writes.file.iter().zip(&writes.many);
    let ratio = Spread::of(pairs.map(|(ours, library)| ours / library));
    let _ = writeln!(
        text,
        "| in a file ÷ redb, a commit for {} | {} |",
        plan.connections,
        show(ratio, 2)
    );
    text
}

/// What swaps do to the latencies of others.
pub fn tails(tails: &Tails, load: Load) -> String {
    let mut text = format!(
        "\n## Latency of others during swaps\n\n\
         `hello` asked {} times a second, on {} connections, while a component of {} KB in the same app is swapped\n\
         between two versions in the cache; {:.1} swaps/s were seen (ten a second are made). Median (min..max) of {}\n\
         rounds of {} s, in microseconds from the time when each request was due; {} more were rejected.\n\n\
         | | p50 | p99 | longest | server's core used |\n|---|---|---|---|---|\n",
        load.rate.unwrap_or_default(),
        load.connections,
        tails.size / 1000,
        Spread::of(tails.swaps.iter().copied()).map_or(0.0, |spread| spread.median()),
        tails.calm.len(),
        load.time.as_secs(),
        tails.rejected
    );
    let of = |runs: &[Run], value: fn(&Run) -> f64| Spread::of(runs.iter().map(value));
    for (name, runs) in [("no swaps", &tails.calm), ("10 swaps/s", &tails.swapped)] {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} |",
            show(of(runs, |run| run.p50), 0),
            show(of(runs, |run| run.p99), 0),
            show(of(runs, |run| run.max), 0),
            show(of(runs, |run| run.server * 100.0), 0) + " %",
        );
    }
    let pairs = || tails.swapped.iter().zip(&tails.calm);
    let _ = writeln!(
        text,
        "| 10 swaps/s ÷ no swaps | {} | {} | {} | |",
        show(
            Spread::of(pairs().map(|(swap, calm)| swap.p50 / calm.p50)),
            2
        ),
        show(
            Spread::of(pairs().map(|(swap, calm)| swap.p99 / calm.p99)),
            2
        ),
        show(
            Spread::of(pairs().map(|(swap, calm)| swap.max / calm.max)),
            2
        ),
    );
    text
}

/// How many times as many requests one server answers.
pub fn speed_ratio(run: &Run, other: &Run) -> f64 {
    run.per_second / other.per_second
}

/// How many times as many requests one server answers with the same CPU time.
pub fn cpu_ratio(run: &Run, other: &Run) -> f64 {
    other.cpu / run.cpu
}

/// As a table has it.
pub fn show(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or(NOTHING.to_owned(), |spread| format!("{spread:.digits$}"))
}
