//! The rounds: every server is measured at every workload, and servers that are compared run right after each other.
//! Disturbed runs are made again.

use anyhow::{bail, ensure};

use crate::answer::shown;
use crate::contender::{Contender, Programs};
use crate::load::{self, Load};
use crate::questions::Questions;
use crate::runs::{self, Plan, Runs};
use crate::workload::Workload;

/// All runs of one workload.
pub struct Sheet {
    /// The workload.
    pub workload: Workload,
    /// The native peer is the first one.
    pub rows: Vec<Row>,
}

/// All runs of one server at one workload.
pub struct Row {
    /// The server.
    pub contender: Contender,
    /// Its results.
    pub runs: Runs,
    /// How it failed, each time.
    pub failures: Vec<String>,
}

impl Sheet {
    /// Without results. A contender may be left out, except the native peer.
    pub fn new(workload: Workload, contenders: &[Contender]) -> Self {
        let rows = contenders.iter().map(|contender| Row {
            contender: *contender,
            runs: Runs::default(),
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
    /// Whether it is not tried again: it failed twice, and never succeeded.
    fn has_failed(&self) -> bool {
        self.failures.len() >= 2 && self.runs.len() == 0
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
    let nothing = |sheet: &Sheet| sheet.rows.iter().all(|row| row.runs.len() == 0);
    ensure!(
        !sheets.iter().all(nothing),
        "no round counts: neither a server nor its client ever had a core to itself"
    );
    Ok(())
}

fn round(plan: &Plan, programs: &Programs, sheet: &mut Sheet, number: usize) -> anyhow::Result<()> {
    let count = sheet.rows.len();
    let workload = sheet.workload;
    let load = Load {
        connections: workload.connections(plan.connections),
        ..plan.load()
    };
    // No server is always first, or always after the same one.
    for place in 0..count {
        let row = &mut sheet.rows[(place + number) % count];
        if row.has_failed() {
            continue;
        }
        let name = row.contender.name();
        eprint!("round {}, {}: {name}:", number + 1, workload.name());
        let core = [plan.cores.server];
        let run = runs::undisturbed(plan, || {
            let server = programs.start(row.contender, workload, &core)?;
            let questions = Questions::over(programs.wire(workload), &server, workload)?;
            load::run(&server, &[plan.cores.client], &questions, load)
        });
        match run {
            Ok(run) => row.runs.add(number, run),
            Err(error) if row.contender.is_ours() => {
                return Err(error.context(format!("{name} failed at {}", workload.name())));
            }
            Err(error) => {
                let words = format!("{error:#}");
                eprintln!(" failed: {words}");
                row.failures.push(words);
            }
        }
    }
    same_work(sheet, number)
}

/// Checks that Waterspout and the native peer give the same bytes.
fn same_work(sheet: &Sheet, number: usize) -> anyhow::Result<()> {
    let ours = sheet.rows.iter().filter(|row| row.contender.is_ours());
    let mut answers = ours.filter_map(|row| Some(&row.runs.get(number)?.answer));
    let Some(first) = answers.next() else {
        return Ok(());
    };
    match answers.find(|answer| *answer != first) {
        Some(other) => bail!("not the same work:\n{}\n{}", shown(first), shown(other)),
        None => Ok(()),
    }
}
