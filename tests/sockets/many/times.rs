//! How long things took: of many, the middle and the longest.

use std::fmt;
use std::time::Duration;

#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn longest(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    /// How many are.
    pub fn longer_than(&self, time: Duration) -> usize {
        self.0.iter().filter(|other| **other > time).count()
    }

    pub fn shortest(&self) -> Duration {
        self.0.iter().min().copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl Extend<Times> for Times {
    fn extend<I: IntoIterator<Item = Times>>(&mut self, all: I) {
        self.0.extend(all.into_iter().flat_map(|times| times.0));
    }
}

/// In milliseconds.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let [half, most, all] = [0.5, 0.99, 1.0].map(|part| {
            let at = (sorted.len() as f64 * part) as usize;
            let time = sorted.get(at.min(sorted.len().saturating_sub(1)));
            time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
        });
        write!(f, "p50 {half:.1} p99 {most:.1} max {all:.1} ms")
    }
}
