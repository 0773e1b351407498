//! What the server writes to standard error, as it comes. Judges none of it.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The log of one server.
#[derive(Clone, Debug, Default)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    entries: Vec<Entry>,
    /// Nothing more is to come.
    ended: bool,
}

/// A line, with those that are indented below it.
#[derive(Debug)]
pub struct Entry(String);

/// Why there is no entry as it was wanted.
#[derive(Debug, PartialEq, Eq)]
pub enum Missing {
    /// The server ended.
    Ended,
    /// It did not come in time.
    Late,
}

impl Log {
    /// Reads all of it, on a thread of its own: a server whose log is not read would lose lines.
    pub fn follow(from: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let written = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                written.write(&String::from_utf8_lossy(&line));
            }
            written.lock().ended = true;
            written.shared.more.notify_all();
        });
        log
    }

    fn write(&self, line: &str) {
        let mut said = self.lock();
        match said.entries.last_mut() {
            Some(last) if line.starts_with("    ") => last.0.extend(["\n", line]),
            _ => said.entries.push(Entry::new(line)),
        }
        self.shared.more.notify_all();
    }

    /// How many entries there are so far.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// What `wanted` makes of the first entry that fits, after this number of entries.
    pub fn wait_for<T>(
        &self,
        after: usize,
        timeout: Duration,
        wanted: impl Fn(&Entry) -> Option<T>,
    ) -> Result<T, Missing> {
        self.wait(timeout, |said| {
            let found = said.entries.iter().skip(after).find_map(&wanted);
            match found {
                Some(found) => Some(Ok(found)),
                None => said.ended.then_some(Err(Missing::Ended)),
            }
        })
        .unwrap_or(Err(Missing::Late))
    }

    /// Waits for its end, and tells whether it came.
    pub fn ends_within(&self, timeout: Duration) -> bool {
        self.wait(timeout, |said| said.ended.then_some(()))
            .is_some()
    }

    pub fn text(&self) -> String {
        let said = self.lock();
        let texts: Vec<&str> = said.entries.iter().map(Entry::text).collect();
        texts.join("\n")
    }

    /// Looks whenever there is more, until something was found or the time is over.
    fn wait<T>(&self, timeout: Duration, look: impl Fn(&Said) -> Option<T>) -> Option<T> {
        let until = Instant::now() + timeout;
        let mut said = self.lock();
        loop {
            if let Some(found) = look(&said) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let woken = self.shared.more.wait_timeout(said, left);
            said = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.shared
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    pub fn new(line: &str) -> Self {
        Self(line.to_owned())
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether this logger wrote it: `[I 260101 12:00:00 app stories.wasm] …`. An empty one is any.
    pub fn is_of(&self, logger: &str) -> bool {
        if logger.is_empty() {
            return true;
        }
        let head = self.0.strip_prefix('[');
        let name = head.and_then(|head| head.split(' ').nth(3));
        name.is_some_and(|name| name.trim_end_matches(']') == logger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_indented_belongs_to_the_line_above() {
        let log = Log::follow(
            &b"[I 260101 12:00:00 general] loading a\n[W 260101 12:00:00 app a.wasm] one\n    two\n"[..],
        );
        let two = |logger: &'static str| {
            move |entry: &Entry| {
                (entry.is_of(logger) && entry.text().contains("two"))
                    .then(|| entry.text().to_owned())
            }
        };
        let long = Duration::from_secs(60);
        let found = Ok("[W 260101 12:00:00 app a.wasm] one\n    two".to_owned());
        assert!(log.ends_within(long));
        assert_eq!(log.wait_for(0, long, two("app")), found);
        assert_eq!(log.wait_for(1, long, two("")), found);
        assert_eq!(log.wait_for(2, long, two("")), Err(Missing::Ended));
        assert_eq!(log.wait_for(0, long, two("general")), Err(Missing::Ended));
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn what_does_not_come_is_late() {
        let (silent, _writer) = std::io::pipe().expect("a pipe");
        let log = Log::follow(silent);
        let nothing = |_: &Entry| None::<()>;
        let missing = log.wait_for(0, Duration::from_millis(1), nothing);
        assert_eq!(missing, Err(Missing::Late));
    }
}
