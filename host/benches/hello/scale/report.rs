//! The results of the parts as Markdown. Measures nothing.

use std::fmt::Write as _;

use crate::report::{cpu_ratio, show};
use crate::runs::Plan;
use crate::runs::Runs;
use crate::spread::Spread;

use super::components::Components;
use super::connections::Connections;
use super::cores::Cores;
use super::endurance::{EACH, Endurance, Sample};
use super::lines::{self, LINES, PAGES};
use super::pairs::Pair;
use super::routes::Row;

/// The cost of a request in apps of many components, and the cost of a component.
pub fn components(plan: &Plan, components: &Components) -> String {
    let mut text = format!(
        "\n## 1 to 1,000 components\n\n\
         Each has its own compiled code. {} *Each further component*: how much resident memory each component after\n\
         the first adds, at the end of a run.\n\n\
         | components | asked | CPU µs/request | ÷ 1 component | resident MB | KB for each further component | runs |\n\
         |---|---|---|---|---|---|---|\n",
        how(plan)
    );
    let first = &components.rows[0];
    for row in &components.rows {
        let more = (row.components - first.components) as f64;
        let each = row.runs.against(&first.runs, |run, one| {
            (run.resident as f64 - one.resident as f64) / more / 1e3
        });
        let asked = match row.asked == row.components {
            true => "all in turns".to_owned(),
            false => format!("{} of them", row.asked),
        };
        let _ = writeln!(
            text,
            "| {} | {asked} | {} | {} | {} | {} | {} |",
            row.components,
            cost(&row.runs),
            dearer(&row.runs, &first.runs),
            show(row.runs.spread(|run| run.resident as f64 / 1e6), 0),
            show(each.filter(|_| more > 0.0), 0),
            counted(&row.runs)
        );
    }
    let _ = write!(
        text,
        "\nStart of the largest with all in the cache, to the first right answer, on all cores: {} ms.\n",
        show(Spread::of(components.starts.iter().copied()), 0)
    );
    text + &lines(&components.lines)
}

/// The time of memory alone among many components.
fn lines(rows: &[lines::Row]) -> String {
    let mut text = format!(
        "\n### What memory alone takes\n\n\
         {LINES} cache lines on {PAGES} pages for each component: the lines that a request needs and that belong to its\n\
         component alone. They are read in the order in which the components would be asked, and nothing else is done.\n\
         *Known*: the places of all lines are known beforehand. *Led*: each line says where the next one is. A request\n\
         is between the two.\n\n\
         | components | known: µs for those of one | led: µs for those of one |\n|---|---|---|\n"
    );
    for row in rows {
        let show = |values: &[f64]| show(Spread::of(values.iter().copied()), 1);
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            row.components,
            show(&row.known),
            show(&row.led)
        );
    }
    text
}

/// The cost of a request on many connections.
pub fn connections(plan: &Plan, connections: &Connections) -> String {
    let mut text = format!(
        "\n## 10 to 10,000 connections\n\n\
         Each with one request in flight. {}\n\n\
         | connections | shared: CPU µs/request | native hyper: the same | requests per CPU time, shared ÷ native \
         | shared ÷ 10 connections | native ÷ 10 connections | shared: p99 ms | runs: shared, native |\n\
         |---|---|---|---|---|---|---|---|\n",
        how(plan)
    );
    for (count, pair) in &connections.rows {
        let (_, first) = &connections.rows[0];
        let _ = writeln!(
            text,
            "| {count} | {} | {} | {} | {} | {} | {} | {}, {} |",
            cost(&pair.ours),
            cost(&pair.native),
            show(pair.ours.against(&pair.native, cpu_ratio), 2),
            dearer(&pair.ours, &first.ours),
            dearer(&pair.native, &first.native),
            show(pair.ours.spread(|run| run.p99 / 1e3), 1),
            counted(&pair.ours),
            counted(&pair.native)
        );
    }
    for count in &connections.left_out {
        let _ = write!(
            text,
            "\n**{count} connections were left out**: more than the limit of open files allows.\n"
        );
    }
    text
}

/// The cost of a request among many routes.
pub fn routes(plan: &Plan, rows: &[Row]) -> String {
    let mut text = format!(
        "\n## 10 to 10,000 routes\n\n\
         All routes belong to one component, each has a group, and they are asked in turns. {}\n\n\
         | routes | CPU µs/request | ÷ 10 routes | resident MB | runs |\n|---|---|---|---|---|\n",
        how(plan)
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            row.routes,
            cost(&row.runs),
            dearer(&row.runs, &rows[0].runs),
            show(row.runs.spread(|run| run.resident as f64 / 1e6), 0),
            counted(&row.runs)
        );
    }
    text
}

