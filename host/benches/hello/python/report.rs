//! The results of the parts as Markdown. Measures nothing.

use std::fmt::Write as _;

use super::apps::Memory;
use super::echo::Echo;
use super::edit::Edits;
use super::hello::Hello;
use crate::load::Run;
use crate::report::{cpu_ratio, show, speed_ratio};
use crate::runs::{Plan, Runs};
use crate::spread::Spread;
use crate::waiting::Waiting;

/// What a request costs.
pub fn hello(plan: &Plan, hello: &Hello) -> String {
    let mut text = format!(
        "\n## Python apps: a request\n\n\
         `GET /`, 12 bytes, of the same `RequestHandler` on {} connections. Median (min..max) of {} rounds of {} s, the ratio\n\
         taken within a round. More is better. *Per CPU time*: requests per second of the server's CPU time.\n\n\
         | what | requests/s | per CPU time |\n|---|---|---|\n",
        plan.connections,
        plan.rounds,
        plan.time.as_secs()
    );
    if let Some((name, native)) = &hello.native {
        let _ = writeln!(
            text,
            "| Python app ÷ {name} | {} | {} |",
            show(hello.ours.against(native, speed_ratio), 2),
            show(hello.ours.against(native, cpu_ratio), 2)
        );
        let _ = writeln!(
            text,
            "| the package `waterspout` ÷ {name} | {} | {} |",
            show(hello.direct.against(native, speed_ratio), 2),
            show(hello.direct.against(native, cpu_ratio), 2)
        );
    }
    text += "\n| server | requests/s | CPU µs/request | p50 µs | p99 µs | peak MB | runs |\n|---|---|---|---|---|---|---|\n";
    let mut row = |name: &str, of: &Runs| {
        let figure = |value: fn(&Run) -> f64, digits| show(of.spread(value), digits);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            figure(|run| run.per_second, 0),
            figure(|run| run.cpu, 1),
            figure(|run| run.p50, 0),
            figure(|run| run.p99, 0),
            figure(|run| run.peak as f64 / 1e6, 0),
            of.len()
        );
    };
    row("Python app", &hello.ours);
    row("the package `waterspout`", &hello.direct);
    if let Some((name, native)) = &hello.native {
        row(name, native);
    }
    text
}

/// What a message costs that comes back.
pub fn echo(plan: &Plan, all: &[Echo]) -> String {
    let mut text = format!(
        "\n## Python apps: a message\n\n\
         A WebSocket's message that the same `WebSocketHandler` sends back, on {} sockets. Median (min..max) of {} rounds of\n\
         {} s, the ratio taken within a round. More is better.\n\n\
         | messages | ÷ | messages/s | per CPU time | CPU µs/message |\n|---|---|---|---|---|\n",
        plan.connections,
        plan.rounds,
        plan.time.as_secs()
    );
    for Echo { kind, ours, native } in all {
        let cpu = show(ours.spread(|run| run.cpu), 1);
        let (name, speed, per_cpu) = match native {
            None => ("none".to_owned(), String::new(), String::new()),
            Some((name, native)) => (
                name.clone(),
                show(ours.against(native, speed_ratio), 2),
                show(ours.against(native, cpu_ratio), 2),
            ),
        };
        let _ = writeln!(
            text,
            "| {} | {name} | {speed} | {per_cpu} | {cpu} |",
            kind.name
        );
    }
    text
}

/// How long an edit takes.
pub fn edits(all: &[Edits]) -> String {
    let count = all.first().map_or(0, |edits| edits.took.len());
    let mut text = format!(
        "\n## Python apps: an edit\n\n\
         From the rename of the edited file into its place to the first new answer, in milliseconds: median (min..max) of\n\
         {count} edits, on all cores, with one client that asks a few times per millisecond.\n\n\
         | app | size | ms |\n|---|---|---|\n"
    );
    for Edits { name, size, took } in all {
        let took = show(Spread::of(took.iter().copied()), 0);
        let _ = writeln!(text, "| {name} | {} KB | {took} |", size.div_ceil(1000));
    }
    text
}

/// What apps take of memory.
pub fn apps(all: &[(usize, Memory)]) -> String {
    let rounds = all.first().map_or(0, |(_, memory)| memory.resident.len());
    let mut text = format!(
        "\n## Python apps: memory of the server\n\n\
         After one request to each app, in MB: median (min..max) of {rounds} rounds. *Resident* counts a page as often as it\n\
         is mapped; *proportional* counts it once.\n\n\
         | apps | resident | proportional |\n|---|---|---|\n"
    );
    for (apps, memory) in all {
        let of = |bytes: &[f64]| show(Spread::of(bytes.iter().map(|bytes| bytes / 1e6)), 0);
        let _ = writeln!(
            text,
            "| {apps} | {} | {} |",
            of(&memory.resident),
            of(&memory.proportional)
        );
    }
    text
}

/// What polls cost that wait.
pub fn polls(memory: &str, waiting: &Waiting) -> String {
    let mut text = format!(
        "\n## Python apps: clients that wait\n\n\
         As above, {} polls in one instance with `memory = \"{memory}\"`. Median (min..max) of {} rounds.\n\n\
         | server | memory of a poll, bytes | all polls answered, ms | event to all, ms |\n|---|---|---|---|\n",
        waiting.clients,
        waiting.ours.memory.len()
    );
    let rows = [
        ("Python app", Some(&waiting.ours)),
        ("Tornado", waiting.tornado.as_ref()),
    ];
    for (name, figures) in rows {
        let Some(figures) = figures else { continue };
        let of = |values: &[f64], digits| show(Spread::of(values.iter().copied()), digits);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} |",
            of(&figures.memory, 0),
            of(&figures.answered, 0),
            of(&figures.told, 1)
        );
    }
    text
}
