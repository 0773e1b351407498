//! The background tasks of guests, and what ends them: an instance that drains, a component that serves no more, a
//! server that shuts down. Owns the locks of loops; runs no guest.

use std::any::Any;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{LET_GO, lock};
use crate::guest::bindings::background::RegisterError;

/// How long a component's next task waits after an instance was lost to a task. A task that traps immediately must not
/// cause new instances all the time.
const AFTER_A_LOSS: Duration = Duration::from_secs(1);

/// Longer names are cut: a name comes from the guest and is for a line of the log.
const MAX_NAME: usize = 200;

/// How a task is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once.
    Spawned,
    /// In one instance at a time.
    Loop,
}

/// One task of one instance.
#[derive(Debug)]
pub struct Task {
    /// The number that its guest uses for it.
    pub number: u64,
    pub name: Box<str>,
    pub kind: Kind,
    pub began: Instant,
}

impl Task {
    pub fn is_loop(&self) -> bool {
        self.kind == Kind::Loop
    }
}

/// The request to end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drain {
    /// When it was made.
    pub since: Instant,
    /// The time by which everything must be over.
    pub by: Option<Instant>,
}

/// From when to when the instances of one component serve, with all their background tasks.
#[derive(Default)]
pub struct ServingWindow {
    state: Mutex<WindowState>,
    changed: Notify,
}

#[derive(Default)]
struct WindowState {
    has_begun: bool,
    drain: Option<Drain>,
    /// When an instance was lost to a task.
    lost: Option<Instant>,
    /// The instances that ever had a task.
    members: Vec<Weak<Background>>,
}

impl ServingWindow {
    /// The component serves from now on: its tasks may begin.
    pub fn begin(&self) {
        lock(&self.state).has_begun = true;
        self.changed.notify_waiters();
    }

    /// The component takes no new requests, but old ones may continue. By `by` all must be over.
    pub fn end(&self, by: Option<Instant>) {
        let mut term = lock(&self.state);
        let drain = term.drain.get_or_insert(Drain {
            since: Instant::now(),
            by,
        });
        drain.by = match (drain.by, by) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        drop(term);
        self.changed.notify_waiters();
    }

    /// An instance was lost to one of its tasks.
    pub fn lost_one(&self) {
        lock(&self.state).lost = Some(Instant::now());
    }

    /// Waits until a task may begin. `false`: it never may, because the component will never serve.
    pub async fn begun(&self) -> bool {
        let begun = |term: &WindowState| match term.has_begun {
            true => Some(true),
            false => term.drain.map(|_| false),
        };
        let begun = self.when(begun).await;
        let lost = lock(&self.state).lost;
        if let Some(lost) = lost {
            tokio::time::sleep_until(lost + AFTER_A_LOSS).await;
        }
        begun
    }

    /// Whether the component serves, or has served.
    pub fn has_begun(&self) -> bool {
        lock(&self.state).has_begun
    }

    /// The tasks that are not over yet, by name.
    pub fn unfinished(&self) -> Vec<Arc<Task>> {
        let members = lock(&self.state).members.clone();
        let members = members.iter().filter_map(Weak::upgrade);
        members
            .flat_map(|member| lock(&member.state).running.clone())
            .collect()
    }

    async fn when<T>(&self, look: impl Fn(&WindowState) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = look(&lock(&self.state)) {
                return found;
            }
            changed.await;
        }
    }
}

/// How many background tasks an instance may have.
#[derive(Clone, Copy, Debug)]
pub enum Room {
    /// At most this many tasks.
    Tasks(usize),
    /// None, because it serves no requests. The instances that serve have them.
    Elsewhere,
    /// None, and no other instance may have any: the component does not export the interface that runs tasks.
    Nowhere,
}

/// The tasks of one instance.
pub struct Background {
    window: Arc<ServingWindow>,
    room: Room,
    /// Whether tasks that begin are left to other instances.
    disregards: AtomicBool,
    state: Mutex<Inside>,
    /// How many there are, arrived or running.
    count: AtomicUsize,
    has_arrivals: AtomicBool,
    drains: AtomicBool,
    /// Wakes the event loop of the instance.
    pub arrival: AtomicWaker,
    changed: Notify,
}

#[derive(Default)]
struct Inside {
    arrived: Vec<Arc<Task>>,
    running: Vec<Arc<Task>>,
    drain: Option<Drain>,
    /// What is dropped when the instance is gone.
    held: Vec<Box<dyn Any + Send>>,
}

impl Background {
    pub fn new(window: Arc<ServingWindow>, room: Room) -> Arc<Self> {
        Arc::new(Self {
            window,
            room,
            disregards: AtomicBool::new(false),
            state: Mutex::default(),
            count: AtomicUsize::new(0),
            has_arrivals: AtomicBool::new(false),
            drains: AtomicBool::new(false),
            arrival: AtomicWaker::new(),
            changed: Notify::new(),
        })
    }

