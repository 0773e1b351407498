//! Concurrent futures in one event loop, each of them polled only when it was woken. Knows nothing of what it drives.
//!
//! futures-util's `FuturesUnordered` does the same for any number of threads; a wait costs it some 15 atomic
//! instructions. Here nearly every wake comes from the loop's own thread, so a lock without contention is enough.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::timer::Timer;

/// How often each future is polled at least. A future with a long time limit needs no timer of its own.
const SWEEP: Duration = Duration::from_secs(5);

/// How many futures are polled before others on the thread have their turns: there may be thousands.
const IN_A_ROW: usize = 256;

/// How many slots are kept when all are empty.
const KEPT: usize = 64;

/// Futures that wait for a turn of the task that drives them. One of them continues at each turn, without a wake. It
/// is for futures that started a call: the loop runs one call at each turn.
#[derive(Default)]
pub struct Line(AtomicBool);

impl Line {
    /// Waits for one's turn. The driver must see to it that there are enough turns.
    pub async fn wait(&self) {
        let mut has_waited = false;
        poll_fn(|_| match std::mem::replace(&mut has_waited, true) {
            true => Poll::Ready(()),
            false => {
                self.0.store(true, Relaxed);
                Poll::Pending
            }
        })
        .await;
    }

    /// Whether the future that was polled just now waits in it.
    fn is_joined(&self) -> bool {
        let is_joined = self.0.load(Relaxed);
        if is_joined {
            self.0.store(false, Relaxed);
        }
        is_joined
    }
}

/// Futures that one task drives. A turn ends when nothing is left to poll.
pub(super) struct TaskSet<'a, F> {
    slots: Vec<TaskSlot<F>>,
    empty: Vec<usize>,
    /// The slots to be polled.
    called: VecDeque<usize>,
    /// The slots of the futures in `line`.
    in_line: VecDeque<usize>,
    line: &'a Line,
    in_turn: bool,
    calls: Arc<Calls>,
    /// The waker of the task that drives the futures.
    driver: Option<Waker>,
    sweep: Sweep,
}

/// A place for one future, which is used again when that is over.
struct TaskSlot<F> {
    life: Pin<Box<Option<F>>>,
    waker: Waker,
}

impl<'a, F: Future> TaskSet<'a, F> {
    pub(super) fn new(line: &'a Line) -> Self {
        Self {
            slots: Vec::new(),
            empty: Vec::new(),
            called: VecDeque::new(),
            in_line: VecDeque::new(),
            line,
            in_turn: false,
            calls: Arc::default(),
            driver: None,
            sweep: Sweep::default(),
        }
    }

    /// How many futures there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.empty.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a future. It is polled after those that were woken before it.
    pub(super) fn push(&mut self, life: F) {
        let number = self.empty.pop().unwrap_or_else(|| {
            let number = self.slots.len();
            let calls = self.calls.clone();
            self.slots.push(TaskSlot {
                life: Box::pin(None),
                waker: Arc::new(SlotWaker { number, calls }).into(),
            });
            number
        });
        self.slots[number].life.set(Some(life));
        self.calls.take(&mut self.called);
        self.called.push_back(number);
    }

    /// Has all futures polled, so that each can look at the time.
    fn call_all(&mut self) {
        self.called = (0..self.slots.len()).collect();
    }

    fn next_called(&mut self, cx: &mut Context<'_>) -> Option<usize> {
        // As long as a future is in the line, there is a next turn.
        let is_quiet = self.called.is_empty() && self.in_line.is_empty() && !self.is_empty();
        if is_quiet && self.sweep.poll_due(cx) {
            self.call_all();
        }
        self.called.pop_front()
    }

    /// The output of a future that is over. `None`: there are no futures.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if !matches!(&self.driver, Some(driver) if driver.will_wake(cx.waker())) {
            self.driver = Some(cx.waker().clone());
            self.calls.state().driver = self.driver.clone();
        }
        self.calls.take(&mut self.called);
        if !std::mem::replace(&mut self.in_turn, true) {
            self.called.extend(self.in_line.pop_front());
        }
        let mut polled = 0;
        while let Some(number) = self.next_called(cx) {
            polled += 1;
            if polled > IN_A_ROW {
                self.called.push_front(number);
                cx.waker().wake_by_ref();
                break;
            }
            // The wake may be meant for a future that was in this slot before.
            let Some(slot) = self.slots.get_mut(number) else {
                continue;
            };
            let Some(life) = slot.life.as_mut().as_pin_mut() else {
                continue;
            };
            if let Poll::Ready(output) = life.poll(&mut Context::from_waker(&slot.waker)) {
                slot.life.set(None);
                self.empty.push(number);
                if self.is_empty() && self.slots.len() > KEPT {
                    self.slots = Vec::new();
                    self.empty = Vec::new();
                }
                return Poll::Ready(Some(output));
            }
            if self.line.is_joined() {
                self.in_line.push_back(number);
            }
        }
        self.in_turn = false;
        match self.is_empty() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}

