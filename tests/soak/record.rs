//! What a server and its compiler hold, over time.

use std::fmt;
use std::time::Instant;

use crate::harness::{entries, resident};

/// The numbers of a server and of the processes that it has started.
pub struct Totals(u32);

#[derive(Clone, Copy, Debug)]
pub struct Total {
    /// Resident memory.
    pub mib: u64,
    /// The server's own.
    pub descriptors: usize,
    pub threads: usize,
    pub maps: usize,
}

impl Totals {
    pub fn of(server: u32) -> Self {
        Self(server)
    }

    /// All zero where the server has ended.
    pub fn now(&self) -> Total {
        let of = |folder| entries(self.0, folder).unwrap_or(0);
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.0));
        Total {
            mib: self
                .processes()
                .into_iter()
                .filter_map(resident)
                .sum::<u64>()
                / 1024,
            descriptors: of("fd"),
            threads: of("task"),
            maps: maps.unwrap_or_default().lines().count(),
        }
    }

    fn processes(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0));
        let children = tasks.into_iter().flatten().flatten().map(|task| {
            let text = std::fs::read_to_string(task.path().join("children"));
            let ids = text.unwrap_or_default();
            ids.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<u32>>()
        });
        children.flatten().chain([self.0]).collect()
    }
}

/// What was held at each time.
#[derive(Default)]
pub struct Record(Vec<(Instant, Total)>);

impl Record {
    pub fn take(&mut self, totals: &Totals) {
        self.0.push((Instant::now(), totals.now()));
    }

    /// The most memory.
    pub fn most(&self) -> u64 {
        self.0.iter().map(|(_, total)| total.mib).max().unwrap_or(0)
    }

    /// Without the first third, in which caches fill.
    fn warm(&self) -> &[(Instant, Total)] {
        &self.0[self.0.len() / 3..]
    }

    /// By how many percent of its mean a number grows in an hour (least squares).
    fn slope(&self, number: impl Fn(&Total) -> f64) -> f64 {
        let warm = self.warm();
        let Some((began, _)) = warm.first() else {
            return 0.0;
        };
        let points = warm.iter().map(|(at, total)| {
            let hours = at.duration_since(*began).as_secs_f64() / 3600.0;
            (hours, number(total))
        });
        let points: Vec<(f64, f64)> = points.collect();
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let above: f64 = points
            .iter()
            .map(|point| (point.0 - x) * (point.1 - y))
            .sum();
        let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        above / below / y * 100.0
    }

    /// The mean of a number in the second third and in the last.
    fn thirds(&self, number: impl Fn(&Total) -> f64) -> [f64; 2] {
        let (second, last) = self.warm().split_at(self.warm().len() / 2);
        [second, last].map(|part| {
            part.iter().map(|(_, total)| number(total)).sum::<f64>() / part.len().max(1) as f64
        })
    }

    /// Panics if anything grows. In a short run no slope can be told from noise, so the last third counts.
    pub fn assert_flat(&self) {
        for number in NUMBERS {
            let [second, last] = self.thirds(number.of);
            let (name, noise) = (number.name, number.noise);
            assert!(
                last < second * 1.1 + noise,
                "{name}: {second:.1}, then {last:.1}\n{self}"
            );
        }
    }
}

/// One of the numbers of a [`Total`].
struct Number {
    name: &'static str,
    of: fn(&Total) -> f64,
    /// By how much it differs between two looks at the same server.
    noise: f64,
}

const NUMBERS: [Number; 4] = [
    Number {
        name: "MB",
        of: |total| total.mib as f64,
        // What allocators and pools keep of a round differs by the memory of an instance.
        noise: 64.0,
    },
    Number {
        name: "descriptors",
        of: |total| total.descriptors as f64,
        noise: 8.0,
    },
    Number {
        name: "threads",
        of: |total| total.threads as f64,
        noise: 8.0,
    },
    Number {
        name: "maps",
        of: |total| total.maps as f64,
        noise: 8.0,
    },
];

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Number { name, of, .. } in NUMBERS {
            let [second, last] = self.thirds(of);
            let most = self
                .0
                .iter()
                .map(|(_, total)| of(total))
                .fold(0.0, f64::max);
            let slope = self.slope(of);
            writeln!(
                f,
                "{name}: {second:.1}, then {last:.1}; most {most:.0}; {slope:+.2} %/h"
            )?;
        }
        Ok(())
    }
}
