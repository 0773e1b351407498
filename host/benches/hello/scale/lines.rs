//! The time of memory alone where requests go to many components in turns: the cache lines of each are read in that
//! order, and nothing else is done. Sends no request.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::process::on_core;
use crate::runs::Plan;

/// How many lines a request to `hello` needs that no other component's does. `docs/cost-of-a-request.md` says how they
/// were counted.
pub const LINES: usize = 705;

/// On how many pages they are.
pub const PAGES: usize = 70;

/// How many lines a page has.
const IN_PAGE: usize = 4096 / size_of::<Line>();

/// The microseconds of each round for the lines of one component, among this number.
pub struct Row {
    /// How many components there are.
    pub components: usize,
    /// The places of all lines are known before they are read.
    pub known: Vec<f64>,
    /// Each line has the place of the next one.
    pub led: Vec<f64>,
}

/// Measures on the server's core, in turns.
pub fn measure(counts: &[usize], plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let row = |&components| Row {
        components,
        known: Vec::new(),
        led: Vec::new(),
    };
    let mut rows: Vec<Row> = counts.iter().map(row).collect();
    on_core(plan.cores.server, || {
        let memories: Vec<Memory> = counts.iter().copied().map(Memory::of).collect();
        for _ in 0..plan.rounds {
            for (row, memory) in rows.iter_mut().zip(&memories) {
                let each = |pass: fn(&Memory) -> u32| {
                    let pass = || pass(memory);
                    timed(plan.time / 4, pass).as_secs_f64() * 1e6 / row.components as f64
                };
                let (known, led) = (each(Memory::known), each(Memory::led));
                row.known.push(known);
                row.led.push(led);
            }
        }
        Ok(())
    })?;
    Ok(rows)
}

/// The time of one pass, of as many as there is time for.
fn timed(time: Duration, pass: impl Fn() -> u32) -> Duration {
    black_box(pass());
    let (began, mut passes) = (Instant::now(), 0);
    while passes == 0 || began.elapsed() < time {
        black_box(pass());
        passes += 1;
    }
    began.elapsed() / passes
}

/// The size of a cache line.
#[repr(align(64))]
#[derive(Clone, Copy, Default)]
struct Line {
    next: u32,
}

/// The lines of all components.
struct Memory {
    lines: Vec<Line>,
    /// The pages in the order in which they are read.
    order: Vec<u32>,
}

impl Memory {
    /// Spreads each component's lines over its pages, and all pages over the memory.
    fn of(components: usize) -> Self {
        /// A prime, so that it leads to each page once.
        const STRIDE: usize = 1_000_003;
        let pages = components * PAGES;
        let place = |number: usize| {
            let (component, line) = (number / LINES, number % LINES);
            let page = (component * PAGES + line % PAGES) * STRIDE % pages;
            page * IN_PAGE + line / PAGES * (IN_PAGE / LINES.div_ceil(PAGES))
        };
        let order: Vec<u32> = (0..components * LINES)
            .map(|number| place(number) as u32)
            .collect();
        let mut lines = vec![Line::default(); pages * IN_PAGE];
        let nexts = order.iter().cycle().skip(1);
        for (line, next) in order.iter().zip(nexts) {
            lines[*line as usize].next = *next;
        }
        Self { lines, order }
    }

    fn known(&self) -> u32 {
        let values = self
            .order
            .iter()
            .map(|line| self.lines[*line as usize].next);
        values.fold(0, u32::wrapping_add)
    }

    fn led(&self) -> u32 {
        let next = |line: u32, _| self.lines[line as usize].next;
        self.order.iter().fold(self.order[0], next)
    }
}
