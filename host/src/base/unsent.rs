//! Bytes that were made for clients and are not sent yet: how many one connection has in memory, how many all have,
//! and which connection is cut off when that is too much. Sends nothing, and ends nothing by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// How much of each connection does not count, because that much is buffered in any case.
pub const FREE: u64 = 64 * 1024;

/// The least that a client must take to count as progress.
const STEP: u64 = 16 * 1024;

/// How long a client may take nothing when more than half of the limit of all is used.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells of a response how many bytes of its body are in memory already. Left out where they are few.
#[derive(Clone, Copy, Debug)]
pub struct Held(pub u64);

/// The bytes that all connections have in memory. Clones share one count.
#[derive(Clone)]
pub struct Unsent(Arc<Shared>);

struct Shared {
    most: AtomicU64,
    /// Without what does not count.
    sum: AtomicU64,
    begun: AtomicU64,
    /// The connections that have some of it.
    debtors: Mutex<BTreeMap<u64, Arc<Account>>>,
}

impl Unsent {
    /// `most`: the limit.
    pub fn new(most: u64) -> Self {
        Self(Arc::new(Shared {
            most: AtomicU64::new(most),
            sum: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            debtors: Mutex::default(),
        }))
    }

    /// The limit.
    pub fn most(&self) -> u64 {
        self.0.most.load(Relaxed)
    }

    /// Sets the limit from now on.
    pub fn set_most(&self, most: u64) {
        self.0.most.store(most, Relaxed);
    }

    /// An account for one connection.
    pub fn account(&self) -> Arc<Account> {
        Arc::new(Account {
            unsent: self.clone(),
            number: self.0.begun.fetch_add(1, Relaxed),
            state: Mutex::new(State {
                held: 0,
                responses: 0,
                taken: 0,
                progressed: None,
            }),
            is_cut: AtomicBool::new(false),
            cut: AtomicWaker::new(),
            is_less: Notify::new(),
        })
    }

    /// Cuts off connections, the longest without progress first, until the sum is within the limit. Where it is only
    /// above half of it, only those without progress for long.
    fn settle(&self) {
        let most = self.most();
        while self.0.sum.load(Relaxed) > most / 2 {
            let mut debtors = lock(&self.0.debtors);
            let since = |account: &Account| lock(&account.state).progressed;
            let slowest = debtors
                .iter()
                .filter_map(|(number, account)| Some((since(account)?, *number)));
            let Some((since, number)) = slowest.min() else {
                return;
            };
            let is_alone = debtors.len() == 1;
            let Some(account) = debtors.get(&number).cloned() else {
                return;
            };
            let is_stuck = since.elapsed() >= PATIENCE;
            // A large response to a client that takes it is no fault.
            let may_stay = is_alone && lock(&account.state).responses == 1;
            if may_stay || (!is_stuck && self.0.sum.load(Relaxed) <= most) {
                return;
            }
            debtors.remove(&number);
            drop(debtors);
            account.cut_off();
        }
    }
}

impl fmt::Debug for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unsent").field(&self.0.sum).finish()
    }
}

/// The bytes that one connection has in memory.
pub struct Account {
    unsent: Unsent,
    number: u64,
    state: Mutex<State>,
    is_cut: AtomicBool,
    cut: AtomicWaker,
    is_less: Notify,
}

struct State {
    held: u64,
    responses: u64,
    /// What its client took since its last progress.
    taken: u64,
    /// The time of that, while the connection has bytes that count.
    progressed: Option<Instant>,
}

impl State {
    fn counted(&self) -> u64 {
        self.held.saturating_sub(FREE)
    }
}

impl Account {
    /// Counts this many bytes of a response, as long as the charge exists.
    pub fn charge(self: &Arc<Self>, bytes: u64) -> Charge {
        self.change(|state| {
            state.responses += 1;
            state.held += bytes;
        });
        Charge {
            account: self.clone(),
            bytes,
        }
    }

    /// Its client took this many bytes.
    pub fn took(&self, bytes: u64) {
        let mut state = lock(&self.state);
        if state.progressed.is_some() {
            state.taken += bytes;
            if state.taken >= STEP {
                state.taken = 0;
                state.progressed = Some(Instant::now());
            }
        }
    }

    /// The bytes that it has in memory.
    pub fn held(&self) -> u64 {
        lock(&self.state).held
    }

