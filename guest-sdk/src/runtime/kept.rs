//! Waits for the host that continue when they are not awaited, because ending a host call costs much. The next wait
//! uses the same call. A call is given up when the function that began it ends. It hands out nothing, so nothing is
//! lost with it.
//!
//! A task of the component can't end before its last host call has ended, and a task whose last call continues in
//! another task never ends. So a host call is only polled in the task that began it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_util::task::AtomicWaker;

use crate::runtime::bindings::waterspout::background::background::TaskNumber;
use crate::runtime::bindings::waterspout::web::types::RequestNumber;
use crate::runtime::{logging, place};

/// The function that is under way. A request and a task can be cancelled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// The call of a request that is under way.
    Request(RequestNumber),
    /// A task in the background.
    Task(TaskNumber),
    /// One that belongs to neither. There is one at a time.
    Instance,
}

/// A call of the host, under way.
pub type Wait = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// The function that is being polled.
    static CURRENT: Cell<Option<Work>> = const { Cell::new(None) };
    /// What functions that are under way have begun.
    static BEGUN: RefCell<BTreeMap<(Work, u64), Weak<Going>>> = const { RefCell::new(BTreeMap::new()) };
    static NUMBERS: Cell<u64> = const { Cell::new(0) };
}

/// At most one wait, which continues while it is not awaited.
#[derive(Default)]
pub struct Kept(Option<Rc<Going>>);

struct Going {
    number: u64,
    wait: Cell<Option<Wait>>,
    /// The function that began it.
    of: Cell<Option<Work>>,
    bell: Arc<Bell>,
}

/// The waker for the host. It wakes the wait that is there then, which may be another than the first.
#[derive(Default)]
struct Bell {
    has_rung: AtomicBool,
    waiting: AtomicWaker,
}

impl Kept {
    /// Waits for the call that is under way, or else begins one.
    pub fn poll(&mut self, task: &mut Context<'_>, begin: impl FnOnce() -> Wait) -> Poll<()> {
        self.0.get_or_insert_with(Going::new).poll(task, begin)
    }

    /// Waits until there is something to take, and takes it.
    pub fn poll_taken<T>(
        &mut self,
        task: &mut Context<'_>,
        begin: impl Fn() -> Wait,
        take: impl Fn() -> Option<T>,
    ) -> Poll<T> {
        loop {
            ready!(self.poll(task, &begin));
            if let Some(taken) = take() {
                return Poll::Ready(taken);
            }
        }
    }
}

impl Going {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            number: NUMBERS.replace(NUMBERS.get() + 1),
            wait: Cell::new(None),
            of: Cell::new(None),
            bell: Arc::default(),
        })
    }

    fn poll(self: &Rc<Self>, task: &mut Context<'_>, begin: impl FnOnce() -> Wait) -> Poll<()> {
        self.bell.waiting.register(task.waker());
        let has_rung = self.bell.has_rung.swap(false, Relaxed);
        let (mut wait, is_due) = match self.wait.take() {
            Some(wait) => (wait, has_rung),
            None => (begin(), true),
        };
        if is_due {
            let bell = Waker::from(self.bell.clone());
            if wait
                .as_mut()
                .poll(&mut Context::from_waker(&bell))
                .is_ready()
            {
                return Poll::Ready(());
            }
            self.belong_to(CURRENT.get());
        }
        self.wait.set(Some(wait));
        Poll::Pending
    }

    fn belong_to(self: &Rc<Self>, work: Option<Work>) {
        if self.of.get() != work {
            self.leave();
            self.of.set(work);
            if let Some(work) = work {
                let this = Rc::downgrade(self);
                BEGUN.with_borrow_mut(|begun| begun.insert((work, self.number), this));
            }
        }
    }

    fn leave(&self) {
        if let Some(work) = self.of.take() {
            BEGUN.with_borrow_mut(|begun| begun.remove(&(work, self.number)));
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.has_rung.store(true, Relaxed);
        self.waiting.wake();
    }
}

/// As long as this exists, a function is under way. The waits that it began are given up with it.
pub struct Function(Work);

impl Function {
    pub fn begin(work: Work) -> Self {
        Self(work)
    }

    /// Does something in the name of the function.
    pub fn poll<T>(&self, poll: impl FnOnce() -> T) -> T {
        let before = CURRENT.replace(Some(self.0));
        // A `?` of an earlier function, or one before the last wait, has ended nothing that ends now.
        place::take();
        let polled = poll();
        CURRENT.set(before);
        logging::hand_over();
        polled
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let first = |begun: &mut BTreeMap<(Work, u64), Weak<Going>>| {
            let mut of_this = begun.range((self.0, 0)..=(self.0, u64::MAX));
            let key = *of_this.next()?.0;
            begun.remove(&key)
        };
        while let Some(going) = BEGUN.with_borrow_mut(first) {
            if let Some(going) = going.upgrade() {
                going.of.set(None);
                drop(going.wait.take());
                // A wait in another function begins again.
                going.bell.waiting.wake();
            }
        }
    }
}

