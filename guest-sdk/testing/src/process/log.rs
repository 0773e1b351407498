//! What a server writes to standard error, line by line as it comes. Judges none of it.

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
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    /// Nothing is read for now.
    stopped: bool,
    /// Nothing more is to come.
    ended: bool,
}

/// Why the log does not have what was wanted.
#[derive(Debug, PartialEq, Eq)]
pub enum Missing {
    /// The server ended.
    Ended,
    /// It did not come in time.
    Late,
}

impl Log {
    /// Reads all of it, on a thread of its own: a server whose log is not read would lose lines. `on_line` is called
    /// after each line that was added, and is dropped at the end of the log.
    pub fn follow(
        from: impl Read + Send + 'static,
        on_line: impl FnMut() + Send + 'static,
    ) -> Self {
        let log = Self::default();
        let read = log.clone();
        std::thread::spawn(move || read.read(from, on_line));
        log
    }

    fn read(&self, from: impl Read, mut on_line: impl FnMut()) {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let going_on = self
                .shared
                .changed
                .wait_while(self.lock(), |state| state.stopped);
            going_on
                .unwrap_or_else(PoisonError::into_inner)
                .lines
                .push(line);
            self.shared.changed.notify_all();
            on_line();
        }
        self.lock().ended = true;
        self.shared.changed.notify_all();
    }

    /// Stops reading, so that the server can't write its lines.
    pub fn stop(&self) {
        self.lock().stopped = true;
    }

    /// Reads on.
    pub fn go_on(&self) {
        self.lock().stopped = false;
        self.shared.changed.notify_all();
    }

    /// Looks at the lines that are there now. None is added meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&[String]) -> T) -> T {
        look(&self.lock().lines)
    }

    /// What there is of it now.
    pub fn text(&self) -> String {
        self.look(|lines| lines.join("\n"))
    }

    /// Looks at the lines now and after each that comes, until that finds something.
    pub fn wait_for<T>(
        &self,
        timeout: Duration,
        look: impl Fn(&[String]) -> Option<T>,
    ) -> Result<T, Missing> {
        self.wait(timeout, |state| match look(&state.lines) {
            Some(found) => Some(Ok(found)),
            None => state.ended.then_some(Err(Missing::Ended)),
        })
        .unwrap_or(Err(Missing::Late))
    }

    /// Waits for its end, and tells whether it came.
    pub fn ends_within(&self, timeout: Duration) -> bool {
        self.wait(timeout, |state| state.ended.then_some(()))
            .is_some()
    }

    /// Looks whenever something changes, until something was found or the time is over.
    fn wait<T>(&self, timeout: Duration, look: impl Fn(&State) -> Option<T>) -> Option<T> {
        let until = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&state) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let woken = self.shared.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn last(lines: &[String]) -> Option<String> {
        (lines.len() == 2).then(|| lines[1].clone())
    }

    #[test]
    fn what_does_not_come_is_late_or_the_log_has_ended() {
        let (log, mut server) = std::io::pipe().expect("a pipe");
        let log = Log::follow(log, || ());
        assert_eq!(
            log.wait_for(Duration::from_millis(1), last),
            Err(Missing::Late)
        );
        server.write_all(b"one\n").expect("written");
        drop(server);
        assert_eq!(log.wait_for(LONG, last), Err(Missing::Ended));
        assert!(log.ends_within(LONG));
        assert_eq!(log.text(), "one");
    }

    #[test]
    fn each_line_is_reported_when_it_is_there_and_so_is_the_end() {
        let (report, reported) = channel();
        let log = Log::follow(&b"one\ntwo \xff\n"[..], move || {
            report.send(()).expect("the test waits");
        });
        assert_eq!(log.wait_for(LONG, last), Ok("two \u{fffd}".to_owned()));
        assert_eq!(reported.iter().count(), 2);
        assert!(log.ends_within(Duration::ZERO), "its end was reported");
    }

    #[test]
    fn a_log_that_was_stopped_goes_on_where_it_was() {
        let (from, mut server) = std::io::pipe().expect("a pipe");
        let log = Log::follow(from, || ());
        log.stop();
        server.write_all(b"one\ntwo\n").expect("written");
        drop(server);
        assert!(!log.ends_within(Duration::from_millis(20)));
        assert_eq!(log.text(), "");
        log.go_on();
        assert!(log.ends_within(LONG));
        assert_eq!(log.text(), "one\ntwo");
    }
}
