//! Owns the measure of runs: when guest code was entered, and whether it has been inside too long. Knows
//! neither requests nor instances, and stops nothing itself.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use wasmtime::CallHook;

/// How often the epoch moves, and so how exact every limit on a run is.
pub const TICK: Duration = Duration::from_millis(5);

/// The time in ticks, and all clocks that are measured with it.
#[derive(Default)]
pub struct Ticker {
    now: AtomicU64,
    clocks: Mutex<Vec<Weak<RunClock>>>,
}

impl Ticker {
    /// Makes the clock of one instance.
    pub fn clock(self: &Arc<Self>, limits: RunLimits) -> Arc<RunClock> {
        let clock = Arc::new(RunClock {
            ticker: self.clone(),
            limits,
            entered: AtomicU64::new(OUTSIDE),
            depth: AtomicU64::new(0),
            logged: AtomicBool::new(false),
            overrun: Notify::new(),
        });
        self.clocks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&clock));
        clock
    }

    /// One tick later. Reports every run that is past its limit but sits in a host call, where no epoch
    /// reaches it.
    pub fn advance(&self) {
        self.now.fetch_add(1, Relaxed);
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.retain(|clock| match clock.upgrade() {
            Some(clock) => {
                // Two ticks of grace: where the epoch can end the run, it knows more of the culprit.
                if clock.past(clock.limits.cpu_deadline, 2) {
                    clock.overrun.notify_one();
                }
                true
            }
            None => false,
        });
    }

    fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }
}

/// How long one run may last. `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunLimits {
    /// Past it, the run is ended.
    pub cpu_deadline: Option<Duration>,
    /// Past it, the run is logged, once.
    pub block_log: Option<Duration>,
}

/// The run that one instance is in, if any.
///
/// A run begins when guest code is entered and ends when it returns or waits in a component-model wait. While
/// it waits, the instance's event loop turns, which is how a wait is seen here.
pub struct RunClock {
    ticker: Arc<Ticker>,
    limits: RunLimits,
    entered: AtomicU64,
    depth: AtomicU64,
    logged: AtomicBool,
    overrun: Notify,
}

/// What `entered` says while no guest code runs.
const OUTSIDE: u64 = u64::MAX;

/// What is to be done about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// It has just passed `block_log`.
    Log,
    /// It has passed `cpu_deadline`.
    End,
}

impl RunClock {
    /// Follows the store's call hook, and says whether the run must be looked at.
    pub fn on(&self, hook: CallHook) -> Verdict {
        match hook {
            CallHook::CallingWasm => {
                if self.depth.load(Relaxed) == 0 {
                    self.begin();
                }
                self.depth.store(self.depth.load(Relaxed) + 1, Relaxed);
                Verdict::Fine
            }
            CallHook::ReturningFromWasm => {
                let depth = self.depth.load(Relaxed).saturating_sub(1);
                self.depth.store(depth, Relaxed);
                if depth == 0 {
                    self.entered.store(OUTSIDE, Relaxed);
                }
                Verdict::Fine
            }
            CallHook::ReturningFromHost => {
                if self.entered.load(Relaxed) == OUTSIDE {
                    // A fiber that waited is resumed: a new run, one call deep.
                    self.depth.store(1, Relaxed);
                    self.begin();
                }
                self.verdict()
            }
            CallHook::CallingHost => Verdict::Fine,
        }
    }

    /// Drives what goes on beside the guest in the instance's event loop. The loop polls it only between runs:
    /// one that is merely interrupted, by the epoch or by a blocking call, keeps the loop to itself.
    pub async fn between_runs<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.outside();
            work.as_mut().poll(cx)
        })
        .await
    }

    fn outside(&self) {
        self.entered.store(OUTSIDE, Relaxed);
        self.depth.store(0, Relaxed);
    }

    /// What is to be done about the run under way.
    pub fn verdict(&self) -> Verdict {
        if self.past(self.limits.cpu_deadline, 0) {
            Verdict::End
        } else if self.past(self.limits.block_log, 0) && !self.logged.swap(true, Relaxed) {
            Verdict::Log
        } else {
            Verdict::Fine
        }
    }

    /// Waits until a run is past `cpu_deadline` in a host call.
    pub async fn overrun(&self) {
        self.overrun.notified().await;
    }

    fn begin(&self) {
        self.entered.store(self.ticker.now(), Relaxed);
        self.logged.store(false, Relaxed);
    }

    fn past(&self, limit: Option<Duration>, grace: u64) -> bool {
        let entered = self.entered.load(Relaxed);
        let Some(limit) = limit else { return false };
        let ticks = limit.as_nanos().div_ceil(TICK.as_nanos());
        entered != OUTSIDE
            && u128::from(self.ticker.now().saturating_sub(entered)) > ticks + u128::from(grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> (Arc<Ticker>, Arc<RunClock>) {
        let ticker = Arc::new(Ticker::default());
        let clock = ticker.clock(RunLimits {
            cpu_deadline: Some(TICK * 4),
            block_log: Some(TICK * 2),
        });
        (ticker, clock)
    }

    fn advance(ticker: &Ticker, ticks: usize) {
        (0..ticks).for_each(|_| ticker.advance());
    }

    #[test]
    fn a_run_is_logged_once_and_then_ended() {
        let (ticker, clock) = clock();
        clock.on(CallHook::CallingWasm);
        assert_eq!(clock.verdict(), Verdict::Fine);
        advance(&ticker, 3);
        assert_eq!(clock.verdict(), Verdict::Log);
        assert_eq!(clock.verdict(), Verdict::Fine);
        advance(&ticker, 2);
        assert_eq!(clock.verdict(), Verdict::End);
    }

    #[test]
    fn a_nested_call_does_not_start_the_run_anew() {
        let (ticker, clock) = clock();
        clock.on(CallHook::CallingWasm);
        advance(&ticker, 3);
        for hook in [
            CallHook::CallingHost,
            CallHook::CallingWasm,
            CallHook::ReturningFromWasm,
            CallHook::ReturningFromHost,
        ] {
            clock.on(hook);
        }
        advance(&ticker, 2);
        assert_eq!(clock.verdict(), Verdict::End);
    }

    #[test]
    fn a_wait_ends_the_run() {
        let (ticker, clock) = clock();
        clock.on(CallHook::CallingWasm);
        clock.on(CallHook::CallingHost);
        clock.outside();
        advance(&ticker, 50);
        assert_eq!(clock.on(CallHook::ReturningFromHost), Verdict::Fine);
        advance(&ticker, 5);
        assert_eq!(clock.verdict(), Verdict::End);
        clock.on(CallHook::ReturningFromWasm);
        assert_eq!(clock.verdict(), Verdict::Fine);
    }
}