    /// Sets whether an instance that has no tasks accepts them and never runs them. `start` is the same in all
    /// instances of a component, and the instances that serve do what it begins.
    pub fn disregard(&self, disregards: bool) {
        self.disregards.store(disregards, Ordering::Relaxed);
    }

    /// Accepts a task of the guest.
    pub fn register(
        self: &Arc<Self>,
        number: u64,
        mut name: String,
        kind: Kind,
    ) -> Result<(), RegisterError> {
        let most = match self.room {
            Room::Tasks(most) => most,
            // This instance never gets the lock of a loop.
            Room::Elsewhere if kind == Kind::Loop => return Ok(()),
            Room::Elsewhere if self.disregards.load(Ordering::Relaxed) => return Ok(()),
            Room::Elsewhere => {
                return Err(RegisterError::Unavailable(
                    "this instance serves no requests, and runs nothing in the background".into(),
                ));
            }
            Room::Nowhere => {
                return Err(RegisterError::Unavailable(
                    "the component exports no `work`, and so runs nothing in the background".into(),
                ));
            }
        };
        name.truncate(name.floor_char_boundary(MAX_NAME));
        let task = Task {
            number,
            name: name.into(),
            kind,
            began: Instant::now(),
        };
        if self.is_too_late(&task) {
            return Err(RegisterError::Ending(
                "the server shuts down, and has no time left for what is in the background: `grace`".into(),
            ));
        }
        if self.count.fetch_add(1, Ordering::Relaxed) >= most {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return Err(RegisterError::Busy(format!(
                "{most} tasks run in the background of this instance, and no more may: `max_tasks`"
            )));
        }
        lock(&self.state).arrived.push(Arc::new(task));
        self.has_arrivals.store(true, Ordering::Release);
        self.arrival.wake();
        Ok(())
    }

    /// Whether a shutdown would end a task before it began. This is no loss for a loop, which ends with any drain.
    fn is_too_late(&self, task: &Task) -> bool {
        let drain = self.drain_now().filter(|_| !task.is_loop());
        let end = drain.and_then(|drain| end_of(task, drain, None));
        end.is_some_and(|end| end <= task.began)
    }

    /// The tasks that arrived since the last call. From now on they count as running.
    pub fn arrivals(self: &Arc<Self>) -> Vec<Arc<Task>> {
        if !self.has_arrivals.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        let mut inside = lock(&self.state);
        let arrived = std::mem::take(&mut inside.arrived);
        inside.running.extend(arrived.iter().cloned());
        drop(inside);
        let mut term = lock(&self.window.state);
        let me = Arc::downgrade(self);
        if !term.members.iter().any(|member| member.ptr_eq(&me)) {
            term.members.retain(|member| member.strong_count() > 0);
            term.members.push(me);
        }
        arrived
    }