    /// Waits until it has less than `most`. Of several tasks that wait, one goes on for each response that is over,
    /// because it is unknown how much its response will take. All go on when no response was over for a while.
    pub async fn until_less(&self, most: u64) {
        const A_WHILE: Duration = Duration::from_millis(250);
        loop {
            let _ = tokio::time::timeout(A_WHILE, self.is_less.notified()).await;
            if self.held() < most {
                return;
            }
        }
    }

    /// Ready when the connection is to be cut off. Only one task may wait.
    pub fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        if lock(&self.state).progressed.is_some() {
            self.cut.register(cx.waker());
        }
        match self.is_cut.load(Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    fn change(self: &Arc<Self>, change: impl FnOnce(&mut State)) {
        let sum = &self.unsent.0.sum;
        let (before, after) = {
            let mut state = lock(&self.state);
            let before = state.counted();
            change(&mut state);
            let after = state.counted();
            if self.is_cut.load(Relaxed) {
                return;
            }
            if before == 0 && after > 0 {
                state.taken = 0;
                state.progressed = Some(Instant::now());
            } else if after == 0 {
                state.progressed = None;
            }
            // With the lock held, so that a cut takes back what was counted.
            match after.checked_sub(before) {
                Some(more) if more > 0 => drop(sum.fetch_add(more, Relaxed)),
                Some(_) => {}
                None => drop(sum.fetch_sub(before - after, Relaxed)),
            }
            (before, after)
        };
        if before == 0 && after > 0 {
            let mut debtors = lock(&self.unsent.0.debtors);
            debtors.insert(self.number, self.clone());
        } else if before > 0 && after == 0 {
            lock(&self.unsent.0.debtors).remove(&self.number);
        }
        if after > before {
            self.unsent.settle();
        }
    }

    fn cut_off(&self) {
        let state = lock(&self.state);
        if !self.is_cut.swap(true, Relaxed) {
            self.unsent.0.sum.fetch_sub(state.counted(), Relaxed);
        }
        drop(state);
        self.cut.wake();
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.held()).finish()
    }
}

/// The charge for one response.
#[derive(Debug)]
pub struct Charge {
    account: Arc<Account>,
    bytes: u64,
}

impl Charge {
    /// Raises it to this number of bytes, if that is more than before.
    pub fn at_least(&mut self, bytes: u64) {
        if let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) {
            self.bytes = bytes;
            self.account.change(|state| state.held += more);
        }
    }

    /// The number of bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its client took this many of them.
    pub fn took(&self, bytes: u64) {
        self.account.took(bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.change(|state| {
            state.responses -= 1;
            state.held -= self.bytes;
        });
        self.account.is_less.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const MB: u64 = 1 << 20;

    fn is_cut(account: &Account) -> bool {
        account
            .poll_cut(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn past_what_may_be_the_longest_without_progress_is_cut_first() {
        let unsent = Unsent::new(4 * MB);
        let [first, second, third] = [(); 3].map(|()| unsent.account());
        let held = [first.charge(MB), second.charge(MB), third.charge(MB)];
        first.took(STEP);
        let more = third.charge(2 * MB);
        assert!(is_cut(&second), "it made none since it began");
        assert!(!is_cut(&first) && !is_cut(&third));
        // What was cut off counts no more, and is given back only once.
        drop((held, more));
        assert_eq!(unsent.0.sum.load(Relaxed), 0);
        assert!(lock(&unsent.0.debtors).is_empty());
    }

    #[test]
    fn one_large_response_is_not_cut_for_its_size_and_many_are() {
        let unsent = Unsent::new(MB);
        let account = unsent.account();
        let _large = account.charge(100 * MB);
        assert!(!is_cut(&account));
        let _other = account.charge(MB);
        assert!(is_cut(&account));
    }

    #[test]
    fn what_is_small_does_not_count() {
        let unsent = Unsent::new(0);
        let account = unsent.account();
        let _small = account.charge(FREE);
        assert!(!is_cut(&account) && lock(&unsent.0.debtors).is_empty());
    }

    #[tokio::test]
    async fn a_connection_waits_until_it_has_less() {
        let account = Unsent::new(MB).account();
        let (one, two) = (account.charge(10), account.charge(10));
        let mut waits = std::pin::pin!(account.until_less(11));
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
        drop(one);
        waits.await;
        drop(two);
    }
}
