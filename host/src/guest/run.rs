//! Owns the measure of runs: when guest code was entered, and whether it has been inside too long. Knows neither
//! requests nor instances, and stops nothing itself.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use wasmtime::CallHook;

/// How often the epoch moves, and so how exact every limit on a run is.
pub const TICK: Duration = Duration::from_millis(5);

/// The time in ticks, and all clocks that use it.
#[derive(Default)]
pub struct Ticker {
    now: AtomicU64,
    clocks: Mutex<Vec<Weak<RunClock>>>,
}

impl Ticker {
    /// Makes the clock of one instance. Each tick during which its guest runs adds one to `beats`.
    pub fn clock(self: &Arc<Self>, limits: RunLimits, beats: Arc<AtomicU64>) -> Arc<RunClock> {
        let clock = Arc::new(RunClock {
            ticker: self.clone(),
            cpu_deadline: AtomicU64::new(ticks(limits.cpu_deadline)),
            block_log: AtomicU64::new(ticks(limits.block_log)),
            entered: AtomicU64::new(OUTSIDE),
            paused: AtomicU64::new(RUNNING),
            turn: AtomicU64::new(0),
            depth: AtomicU64::new(0),
            logged: AtomicBool::new(false),
            overrun: Notify::new(),
            beats,
        });
        self.clocks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&clock));
        clock
    }

    /// Moves the time by one tick. Reports every run that is past its limit in a host call, where no epoch reaches it.
    pub fn advance(&self) {
        self.now.fetch_add(1, Relaxed);
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.retain(|clock| match clock.upgrade() {
            Some(clock) => {
                // Two more ticks: where the epoch can end the run, it knows more of the culprit.
                if clock.past(&clock.cpu_deadline, 2) {
                    clock.overrun.notify_one();
                }
                if clock.is_under_way() && clock.paused.load(Relaxed) == RUNNING {
                    clock.beats.fetch_add(1, Relaxed);
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

/// How long one run may last. `None`: without a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunLimits {
    /// Past it, the run is ended.
    pub cpu_deadline: Option<Duration>,
    /// Past it, the run is logged, once.
    pub block_log: Option<Duration>,
}

/// A limit in ticks. A run is past it when it has lasted for at least one tick more. `None` is never reached.
fn ticks(limit: Option<Duration>) -> u64 {
    limit.map_or(u64::MAX, |limit| {
        let ticks = limit.as_nanos().div_ceil(TICK.as_nanos());
        u64::try_from(ticks).unwrap_or(u64::MAX)
    })
}

/// The run that one instance is in, if any.
///
/// A run begins when guest code is entered. It ends when the code returns or waits in a component-model wait. During a
/// wait the instance's event loop turns, which is how a wait is noticed here. While a run has yielded its thread
/// because of the epoch, its time stands still: a busy neighbour does not count.
pub struct RunClock {
    ticker: Arc<Ticker>,
    /// In ticks, as all times here.
    cpu_deadline: AtomicU64,
    block_log: AtomicU64,
    entered: AtomicU64,
    paused: AtomicU64,
    turn: AtomicU64,
    depth: AtomicU64,
    logged: AtomicBool,
    overrun: Notify,
    beats: Arc<AtomicU64>,
}

/// The value of `entered` while no guest code runs.
const OUTSIDE: u64 = u64::MAX;

/// The value of `paused` unless the run has yielded its thread.
const RUNNING: u64 = u64::MAX;

/// The error that ends a run that is too long.
#[derive(Debug)]
pub struct Overrun;

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it ran for longer than `cpu_deadline` without a wait")
    }
}

impl std::error::Error for Overrun {}

/// What to do about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// The run has just begun.
    Began,
    /// The run has just passed `block_log`.
    Log,
    /// The run has passed `cpu_deadline`.
    End,
}

impl RunClock {
    /// Follows the store's call hook, and says what to do about the run.
    pub fn on(&self, hook: CallHook) -> Verdict {
        match hook {
            CallHook::CallingWasm => {
                let depth = self.depth.load(Relaxed);
                self.depth.store(depth + 1, Relaxed);
                if depth == 0 {
                    self.begin()
                } else {
                    Verdict::Fine
                }
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
                    // A fiber that waited is resumed: this is a new run, one call deep.
                    self.depth.store(1, Relaxed);
                    return self.begin();
                }
                self.verdict()
            }
            CallHook::CallingHost => Verdict::Fine,
        }
    }

    /// Drives futures beside the guest in the instance's event loop. The loop polls them only between runs. A run that
    /// is only interrupted, by the epoch or by a blocking call, keeps the loop to itself.
    pub async fn between_runs<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.outside();
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Drives an instance. Ends a run that is past `cpu_deadline` in a host call, where nothing else can end it.
    pub async fn within_limits<F: Future>(&self, work: F) -> Result<F::Output, Overrun> {
        let mut work = pin!(work);
        let mut overrun = pin!(self.overrun());
        poll_fn(|cx| {
            self.resume();
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            overrun.as_mut().poll(cx).map(|()| Err(Overrun))
        })
        .await
    }

    /// Has other limits until the result is dropped.
    pub fn limited(&self, limits: RunLimits) -> Limited<'_> {
        let swap = |limit: &AtomicU64, time| limit.swap(ticks(time), Relaxed);
        Limited {
            clock: self,
            cpu_deadline: swap(&self.cpu_deadline, limits.cpu_deadline),
            block_log: swap(&self.block_log, limits.block_log),
        }
    }

    /// Whether guest code is inside: it runs, or has yielded its thread and will continue.
    pub fn is_under_way(&self) -> bool {
        self.entered.load(Relaxed) != OUTSIDE
    }

    /// Whether the run under way has lasted for a tick. Never true between runs.
    pub fn is_old(&self) -> bool {
        let entered = self.entered.load(Relaxed);
        entered != OUTSIDE && self.ticker.now() > entered
    }

    /// Waits, for a run that has yielded its thread. Its time stands still meanwhile.
    pub async fn pausing<F: Future>(&self, wait: F) -> F::Output {
        let mut wait = pin!(wait);
        poll_fn(|cx| {
            let waited = wait.as_mut().poll(cx);
            if waited.is_pending() {
                self.pause();
            }
            waited
        })
        .await
    }

    fn pause(&self) {
        self.paused.store(self.ticker.now(), Relaxed);
    }

    fn resume(&self) {
        let paused = self.paused.load(Relaxed);
        if paused == RUNNING {
            return;
        }
        self.paused.store(RUNNING, Relaxed);
        let entered = self.entered.load(Relaxed);
        if entered != OUTSIDE {
            let pause = self.ticker.now().saturating_sub(paused);
            self.entered.store(entered + pause, Relaxed);
        }
    }

    /// The time in a unit that only [`RunClock::has_passed`] understands.
    pub fn now(&self) -> u64 {
        self.ticker.now()
    }

    /// Whether this much time has passed since.
    pub fn has_passed(&self, time: Duration, since: u64) -> bool {
        self.now().saturating_sub(since) > ticks(Some(time))
    }

    /// Counts the turns of the instance's event loop. A note from the beginning of a run is valid for a fault in the
    /// same turn.
    pub fn turn(&self) -> u64 {
        self.turn.load(Relaxed)
    }

    fn outside(&self) {
        self.turn.store(self.turn.load(Relaxed) + 1, Relaxed);
        self.entered.store(OUTSIDE, Relaxed);
        self.depth.store(0, Relaxed);
    }

    /// What to do about the run under way.
    pub fn verdict(&self) -> Verdict {
        if self.past(&self.cpu_deadline, 0) {
            Verdict::End
        } else if self.past(&self.block_log, 0) && !self.logged.swap(true, Relaxed) {
            Verdict::Log
        } else {
            Verdict::Fine
        }
    }

    /// Waits until a run is past `cpu_deadline` in a host call. Ignores a run that has ended since it was reported.
    async fn overrun(&self) {
        loop {
            self.overrun.notified().await;
            if self.past(&self.cpu_deadline, 0) {
                return;
            }
        }
    }

    fn begin(&self) -> Verdict {
        self.entered.store(self.ticker.now(), Relaxed);
        self.logged.store(false, Relaxed);
        Verdict::Began
    }

    fn past(&self, limit: &AtomicU64, grace: u64) -> bool {
        let limit = limit.load(Relaxed);
        let entered = self.entered.load(Relaxed);
        let now = self.ticker.now().min(self.paused.load(Relaxed));
        entered != OUTSIDE && now.saturating_sub(entered) > limit.saturating_add(grace)
    }
}