    /// Removes a task that is over.
    pub fn leave(&self, task: &Arc<Task>) {
        lock(&self.state)
            .running
            .retain(|other| !Arc::ptr_eq(other, task));
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// All tasks that run or have not begun, which are lost with the instance.
    pub fn lose(&self) -> Vec<Arc<Task>> {
        let mut inside = lock(&self.state);
        let arrived = std::mem::take(&mut inside.arrived);
        let mut lost = std::mem::take(&mut inside.running);
        lost.extend(arrived);
        lost
    }

    /// Keeps a value until the instance is gone.
    pub fn hold(&self, what: impl Any + Send) {
        lock(&self.state).held.push(Box::new(what));
    }

    pub fn window(&self) -> &ServingWindow {
        &self.window
    }

    /// Says that the instance is to end.
    pub fn drain(&self) {
        if self.drains.swap(true, Ordering::Relaxed) {
            return;
        }
        lock(&self.state).drain = Some(Drain {
            since: Instant::now(),
            by: None,
        });
        self.changed.notify_waiters();
    }

    fn drain_now(&self) -> Option<Drain> {
        let own = lock(&self.state).drain;
        let all = lock(&self.window.state).drain;
        match (own, all) {
            (Some(own), Some(all)) => Some(Drain {
                since: own.since.min(all.since),
                by: all.by,
            }),
            (own, all) => own.or(all),
        }
    }

    /// Waits until the instance is to end.
    pub async fn drained(&self) {
        self.until(|drain| drain.is_some().then_some(())).await;
    }

    /// Waits until a task has to end. It has `budget` for that after the drain began.
    pub async fn time_is_up(&self, task: &Task, budget: Option<Duration>) {
        let mut last = None;
        loop {
            let drain = self
                .until(|drain| drain.filter(|drain| Some(*drain) != last))
                .await;
            last = Some(drain);
            let other = self.until(|drain| (drain != last).then_some(()));
            match end_of(task, drain, budget) {
                // A timer would be late: another instance that waits for this loop's lock must not get it now.
                Some(end) if end <= Instant::now() => return,
                Some(end) => tokio::select! {
                    biased;
                    () = other => {}
                    () = tokio::time::sleep_until(end) => return,
                },
                None => other.await,
            }
        }
    }

    /// Whether a task should have ended so long ago that it never will.
    pub fn is_overdue(&self, budget: Option<Duration>) -> bool {
        let Some(drain) = self.drain_now() else {
            return false;
        };
        let now = Instant::now();
        lock(&self.state)
            .running
            .iter()
            .any(|task| end_of(task, drain, budget).is_some_and(|end| now > end + LET_GO))
    }

    /// Waits until `look` finds something in the state of the drain.
    async fn until<T>(&self, look: impl Fn(Option<Drain>) -> Option<T>) -> T {
        loop {
            let (mut own, mut all) = (
                pin!(self.changed.notified()),
                pin!(self.window.changed.notified()),
            );
            own.as_mut().enable();
            all.as_mut().enable();
            if let Some(found) = look(self.drain_now()) {
                return found;
            }
            tokio::select! {
                () = own => {}
                () = all => {}
            }
        }
    }
}

/// When a task has to end once its instance drains.
fn end_of(task: &Task, drain: Drain, budget: Option<Duration>) -> Option<Instant> {
    /// The part of a shutdown's time that is kept back, so that a cancelled task has some time left.
    const KEPT_BACK: u32 = 4;
    const MOST_KEPT_BACK: Duration = Duration::from_secs(1);
    if task.is_loop() {
        return Some(drain.since);
    }
    let end = budget.map(|budget| drain.since.max(task.began) + budget);
    let by = drain.by.map(|by| {
        let whole = by.saturating_duration_since(drain.since);
        by - (whole / KEPT_BACK).min(MOST_KEPT_BACK)
    });
    match (end, by) {
        (Some(end), Some(by)) => Some(end.min(by)),
        (end, by) => end.or(by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn background(most: usize) -> Arc<Background> {
        Background::new(Arc::default(), Room::Tasks(most))
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_is_sooner_than_the_budget() {
        let background = background(1);
        background
            .register(1, "one".into(), Kind::Spawned)
            .expect("there is room");
        let task = background.arrivals().remove(0);
        let budget = Some(Duration::from_secs(30));
        background.drain();
        let begin = Instant::now();
        let wait = background.time_is_up(&task, budget);
        let shutdown = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let by = Instant::now() + Duration::from_secs(2);
            background.window().end(Some(by));
        };
        tokio::join!(wait, shutdown);
        assert_eq!(begin.elapsed(), Duration::from_millis(6000));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_shutdown_has_no_time_for_is_refused() {
        let background = background(9);
        let spawn = |number| background.register(number, "a".into(), Kind::Spawned);
        background.window().end(None);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(spawn(1).is_ok(), "a swap has no end");
        let by = Instant::now() + Duration::from_secs(10);
        background.window().end(Some(by));
        tokio::time::advance(Duration::from_millis(8999)).await;
        assert!(spawn(2).is_ok());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(matches!(spawn(3), Err(RegisterError::Ending(_))));
        let again = background.register(4, "b".into(), Kind::Loop);
        assert!(again.is_ok(), "a loop has ended with the drain");
        assert_eq!(background.arrivals().len(), 3);
    }

    #[test]
    fn what_has_arrived_is_lost_with_the_rest() {
        let background = background(2);
        for number in 0..2 {
            let taken = background.register(number, "a".into(), Kind::Spawned);
            assert!(taken.is_ok());
            if number == 0 {
                assert_eq!(background.arrivals().len(), 1);
            }
        }
        let lost: Vec<u64> = background.lose().iter().map(|task| task.number).collect();
        assert_eq!(lost, [0, 1]);
    }

    #[test]
    fn no_more_tasks_than_may() {
        let background = background(2);
        for number in 0..2 {
            assert!(background.register(number, "a".into(), Kind::Loop).is_ok());
        }
        let refused = background.register(2, "b".into(), Kind::Spawned);
        assert!(matches!(refused, Err(RegisterError::Busy(_))));
        let task = background.arrivals().remove(0);
        background.leave(&task);
        assert!(background.register(3, "c".into(), Kind::Spawned).is_ok());
    }

    #[test]
    fn what_is_disregarded_never_arrives() {
        let background = Background::new(Arc::default(), Room::Elsewhere);
        let spawn = |number| background.register(number, "a".into(), Kind::Spawned);
        assert!(matches!(spawn(1), Err(RegisterError::Unavailable(_))));
        background.disregard(true);
        assert!(spawn(2).is_ok());
        background.disregard(false);
        assert!(spawn(3).is_err());
        assert!(background.arrivals().is_empty() && background.is_empty());
    }

    #[test]
    fn what_nobody_would_run_is_refused() {
        let background = Background::new(Arc::default(), Room::Nowhere);
        background.disregard(true);
        for kind in [Kind::Spawned, Kind::Loop] {
            let refused = background.register(1, "a".into(), kind);
            assert!(matches!(refused, Err(RegisterError::Unavailable(_))));
        }
    }
}
