//! The runs of what is compared, round by round. Disturbed runs are made again, a few times.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::load::{Load, Run};
use crate::process::Cores;
use crate::spread::Spread;

/// All runs of one row of a table.
#[derive(Default)]
pub struct Runs {
    /// By the number of their round.
    by_round: BTreeMap<usize, Run>,
    /// In how many rounds neither it nor its client had a core to itself.
    pub rejected: usize,
}

impl Runs {
    /// How many runs count.
    pub fn len(&self) -> usize {
        self.by_round.len()
    }

    /// The run of a round, if it counts.
    pub fn get(&self, round: usize) -> Option<&Run> {
        self.by_round.get(&round)
    }

    /// Adds the result of a round.
    pub fn add(&mut self, round: usize, run: Option<Run>) {
        match run {
            Some(run) => {
                eprintln!(
                    " {:.0} requests/s, {:.1} µs of CPU each",
                    run.per_second, run.cpu
                );
                self.by_round.insert(round, run);
            }
            None => {
                eprintln!(" the cores were never theirs, rejected");
                self.rejected += 1;
            }
        }
    }

    /// A figure of each run.
    pub fn spread(&self, value: impl Fn(&Run) -> f64) -> Option<Spread> {
        Spread::of(self.by_round.values().map(value))
    }

    /// A figure of each round in which both were measured.
    pub fn against(&self, other: &Self, value: impl Fn(&Run, &Run) -> f64) -> Option<Spread> {
        let both = self
            .by_round
            .iter()
            .filter_map(|(round, run)| Some((run, other.get(*round)?)));
        Spread::of(both.map(|(run, other)| value(run, other)))
    }
}

/// Measures until server or client had their cores to themselves, a few times at most. `None` if they never had.
pub fn undisturbed(
    plan: &Plan,
    mut run: impl FnMut() -> anyhow::Result<Run>,
) -> anyhow::Result<Option<Run>> {
    const ATTEMPTS: usize = 5;
    for _ in 0..ATTEMPTS {
        let run = run()?;
        if run.busy >= plan.saturated {
            return Ok(Some(run));
        }
        let (server, client) = (run.server * 100.0, run.client * 100.0);
        eprint!(" (disturbed: server {server:.0} %, client {client:.0} %)");
    }
    Ok(None)
}

/// Measures each of these rows in each round, until all have their runs, in no more than twice as many rounds as are
/// wanted. No row is always first, or always after the same one.
pub fn in_turns(
    plan: &Plan,
    names: &[String],
    mut run: impl FnMut(usize) -> anyhow::Result<Run>,
) -> anyhow::Result<Vec<Runs>> {
    let mut rows: Vec<Runs> = names.iter().map(|_| Runs::default()).collect();
    for round in 0..plan.rounds * 2 {
        for place in 0..rows.len() {
            if rows.iter().all(|row| row.len() >= plan.rounds) {
                break;
            }
            let at = (place + round) % rows.len();
            eprint!("round {}, {}:", round + 1, names[at]);
            let run = undisturbed(plan, || run(at)).with_context(|| names[at].clone())?;
            rows[at].add(round, run);
        }
    }
    ensure!(
        rows.iter().any(|row| row.len() > 0),
        "no round counts: neither a server nor its client ever had its cores to itself"
    );
    Ok(rows)
}

/// The plan of all measurements.
pub struct Plan {
    /// How many runs each server is to have.
    pub rounds: usize,
    /// How many clients there are, each with one request at a time.
    pub connections: usize,
    /// How long a run is.
    pub time: Duration,
    /// The cores of server and client.
    pub cores: Cores,
    /// How much of its core a server or its client has to use, of 1, for the run to count.
    pub saturated: f64,
}

impl Plan {
    /// A load without a fixed rate.
    pub fn load(&self) -> Load {
        Load {
            connections: self.connections,
            time: self.time,
            rate: None,
        }
    }
}