/// A clock with other limits than its own.
pub struct Limited<'a> {
    clock: &'a RunClock,
    cpu_deadline: u64,
    block_log: u64,
}

impl Drop for Limited<'_> {
    fn drop(&mut self) {
        self.clock.cpu_deadline.store(self.cpu_deadline, Relaxed);
        self.clock.block_log.store(self.block_log, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> (Arc<Ticker>, Arc<RunClock>) {
        let ticker = Arc::new(Ticker::default());
        let limits = RunLimits {
            cpu_deadline: Some(TICK * 4),
            block_log: Some(TICK * 2),
        };
        let clock = ticker.clock(limits, Arc::default());
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
    fn other_limits_hold_as_long_as_they_are_wanted() {
        let (ticker, clock) = clock();
        let limited = clock.limited(RunLimits {
            cpu_deadline: None,
            block_log: None,
        });
        clock.on(CallHook::CallingWasm);
        advance(&ticker, 15);
        assert_eq!(clock.verdict(), Verdict::Fine);
        drop(limited);
        assert_eq!(clock.verdict(), Verdict::End);
    }

    #[test]
    fn a_run_is_old_from_the_next_tick_on_and_as_long_as_it_lasts() {
        let (ticker, clock) = clock();
        assert!(!clock.is_old());
        clock.on(CallHook::CallingWasm);
        clock.on(CallHook::CallingHost);
        assert!(!clock.is_old());
        advance(&ticker, 1);
        assert!(clock.is_old());
        clock.outside();
        assert!(!clock.is_old());
        clock.on(CallHook::ReturningFromHost);
        assert!(!clock.is_old());
    }

    #[test]
    fn the_time_of_runs_is_counted_in_ticks() {
        let (ticker, clock) = clock();
        advance(&ticker, 3);
        clock.on(CallHook::CallingWasm);
        advance(&ticker, 4);
        clock.pause();
        advance(&ticker, 5);
        clock.resume();
        advance(&ticker, 1);
        clock.on(CallHook::ReturningFromWasm);
        advance(&ticker, 6);
        assert_eq!(clock.beats.load(Relaxed), 5);
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
        assert_eq!(clock.on(CallHook::ReturningFromHost), Verdict::Began);
        advance(&ticker, 5);
        assert_eq!(clock.verdict(), Verdict::End);
        clock.on(CallHook::ReturningFromWasm);
        assert_eq!(clock.verdict(), Verdict::Fine);
    }

    #[test]
    fn a_run_that_yields_its_thread_does_not_age() {
        let (ticker, clock) = clock();
        clock.on(CallHook::CallingWasm);
        advance(&ticker, 2);
        clock.pause();
        advance(&ticker, 50);
        assert_eq!(clock.verdict(), Verdict::Fine);
        clock.resume();
        assert_eq!(clock.verdict(), Verdict::Fine);
        advance(&ticker, 3);
        assert_eq!(clock.verdict(), Verdict::End);
    }

    #[tokio::test]
    async fn a_report_of_a_run_that_has_ended_ends_no_other() {
        let (ticker, clock) = clock();
        clock.on(CallHook::CallingWasm);
        advance(&ticker, 7);
        clock.on(CallHook::ReturningFromWasm);
        let two_turns = async {
            clock.between_runs(tokio::task::yield_now()).await;
            clock.on(CallHook::CallingWasm);
            tokio::task::yield_now().await;
        };
        assert!(clock.within_limits(two_turns).await.is_ok());
        // While this one is stuck.
        advance(&ticker, 7);
        let stuck = std::future::pending::<()>();
        assert!(clock.within_limits(stuck).await.is_err());
    }
}
