//! Work again and again, in one instance. A loop that only one of all instances runs is `spawn_loop`.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::ioloop::background::{self, Kind};
use crate::ioloop::timers::{Timeout, here, until};
use crate::result::Result;
use crate::runtime::logging::log_error;

/// Runs something again and again. Tornado's
/// [`PeriodicCallback`](https://www.tornadoweb.org/en/stable/ioloop.html#tornado.ioloop.PeriodicCallback).
///
/// The first run is one period after [`start`](Self::start). There are never two at a time: a run that takes longer
/// than the period skips beats, and the next one is in time again. Errors are logged, and end nothing. It belongs to
/// this instance, and ends when that drains.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// # async fn tidy_up() -> Result { Ok(()) }
/// async fn start() -> Result {
///     PeriodicCallback::new(Duration::from_secs(60), tidy_up)
///         .with_jitter(0.1)
///         .start()
/// }
/// ```
#[derive(Debug)]
pub struct PeriodicCallback<F> {
    period: Duration,
    jitter: f64,
    callback: Rc<F>,
    /// The last start, unless it was stopped.
    started: Rc<RefCell<Option<Timeout>>>,
    place: &'static Location<'static>,
}

impl<F, W> PeriodicCallback<F>
where
    F: Fn() -> W + 'static,
    W: Future<Output = Result>,
{
    /// One that does not run yet. A period of nothing is one millisecond, and one of more than 584 years is that long.
    #[track_caller]
    pub fn new(period: Duration, callback: F) -> Self {
        Self {
            period: period.max(Duration::from_millis(1)),
            jitter: 0.0,
            callback: Rc::new(callback),
            started: Rc::default(),
            place: Location::caller(),
        }
    }

    /// Makes each period longer or shorter at random, by a part of itself: 0.1 is 5 % either way. So callbacks that
    /// were started together do not stay together.
    pub fn with_jitter(mut self, jitter: f64) -> Self {
        self.jitter = match jitter.is_nan() {
            true => 0.0,
            false => jitter.clamp(0.0, 1.0),
        };
        self
    }

    /// Starts it, unless it runs.
    pub fn start(&self) -> Result {
        if self.is_running() {
            return Ok(());
        }
        let name = format!("PeriodicCallback at {}", here(self.place));
        let (callback, started) = (self.callback.clone(), self.started.clone());
        let (what, period, jitter) = (name.clone(), self.period, self.jitter);
        let waits = Rc::new(Cell::new(true));
        let shared = waits.clone();
        let task = background::register(
            &name,
            Kind::Spawned,
            Box::pin(async move {
                // Stopped in a run, it may have been started again as another task.
                let is_on = || {
                    let started = started.borrow();
                    started.as_ref().is_some_and(|it| it.waits_by(&shared))
                };
                let begin = Instant::now();
                let mut beats = Beats::new(period);
                while is_on() {
                    let now = begin.elapsed();
                    let next = beats.next(now, varied(period, jitter));
                    shared.set(true);
                    let is_due = until(next.saturating_sub(now)).await;
                    shared.set(false);
                    if !is_due {
                        log::debug!("{what} ends: its instance is to end");
                        started.take();
                        break;
                    }
                    log_error(&what, callback().await);
                }
                Ok(())
            }),
        )?;
        self.started.replace(Some(Timeout::new(task, waits)));
        Ok(())
    }

    /// Ends it, and its task with it. A run that is under way comes to its end.
    pub fn stop(&self) {
        let started = self.started.take();
        if let Some(started) = started {
            started.cancel();
        }
    }

    /// Whether it was started and not stopped.
    pub fn is_running(&self) -> bool {
        self.started.borrow().is_some()
    }
}

/// When a periodic callback is due, counted from its start. A time that is out of range becomes the last possible.
struct Beats {
    next: Duration,
    period: Duration,
}

impl Beats {
    fn new(period: Duration) -> Self {
        Self {
            next: Duration::ZERO,
            period,
        }
    }

    /// The next beat. Missed beats are skipped, as in Tornado.
    fn next(&mut self, now: Duration, period: Duration) -> Duration {
        if let Some(late) = now.checked_sub(self.next)
            && late >= period
        {
            let skipped = late.as_nanos() / self.period.as_nanos().max(1);
            let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
            self.next = self
                .next
                .saturating_add(self.period.saturating_mul(skipped));
        }
        self.next = self.next.saturating_add(period);
        self.next
    }
}

fn varied(period: Duration, jitter: f64) -> Duration {
    if jitter == 0.0 {
        return period;
    }
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    let varied = period.as_secs_f64() * (1.0 + jitter * (random - 0.5));
    Duration::try_from_secs_f64(varied).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_too_long_skips_beats() {
        let at = Duration::from_secs;
        let period = at(10);
        let mut beats = Beats::new(period);
        assert_eq!(beats.next(at(0), period), at(10));
        assert_eq!(beats.next(at(13), period), at(20));
        // The run that began at 20 has ended at 45.
        assert_eq!(beats.next(at(45), period), at(50));
        assert_eq!(beats.next(at(60), period), at(70));
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        let period = Duration::from_secs(10);
        for _ in 0..100 {
            let varied = varied(period, 0.2);
            assert!(varied >= period.mul_f64(0.9) && varied <= period.mul_f64(1.1));
        }
        assert_eq!(varied(period, 0.0), period);
    }

    #[test]
    fn the_longest_period_is_as_good_as_any() {
        let longest = Duration::MAX;
        for _ in 0..100 {
            assert!(varied(longest, 1.0) >= longest.mul_f64(0.49));
        }
        let mut beats = Beats::new(longest);
        for now in [Duration::ZERO, Duration::from_secs(1), longest, longest] {
            assert_eq!(beats.next(now, longest), longest);
        }
        // A callback that missed more beats than can be counted.
        let mut beats = Beats::new(Duration::from_millis(1));
        assert!(beats.next(longest, Duration::from_millis(1)) > Duration::ZERO);
        let nothing = || async { Ok(()) };
        let callback = PeriodicCallback::new(longest, nothing);
        assert_eq!(callback.with_jitter(f64::NAN).jitter, 0.0);
    }
}
