//! The results of the parts as Markdown. Measures nothing.

use std::fmt::Write as _;

use super::idle::Idle;
use crate::load::Run;
use crate::report::{cpu_ratio, show, speed_ratio};
use crate::runs::{Plan, Runs};
use crate::sides::{Row, Side, runs};
use crate::spread::Spread;

/// What a line costs that comes back.
pub fn lines(plan: &Plan, rows: &[Row<Runs>]) -> String {
    let mut text = format!(
        "\n## TCP streams: lines that come back\n\n\
         {} streams, each with one line of 32 bytes at a time. Median (min..max) of {} rounds of {} s, each ratio taken\n\
         within a round. More is better. *Per CPU time*: lines per second of the server's CPU time. *Library alone* is tokio.\n\n\
         | what | lines/s | per CPU time |\n|---|---|---|\n",
        plan.connections,
        plan.rounds,
        plan.time.as_secs()
    );
    if let Some(ours) = runs(rows, Side::Shared) {
        for other in [Side::Library, Side::Tornado] {
            let Some(others) = runs(rows, other) else {
                continue;
            };
            let _ = writeln!(
                text,
                "| shared ÷ {} | {} | {} |",
                other.name(),
                show(ours.against(others, speed_ratio), 2),
                show(ours.against(others, cpu_ratio), 2)
            );
        }
    }
    text += "\n| server | lines/s | CPU µs/line | p50 µs | p99 µs | core used: server, client | runs |\n\
             |---|---|---|---|---|---|---|\n";
    for Row { side, of } in rows {
        let used =
            |value: fn(&Run) -> f64| of.spread(value).map_or(0.0, |used| used.median() * 100.0);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.0} %, {:.0} % | {} |",
            side.name(),
            show(of.spread(|run| run.per_second), 0),
            show(of.spread(|run| run.cpu), 1),
            show(of.spread(|run| run.p50), 0),
            show(of.spread(|run| run.p99), 0),
            used(|run| run.server),
            used(|run| run.client),
            of.len()
        );
    }
    text
}

/// What idle streams cost.
pub fn idle(all: &Idle) -> String {
    let rounds = all.rows.first().map_or(0, |row| row.of.len());
    let mut text = format!(
        "\n## TCP streams: memory of an idle one\n\n\
         Resident memory that {} streams of one instance add to a server, each after one line; bytes for each, median\n\
         (min..max) of {rounds} rounds, each ratio taken within a round.\n\n\
         | server | bytes | ÷ shared |\n|---|---|---|\n",
        all.streams
    );
    let ours = all.rows.iter().find(|row| row.side == Side::Shared);
    let ours = ours.map_or(&[][..], |row| &row.of);
    for Row { side, of } in &all.rows {
        let pairs = of.iter().zip(ours);
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            side.name(),
            show(Spread::of(of.iter().copied()), 0),
            show(Spread::of(pairs.map(|(bytes, ours)| bytes / ours)), 2)
        );
    }
    text
}
