//! Waiting for time to pass without blocking the instance. All waits of an instance share one timer of the host, so a
//! wait costs the host nothing, and neither does one that is dropped. Ending a call of the host takes a turn of the
//! instance's event loop in which nothing else may run: dropping 10,000 of them would take minutes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::runtime::bindings::wasi::clocks::monotonic_clock::{self, Mark};
use crate::runtime::durations::nanoseconds;

/// Waits for `duration`; other requests of the instance run meanwhile. Tornado's
/// [`gen.sleep`](https://www.tornadoweb.org/en/stable/gen.html#tornado.gen.sleep).
///
/// `std::thread::sleep` would block the whole instance, as `time.sleep` blocks Tornado's loop. A duration of more
/// than 584 years waits that long.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// # async fn get(cx: &Context) -> Result {
/// sleep(Duration::from_millis(250)).await;
/// cx.write("a moment later")
/// # }
/// ```
pub async fn sleep(duration: Duration) {
    let due = monotonic_clock::now().saturating_add(nanoseconds(duration));
    Sleep::until(due).await;
}

thread_local! {
    static CLOCK: RefCell<Clock> = const {
        RefCell::new(Clock {
            sleepers: VecDeque::new(),
            timers: Vec::new(),
            numbers: 0,
        })
    };
}

/// A time, and a number that tells waits for the same time apart.
type Place = (Mark, u64);

type Timer = Pin<Box<dyn Future<Output = ()>>>;

/// All waits of this instance, and the timers that wake them.
struct Clock {
    /// In the order in which they are due. Most are added at the end and removed at the front; an ordered map would
    /// make each component 7 KB larger.
    sleepers: VecDeque<(Place, Waker)>,
    /// Host calls that are under way, each in the task that was running when it was needed. One is due when the first
    /// wait is, or before. There are more where a wait was added that is due before all others: few at any time.
    timers: Vec<(Place, Timer)>,
    numbers: u64,
}

impl Clock {
    /// When a timer is needed, if there is none.
    fn needs(&mut self) -> Option<Place> {
        let &((due, _), _) = self.sleepers.front()?;
        let runs = self.timers.iter().any(|((rings, _), _)| *rings <= due);
        (!runs).then(|| (due, self.number()))
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Adds a wait that is due at this time, and returns its place.
    fn add(&mut self, due: Mark, waker: Waker) -> Place {
        let place = (due, self.number());
        let at = self.find(place).unwrap_or_else(|at| at);
        self.sleepers.insert(at, (place, waker));
        place
    }

    /// Where a wait is, or would be.
    fn find(&self, place: Place) -> Result<usize, usize> {
        self.sleepers
            .binary_search_by_key(&place, |(place, _)| *place)
    }

    /// Removes a wait that is due by now.
    fn due(&mut self, now: Mark) -> Option<Waker> {
        let &((due, _), _) = self.sleepers.front()?;
        let (_, waker) = (due <= now).then(|| self.sleepers.pop_front())??;
        Some(waker)
    }

    fn timer(&mut self, place: Place) -> Option<Timer> {
        let at = self.timers.iter().position(|(other, _)| *other == place)?;
        Some(self.timers.swap_remove(at).1)
    }
}

/// Wakes all waits that are due, at this time at least.
fn ring(time: Mark) {
    let now = monotonic_clock::now().max(time);
    while let Some(waker) = CLOCK.with_borrow_mut(|clock| clock.due(now)) {
        waker.wake();
    }
}

/// Starts a timer where one is needed.
fn wind() {
    while let Some(place) = CLOCK.with_borrow_mut(Clock::needs) {
        run(place, Box::pin(monotonic_clock::wait_until(place.0)));
    }
}

/// Continues with a timer. If its time has come, it wakes its waits immediately.
fn run(place: Place, mut timer: Timer) {
    let bell = Waker::from(Arc::new(Bell(place)));
    match timer.as_mut().poll(&mut Context::from_waker(&bell)) {
        Poll::Ready(()) => ring(place.0),
        Poll::Pending => {
            CLOCK.with_borrow_mut(|clock| clock.timers.push((place, timer)));
        }
    }
}

/// The waker that the host's timer wakes, in place of the future that has started it.
///
/// That future need not be polled again, or not soon, and other waits depend on the timer. The task in which it was
/// started may otherwise be over. It stays until the timer fires, and starts the next timer as long as there are
/// waits.
struct Bell(Place);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let Self(place) = *self;
        if let Some(timer) = CLOCK.with_borrow_mut(|clock| clock.timer(place)) {
            run(place, timer);
            wind();
        }
    }
}

/// Ready when its time has come, and from then on.
pub struct Sleep {
    due: Mark,
    /// Where it is among the sleepers, once it is one.
    place: Option<Place>,
}

impl Sleep {
    pub fn until(due: Mark) -> Self {
        Self { due, place: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.due;
        let place = *self.place.get_or_insert_with(|| {
            let waker = cx.waker().clone();
            let place = CLOCK.with_borrow_mut(|clock| clock.add(due, waker));
            wind();
            place
        });
        CLOCK.with_borrow_mut(|clock| match clock.find(place) {
            Ok(at) => {
                clock.sleepers[at].1.clone_from(cx.waker());
                Poll::Pending
            }
            Err(_) => Poll::Ready(()),
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            // Its waker is dropped outside of the borrow.
            let sleeper = CLOCK.with_borrow_mut(|clock| match clock.find(place) {
                Ok(at) => clock.sleepers.remove(at),
                Err(_) => None,
            });
            drop(sleeper);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn clock(sleepers: &[Mark], timers: &[Mark]) -> Clock {
        let mut clock = Clock {
            sleepers: VecDeque::new(),
            timers: Vec::new(),
            numbers: 0,
        };
        for due in sleepers {
            clock.add(*due, Waker::noop().clone());
        }
        for due in timers {
            let place = (*due, clock.number());
            clock.timers.push((place, Box::pin(pending())));
        }
        clock
    }

    #[test]
    fn a_timer_is_needed_for_the_first_who_is_due_and_for_no_other() {
        let needed = |sleepers, timers| clock(sleepers, timers).needs().map(|(due, _)| due);
        assert_eq!(needed(&[], &[]), None);
        assert_eq!(needed(&[], &[5]), None);
        assert_eq!(needed(&[7, 5], &[]), Some(5));
        assert_eq!(needed(&[7, 5], &[7]), Some(5));
        assert_eq!(needed(&[7, 5], &[5]), None);
        assert_eq!(needed(&[7, 5], &[3, 9]), None);
    }

    #[test]
    fn those_are_woken_who_are_due() {
        let mut clock = clock(&[5, 7, 5, 6], &[]);
        let mut due = |now| std::iter::from_fn(|| clock.due(now)).count();
        assert_eq!([due(4), due(6), due(6), due(u64::MAX)], [0, 3, 0, 1]);
    }
}
