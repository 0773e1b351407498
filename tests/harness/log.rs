//! The log of a server, for tests that wait for its lines beside other things: `waterspout_test::process` reads it.

use std::time::Duration;

use tokio::sync::watch;
use waterspout_test::process;
use waterspout_test::process::lines::nth_with;

use super::soon;

/// What the server has written to standard error so far.
#[derive(Clone)]
pub struct Log {
    log: process::Log,
    /// Changes with each line, and is closed at the end.
    lines: watch::Receiver<()>,
    /// How long a line may take.
    patience: Duration,
}

impl Log {
    pub fn new(log: process::Log, lines: watch::Receiver<()>, patience: Duration) -> Self {
        Self {
            log,
            lines,
            patience,
        }
    }

    /// Stops reading, so that the server can't write its lines.
    pub fn stop(&self) {
        self.log.stop();
    }

    /// Reads on.
    pub fn go_on(&self) {
        self.log.go_on();
    }

    /// All of it, once the server has ended.
    pub async fn whole(&self) -> String {
        let mut lines = self.lines.clone();
        soon(async { while lines.changed().await.is_ok() {} }).await;
        self.text()
    }

    /// Waits for a line with these words, from the beginning.
    pub async fn line_with(&self, words: &str) -> String {
        self.nth_line_with(1, words).await
    }

    /// Waits for the line with these words that is the `nth`, counted from 1.
    pub async fn nth_line_with(&self, nth: usize, words: &str) -> String {
        self.wait_for(words, |lines| {
            nth_with(lines, nth, words).map(str::to_owned)
        })
        .await
    }

    /// Looks at the lines now and after each that comes, until that finds something. The words say what was missing.
    pub async fn wait_for<T>(&self, words: &str, look: impl Fn(&[String]) -> Option<T>) -> T {
        let mut lines = self.lines.clone();
        let found = async {
            loop {
                if let Some(found) = self.log.look(&look) {
                    return Some(found);
                }
                // Closed only after the last line was looked at.
                lines.changed().await.ok()?;
            }
        };
        match tokio::time::timeout(self.patience, found).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!(
                "the server ended without a word of {words:?}:\n{}",
                self.text()
            ),
            Err(_) => panic!("no word of {words:?} in:\n{}", self.text()),
        }
    }

    /// How often something of this name has begun, by the guests' lines `NAME: begins` and `NAME: ends`. No two of
    /// them may have been under way concurrently.
    pub fn one_at_a_time(&self, name: &str) -> usize {
        let (begins, ends) = (format!("{name}: begins"), format!("{name}: ends"));
        let text = self.text();
        let (mut begun, mut under_way) = (0, false);
        for line in text.lines() {
            if line.contains(&begins) {
                assert!(!under_way, "two at once:\n{text}");
                (begun, under_way) = (begun + 1, true);
            } else if line.contains(&ends) {
                assert!(under_way, "one has ended twice:\n{text}");
                under_way = false;
            }
        }
        begun
    }

    /// What there is of it now. A line about something that has happened may still come: see `Running::logged`.
    pub fn text(&self) -> String {
        self.log.text()
    }
}
