//! The rounds: every server is measured at every workload, and those that are compared right after each other. What
//! was disturbed is made again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};

use crate::contender::{Contender, Programs};
use crate::load::{self, Load, Run};
use crate::process::Cores;
use crate::spread::Spread;
use crate::workload::Workload;

/// How it is measured.
pub struct Plan {
    /// How many runs each server is to have.
    pub rounds: usize,
    /// How many clients ask, each one request at a time.
    pub connections: usize,
    /// How long a run is.
    pub time: Duration,
    /// Where server and client run.
    pub cores: Cores,
    /// How much of its core a server or its client has to use, of 1, for the run to count.
    pub saturated: f64,
}

/// All runs of one workload.
pub struct Sheet {
    /// What was asked.
    pub workload: Workload,
    /// The native peer is the first one.
    pub rows: Vec<Row>,
}

/// All runs of one server at one workload.
pub struct Row {
    /// Who was asked.
    pub contender: Contender,
    /// By the number of their round.
    pub runs: BTreeMap<usize, Run>,
    /// In how many rounds it had no core to itself, nor had its client.
    pub rejected: usize,
    /// How it failed, each time.
    pub failures: Vec<String>,
}

impl Sheet {
    /// Nothing is measured yet. A contender may be left out, but not the native peer.
    pub fn new(workload: Workload, contenders: &[Contender]) -> Self {
        let rows = contenders.iter().map(|contender| Row {
            contender: *contender,
            runs: BTreeMap::new(),
            rejected: 0,
            failures: Vec::new(),
        });
        Self {
            workload,
            rows: rows.collect(),
        }
    }

    /// One contender's row.
    pub fn row(&self, contender: Contender) -> Option<&Row> {
        self.rows.iter().find(|row| row.contender == contender)
    }

    fn is_complete(&self, rounds: usize) -> bool {
        self.rows
            .iter()
            .all(|row| row.runs.len() >= rounds || row.has_failed())
    }
}

impl Row {
    /// A figure of each of its runs.
    pub fn spread(&self, value: impl Fn(&Run) -> f64) -> Option<Spread> {
        Spread::of(self.runs.values().map(value))
    }

    /// A figure of each round in which both were measured.
    pub fn against(&self, other: &Row, value: impl Fn(&Run, &Run) -> f64) -> Option<Spread> {
        let both = self
            .runs
            .iter()
            .filter_map(|(round, run)| Some((run, other.runs.get(round)?)));
        Spread::of(both.map(|(run, other)| value(run, other)))
    }

    /// Whether it is tried no more: it failed twice, and never came through.
    fn has_failed(&self) -> bool {
        self.failures.len() >= 2 && self.runs.is_empty()
    }
}

/// Measures until each row has its runs, in no more than twice as many rounds as are wanted.
pub fn measure(plan: &Plan, programs: &Programs, sheets: &mut [Sheet]) -> anyhow::Result<()> {
    for number in 0..plan.rounds * 2 {
        for sheet in sheets
            .iter_mut()
            .filter(|sheet| !sheet.is_complete(plan.rounds))
        {
            round(plan, programs, sheet, number)?;
        }
    }
    let nothing = |sheet: &Sheet| sheet.rows.iter().all(|row| row.runs.is_empty());
    ensure!(
        !sheets.iter().all(nothing),
        "no round counts: neither a server nor its client ever had a core to itself"
    );
    Ok(())
}

/// What became of one server in one round.
enum Outcome {
    Run(Run),
    /// Something else took the time of the cores.
    Rejected,
    /// It failed, with these words.
    Failed(String),
}

fn round(plan: &Plan, programs: &Programs, sheet: &mut Sheet, number: usize) -> anyhow::Result<()> {
    let count = sheet.rows.len();
    let workload = sheet.workload;
    // Nobody is always first, or always after the same one.
    for place in 0..count {
        let row = &mut sheet.rows[(place + number) % count];
        if row.has_failed() {
            continue;
        }
        let name = row.contender.name();
        eprint!("round {}, {}: {name}:", number + 1, workload.name());
        let outcome = undisturbed(plan, programs, row.contender, workload);
        match outcome.with_context(|| format!("{} failed at {}", name, workload.name()))? {
            Outcome::Run(run) => {
                eprintln!(
                    " {:.0} requests/s, {:.1} µs of CPU each",
                    run.per_second, run.cpu
                );
                row.runs.insert(number, run);
            }
            Outcome::Rejected => {
                eprintln!(" the cores were never theirs, rejected");
                row.rejected += 1;
            }
            Outcome::Failed(words) => {
                eprintln!(" failed: {words}");
                row.failures.push(words);
            }
        }
    }
    same_work(sheet, number)
}

/// Ours and the native peer give the same bytes.
fn same_work(sheet: &Sheet, number: usize) -> anyhow::Result<()> {
    let ours = sheet.rows.iter().filter(|row| row.contender.is_ours());
    let mut answers = ours.filter_map(|row| Some(&row.runs.get(&number)?.answer));
    let Some(first) = answers.next() else {
        return Ok(());
    };
    match answers.find(|answer| *answer != first) {
        Some(other) => bail!("not the same work:\n{first}\n{other}"),
        None => Ok(()),
    }
}

/// Measures a server, started for this alone, until it or its client had a core to itself: a few times at most.
fn undisturbed(
    plan: &Plan,
    programs: &Programs,
    contender: Contender,
    workload: Workload,
) -> anyhow::Result<Outcome> {
    const ATTEMPTS: usize = 5;
    let load = Load {
        workload,
        connections: plan.connections,
        time: plan.time,
        rate: None,
    };
    for _ in 0..ATTEMPTS {
        let run = match programs.start(contender, workload, plan.cores.server) {
            Ok(mut server) => load::run(&server, plan.cores.client, load)
                .map_err(|error| anyhow!("{error:#}; it said: {}", server.last_words())),
            Err(error) => Err(error),
        };
        let run = match run {
            Ok(run) => run,
            Err(error) if contender.is_ours() => return Err(error),
            Err(error) => return Ok(Outcome::Failed(format!("{error:#}"))),
        };
        if run.server.max(run.client) >= plan.saturated {
            return Ok(Outcome::Run(run));
        }
        let (server, client) = (run.server * 100.0, run.client * 100.0);
        eprint!(" (disturbed: server {server:.0} %, client {client:.0} %)");
    }
    Ok(Outcome::Rejected)
}