/// When all futures are polled next, woken or not.
#[derive(Default)]
struct Sweep {
    next: Option<Instant>,
    timer: Timer,
}

impl Sweep {
    fn poll_due(&mut self, cx: &mut Context<'_>) -> bool {
        let mut is_due = false;
        let mut next = *self.next.get_or_insert_with(|| Instant::now() + SWEEP);
        while self.timer.poll_until(next, cx).is_ready() {
            is_due = true;
            next = Instant::now() + SWEEP;
        }
        self.next = Some(next);
        is_due
    }
}

/// The wakes that are not handled yet.
#[derive(Default)]
struct Calls {
    state: Mutex<State>,
    /// Whether there are any, to be read without the lock. Changed only with it.
    any: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The slots that were woken, the first one first.
    slots: Vec<usize>,
    /// For each slot, whether it is among them.
    is_in: Vec<bool>,
    driver: Option<Waker>,
}

impl Calls {
    /// Takes all of them.
    fn take(&self, called: &mut VecDeque<usize>) {
        // A wake that comes too late for this look wakes the driver.
        if !self.any.load(Relaxed) {
            return;
        }
        let state = &mut *self.state();
        for number in state.slots.drain(..) {
            state.is_in[number] = false;
            called.push_back(number);
        }
        self.any.store(false, Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes one slot.
struct SlotWaker {
    number: usize,
    calls: Arc<Calls>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.calls.state();
        if state.is_in.len() <= self.number {
            state.is_in.resize(self.number + 1, false);
        }
        if std::mem::replace(&mut state.is_in[self.number], true) {
            return;
        }
        state.slots.push(self.number);
        self.calls.any.store(true, Relaxed);
        // One wake is enough: the driver takes all of them.
        if let ([_], Some(driver)) = (&state.slots[..], &state.driver) {
            driver.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::future::pending;
    use std::pin::pin;
    use std::rc::Rc;

    use futures_util::FutureExt;
    use futures_util::future::{LocalBoxFuture, join};
    use tokio::sync::oneshot;

    use super::*;

    type Life<'a> = LocalBoxFuture<'a, usize>;

    async fn next(requests_inside: &mut TaskSet<'_, Life<'_>>) -> Option<usize> {
        poll_fn(|cx| requests_inside.poll_next(cx)).await
    }

    #[tokio::test]
    async fn what_is_over_comes_out_and_its_room_is_used_again() {
        let line = Line::default();
        let mut requests_inside = TaskSet::new(&line);
        assert_eq!(next(&mut requests_inside).await, None);
        for round in 0..3 {
            let (senders, waiting): (Vec<_>, Vec<_>) = (0..100).map(|_| oneshot::channel()).unzip();
            for (number, waiting) in waiting.into_iter().enumerate() {
                requests_inside.push(Box::pin(
                    async move { waiting.await.map_or(0, |()| number) },
                ));
            }
            assert_eq!(requests_inside.len(), 100);
            let send = async {
                for sender in senders.into_iter().rev() {
                    sender.send(()).expect("it waits");
                    tokio::task::yield_now().await;
                }
            };
            let receive = async {
                let mut over = Vec::new();
                while let Some(number) = next(&mut requests_inside).await {
                    over.push(number);
                }
                over
            };
            let ((), over) = join(send, receive).await;
            assert_eq!(over, (0..100).rev().collect::<Vec<_>>(), "round {round}");
        }
    }

    #[tokio::test]
    async fn who_is_not_called_is_not_polled() {
        let line = Line::default();
        let polled = Rc::new(RefCell::new(Vec::new()));
        let mut requests_inside: TaskSet<'_, Life<'_>> = TaskSet::new(&line);
        let mut senders = Vec::new();
        for number in 0..4 {
            let (sender, waiting) = oneshot::channel::<()>();
            senders.push(sender);
            let polled = polled.clone();
            requests_inside.push(Box::pin(async move {
                let mut waiting = pin!(waiting);
                poll_fn(|cx| {
                    polled.borrow_mut().push(number);
                    waiting.as_mut().poll(cx).map(|_| number)
                })
                .await
            }));
        }
        let third = senders.remove(2);
        let call = async {
            tokio::task::yield_now().await;
            third.send(()).expect("it waits");
        };
        let ((), over) = join(call, next(&mut requests_inside)).await;
        assert_eq!(over, Some(2));
        let mut polled = polled.borrow().clone();
        assert_eq!(polled.pop(), Some(2));
        polled.sort_unstable();
        assert_eq!(polled, [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn who_has_called_is_before_who_comes() {
        let line = Line::default();
        let mut requests_inside: TaskSet<'_, Life<'_>> = TaskSet::new(&line);
        let (sender, waiting) = oneshot::channel();
        requests_inside.push(Box::pin(async { waiting.await.expect("it is sent") }));
        let first = poll_fn(|cx| Poll::Ready(requests_inside.poll_next(cx)));
        assert!(first.await.is_pending());
        sender.send(1).expect("it waits");
        requests_inside.push(Box::pin(async { 2 }));
        assert_eq!(next(&mut requests_inside).await, Some(1));
        assert_eq!(next(&mut requests_inside).await, Some(2));
    }

    #[tokio::test]
    async fn a_call_from_another_thread_is_followed() {
        let line = Line::default();
        let mut requests_inside: TaskSet<'_, Life<'_>> = TaskSet::new(&line);
        for _ in 0..1000 {
            let (sender, waiting) = oneshot::channel();
            requests_inside.push(Box::pin(async { waiting.await.expect("it is sent") }));
            let other = std::thread::spawn(move || sender.send(1));
            assert_eq!(next(&mut requests_inside).await, Some(1));
            other.join().expect("a thread").expect("it waits");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_are_polled_every_so_often() {
        let line = Line::default();
        let polls = Cell::new(0);
        let mut requests_inside: TaskSet<'_, Life<'_>> = TaskSet::new(&line);
        requests_inside.push(Box::pin(poll_fn(|_| {
            polls.set(polls.get() + 1);
            match polls.get() {
                4 => Poll::Ready(4),
                _ => Poll::Pending,
            }
        })));
        requests_inside.push(Box::pin(pending()));
        let began = Instant::now();
        assert_eq!(next(&mut requests_inside).await, Some(4));
        assert_eq!(began.elapsed().as_secs(), 3 * SWEEP.as_secs());
    }

    #[tokio::test]
    async fn between_many_others_have_their_turns() {
        let line = Line::default();
        let polls = Cell::new(0);
        let mut streams: TaskSet<'_, Life<'_>> = TaskSet::new(&line);
        for _ in 0..1000 {
            let polls = &polls;
            streams.push(Box::pin(poll_fn(move |_| {
                polls.set(polls.get() + 1);
                Poll::Pending
            })));
        }
        let mut turns = Vec::new();
        while polls.get() < 1000 {
            let turn = poll_fn(|cx| Poll::Ready(streams.poll_next(cx)));
            assert!(turn.await.is_pending());
            turns.push(polls.get());
            // It is woken for the rest.
            tokio::task::yield_now().await;
        }
        assert_eq!(turns, [256, 512, 768, 1000]);
    }

    #[tokio::test]
    async fn one_of_a_line_comes_at_each_turn() {
        let line = Line::default();
        let mut requests_inside: TaskSet<'_, Life<'_>> = TaskSet::new(&line);
        for number in [1, 2] {
            let line = &line;
            requests_inside.push(Box::pin(async move {
                line.wait().await;
                number
            }));
        }
        requests_inside.push(Box::pin(async { 3 }));
        let mut turn = || poll_fn(|cx| Poll::Ready(requests_inside.poll_next(cx))).now_or_never();
        assert_eq!(turn(), Some(Poll::Ready(Some(3))));
        assert_eq!(turn(), Some(Poll::Pending));
        assert_eq!(turn(), Some(Poll::Ready(Some(1))));
        assert_eq!(turn(), Some(Poll::Pending));
        assert_eq!(turn(), Some(Poll::Ready(Some(2))));
        assert_eq!(turn(), Some(Poll::Ready(None)));
    }
}