/// The gain of a second core.
pub fn cores(plan: &Plan, cores: &Cores) -> String {
    let mut text = "\n## A second core\n\n".to_owned();
    let Some(((_, two), ones)) = cores.rows.split_last() else {
        return text + "**Left out: there is only one core.**\n";
    };
    text += match cores.apart {
        true => "The client always has the same cores, which the server does not use. ",
        false => {
            "There are only two cores: the server on both shares them with the client, so *requests/s* is the\n\
             result of both together. *Client on it too*: server and client share one core; its mix of work is the same\n\
             as on two cores. "
        }
    };
    let _ = write!(
        text,
        "The client has as many threads in each row, with {} connections together. {}\n\n\
         | server | where | CPU µs/request | requests/s | cores used: server, client | runs |\n|---|---|---|---|---|---|\n",
        plan.connections,
        how(plan)
    );
    for (variant, pair) in &cores.rows {
        for (name, runs) in both(pair) {
            let used = |spread: Option<Spread>| spread.map_or(0.0, |spread| spread.median());
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {:.2}, {:.2} | {} |",
                variant.name,
                cost(runs),
                show(runs.spread(|run| run.per_second), 0),
                used(runs.spread(|run| run.server)),
                used(runs.spread(|run| run.client)),
                counted(runs)
            );
        }
    }
    text += "\n*Two cores do the work of*: 2 × CPU time of a request on one core ÷ the same on two; 2.00 is a second core\n\
             that costs nothing.\n\n\
             | server | one core is | two cores do the work of | requests/s, two ÷ one |\n|---|---|---|---|\n";
    for (variant, one) in ones {
        for ((name, one), (_, two)) in both(one).into_iter().zip(both(two)) {
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} |",
                variant.name,
                show(two.against(one, |two, one| 2.0 * cpu_ratio(two, one)), 2),
                show(
                    two.against(one, |two, one| two.per_second / one.per_second),
                    2
                )
            );
        }
    }
    text
}

/// What many requests leave behind.
pub fn endurance(endurance: &Endurance) -> String {
    let samples = &endurance.samples;
    let requests = samples.last().map_or(0, |sample| sample.requests);
    let mut text = format!(
        "\n## Endurance\n\n\
         {:.2} million requests to one process in {:.0} s, none of which failed: `hello` in each isolation in turns, on\n\
         {} concurrent connections, each of which is replaced after {EACH} requests. Sampled {} times under load, first\n\
         after {} requests.\n\n\
         | | first | last | least | most |\n|---|---|---|---|---|\n",
        requests as f64 / 1e6,
        endurance.took.as_secs_f64(),
        endurance.connections,
        samples.len(),
        samples.first().map_or(0, |sample| sample.requests)
    );
    let mut row = |name: &str, digits: usize, value: fn(&Sample) -> f64| {
        let all = Spread::of(samples.iter().map(value));
        if let (Some(first), Some(last), Some(all)) = (samples.first(), samples.last(), all) {
            let _ = writeln!(
                text,
                "| {name} | {:.digits$} | {:.digits$} | {:.digits$} | {:.digits$} |",
                value(first),
                value(last),
                all.least(),
                all.most()
            );
        }
    };
    row("resident MB", 1, |sample| sample.memory as f64 / 1e6);
    row("open descriptors", 0, |sample| sample.descriptors as f64);
    row("memory mappings", 0, |sample| sample.mappings as f64);
    row("threads", 0, |sample| sample.threads as f64);
    text
}

/// How it was measured, for each part.
fn how(plan: &Plan) -> String {
    format!(
        "Median (min..max) of {} rounds of {} s,\nratios taken within a round.",
        plan.rounds,
        plan.time.as_secs()
    )
}

fn cost(runs: &Runs) -> String {
    show(runs.spread(|run| run.cpu), 1)
}

/// The ratio of the CPU time of a request to the first's.
fn dearer(runs: &Runs, first: &Runs) -> String {
    show(runs.against(first, |run, first| run.cpu / first.cpu), 2)
}

/// How many runs there are, and how many rounds did not count.
fn counted(runs: &Runs) -> String {
    match runs.rejected {
        0 => runs.len().to_string(),
        rejected => format!("{} ({rejected} rejected)", runs.len()),
    }
}

fn both(pair: &Pair) -> [(&'static str, &Runs); 2] {
    [("shared", &pair.ours), ("native hyper", &pair.native)]
}
