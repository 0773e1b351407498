//! The results of the parts as Markdown. Measures nothing.

use std::fmt::Write as _;

use super::echo::Echo;
use super::fan_out::{self, FanOut};
use super::idle::{HIBERNATE, Idle};

use crate::load::Run;
use crate::report::{cpu_ratio, show, speed_ratio};
use crate::runs::Plan;
use crate::sides::{Row, Side, runs};
use crate::spread::Spread;

/// What a message costs that comes back.
pub fn echo(plan: &Plan, all: &[Echo]) -> String {
    let mut text = format!(
        "\n## WebSockets: messages that come back\n\n\
         {} sockets, each with one message at a time. Median (min..max) of {} rounds of {} s, each ratio taken within a\n\
         round. More is better. *Per CPU time*: messages per second of the server's CPU time.\n\n\
         | what | messages/s | per CPU time |\n|---|---|---|\n",
        plan.connections,
        plan.rounds,
        plan.time.as_secs()
    );
    for Echo { kind, rows } in all {
        let Some(ours) = runs(rows, Side::Shared) else {
            continue;
        };
        for other in [Side::Library, Side::Tornado] {
            let Some(others) = runs(rows, other) else {
                continue;
            };
            let _ = writeln!(
                text,
                "| {}: shared ÷ {} | {} | {} |",
                kind.name,
                other.name(),
                show(ours.against(others, speed_ratio), 2),
                show(ours.against(others, cpu_ratio), 2)
            );
        }
    }
    text += "\n| messages | server | messages/s | CPU µs/message | p50 µs | p99 µs | core used: server, client | runs |\n\
             |---|---|---|---|---|---|---|---|\n";
    for Echo { kind, rows } in all {
        for Row { side, of } in rows {
            let used =
                |value: fn(&Run) -> f64| of.spread(value).map_or(0.0, |used| used.median() * 100.0);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {:.0} %, {:.0} % | {} |",
                kind.name,
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
    }
    text
}

/// What it costs to tell all.
pub fn fan_out(plan: &Plan, all: &FanOut) -> String {
    let rounds = all.rows.first().map_or(0, |row| row.of.cpu.len());
    let mut text = format!(
        "\n## WebSockets: one message to all\n\n\
         {} sockets, and messages of {} bytes, each of them published once to all; the next one when all have it. Median\n\
         (min..max) of {rounds} rounds of {} s, each ratio taken within a round. CPU time of the server for each message\n\
         that a socket got.\n\n\
         | server | CPU µs for each | shared ÷ it, per CPU time | messages/s | from the publish until all have it, ms |\n\
         |---|---|---|---|---|\n",
        all.sockets,
        fan_out::SIZE,
        plan.time.as_secs()
    );
    let ours = all.rows.iter().find(|row| row.side == Side::Shared);
    for Row { side, of } in &all.rows {
        let pairs = of.cpu.iter().zip(ours.iter().flat_map(|ours| &ours.of.cpu));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            side.name(),
            show(spread(&of.cpu), 2),
            show(Spread::of(pairs.map(|(other, ours)| other / ours)), 2),
            show(spread(&of.per_second), 0),
            show(spread(&of.told), 1)
        );
    }
    text
}

/// What idle sockets cost.
pub fn idle(all: &Idle) -> String {
    let rounds = all.rows.first().map_or(0, |row| row.of.awake.len());
    let mut text = format!(
        "\n## WebSockets: memory of an idle one\n\n\
         Resident memory that {} sockets of one instance add to a server, each after one message; bytes for each, median\n\
         (min..max) of {rounds} rounds, each ratio taken within a round. Asleep: `hibernate = \"{HIBERNATE}s\"`, and\n\
         nothing happened for so long.\n\n\
         | server | bytes | ÷ shared |\n|---|---|---|\n",
        all.sockets
    );
    let ours = all.rows.iter().find(|row| row.side == Side::Shared);
    let ours = ours.map_or(&[][..], |row| &row.of.awake);
    for Row { side, of } in &all.rows {
        let name = side.name();
        let states = [
            (name.to_owned(), &of.awake),
            (format!("{name}, asleep"), &of.asleep),
        ];
        for (name, bytes) in states {
            if bytes.is_empty() {
                continue;
            }
            let pairs = bytes.iter().zip(ours);
            let _ = writeln!(
                text,
                "| {name} | {} | {} |",
                show(spread(bytes), 0),
                show(Spread::of(pairs.map(|(bytes, ours)| bytes / ours)), 2)
            );
        }
    }
    text
}

fn spread(values: &[f64]) -> Option<Spread> {
    Spread::of(values.iter().copied())
}