/// A function that can't be cancelled.
pub async fn function<T>(work: Work, future: impl Future<Output = T>) -> T {
    let function = Function::begin(work);
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|task| function.poll(|| future.as_mut().poll(task))).await
}

#[cfg(test)]
mod tests {
    use futures_util::future::{poll_fn, ready};
    use futures_util::{FutureExt, pin_mut};

    use super::*;

    /// A call that is ready when it was allowed to be; counts the calls that exist.
    fn wait(open: &Rc<Cell<bool>>, alive: &Rc<Cell<u32>>) -> Wait {
        struct Alive(Rc<Cell<u32>>);
        impl Drop for Alive {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        alive.set(alive.get() + 1);
        let (open, alive) = (open.clone(), Alive(alive.clone()));
        let mut slept = None::<Waker>;
        Box::pin(poll_fn(move |task| {
            let _ = &alive;
            if open.get() {
                return Poll::Ready(());
            }
            assert!(
                slept.replace(task.waker().clone()).is_none(),
                "polled without cause"
            );
            Poll::Pending
        }))
    }

    fn begun() -> usize {
        BEGUN.with_borrow(BTreeMap::len)
    }

    #[test]
    fn a_wait_goes_on_until_its_function_ends() {
        let (open, alive) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let mut kept = Kept::default();
        let noop = &mut Context::from_waker(Waker::noop());
        let function = Function::begin(Work::Request(1));
        for _ in 0..3 {
            let polled = function.poll(|| kept.poll(noop, || wait(&open, &alive)));
            assert!(polled.is_pending());
            assert_eq!((alive.get(), begun()), (1, 1));
        }
        drop(function);
        assert_eq!((alive.get(), begun()), (0, 0));

        let next = Function::begin(Work::Request(2));
        assert!(
            next.poll(|| kept.poll(noop, || wait(&open, &alive)))
                .is_pending()
        );
        // It has not rung, so it is not asked.
        open.set(true);
        assert!(
            next.poll(|| kept.poll(noop, || unreachable!()))
                .is_pending()
        );
        kept.0.as_ref().expect("it waits").bell.clone().wake();
        assert!(next.poll(|| kept.poll(noop, || unreachable!())).is_ready());
        assert_eq!(alive.get(), 0);
        drop((kept, next));
        assert_eq!(begun(), 0);
    }

    #[test]
    fn who_waits_for_the_wait_of_another_begins_anew_when_that_one_ends() {
        let (open, alive) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let mut kept = Kept::default();
        let noop = &mut Context::from_waker(Waker::noop());
        let first = Function::begin(Work::Request(1));
        assert!(
            first
                .poll(|| kept.poll(noop, || wait(&open, &alive)))
                .is_pending()
        );
        let woken = Arc::<Bell>::default();
        let waker = Waker::from(woken.clone());
        let task = &mut Context::from_waker(&waker);
        let second = Function::begin(Work::Task(1));
        assert!(
            second
                .poll(|| kept.poll(task, || unreachable!()))
                .is_pending()
        );
        // It wakes nothing: what begins after that was not woken.
        kept.0.as_ref().expect("it waits").bell.clone().wake();
        drop(first);
        assert!(woken.has_rung.load(Relaxed));
        for _ in 0..2 {
            let polled = second.poll(|| kept.poll(task, || wait(&open, &alive)));
            assert!(polled.is_pending());
            assert_eq!((alive.get(), begun()), (1, 1));
        }
        drop(kept);
        assert_eq!((alive.get(), begun()), (0, 0));
    }

    #[test]
    fn a_function_gives_up_only_its_own() {
        let mut kept = [Kept::default(), Kept::default()];
        let noop = &mut Context::from_waker(Waker::noop());
        let functions = [Work::Request(1), Work::Request(2)].map(Function::begin);
        for (function, kept) in functions.iter().zip(&mut kept) {
            let polled = function.poll(|| kept.poll(noop, || Box::pin(std::future::pending())));
            assert!(polled.is_pending());
        }
        let [first, second] = functions;
        drop(first);
        assert_eq!(begun(), 1);
        let ended = function(Work::Instance, ready(7));
        pin_mut!(ended);
        assert_eq!(ended.now_or_never(), Some(7));
        assert_eq!(begun(), 1);
        drop(second);
        assert_eq!(begun(), 0);
    }
}
