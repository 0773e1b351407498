//! Bytes that are in memory for connections because they are not sent yet, or have come and are not taken yet: how many
//! one connection has, how many all have, and which connection is cut off when that is too much. Sends and reads
//! nothing, and ends nothing by itself.

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

/// The least that has to go on to count as progress.
const STEP: u64 = 16 * 1024;

/// How long a client may take nothing of what is sent when more than half of the limit of all is used.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells of a response how many bytes of its body are in memory already. Left out where they are few.
#[derive(Clone, Copy, Debug)]
pub struct Held(pub u64);

/// The bytes that all connections have in memory, in one direction. Clones share one count.
#[derive(Clone)]
pub struct Backlog(Arc<Shared>);

struct Shared {
    most: AtomicU64,
    /// How long a connection may go without progress when more than half of the limit is used.
    patience: Option<Duration>,
    /// Without what does not count.
    sum: AtomicU64,
    begun: AtomicU64,
    /// The connections that have some of it.
    debtors: Mutex<BTreeMap<u64, Arc<Account>>>,
}

impl Backlog {
    /// Of what is to be sent. `most`: the limit.
    pub fn unsent(most: u64) -> Self {
        Self::new(most, Some(PATIENCE))
    }

    /// Of what has come. It may be the guest that takes its time, so nobody is cut off within the limit.
    pub fn unread(most: u64) -> Self {
        Self::new(most, None)
    }

    fn new(most: u64, patience: Option<Duration>) -> Self {
        Self(Arc::new(Shared {
            most: AtomicU64::new(most),
            patience,
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
            backlog: self.clone(),
            number: self.0.begun.fetch_add(1, Relaxed),
            state: Mutex::new(State {
                held: 0,
                charges: 0,
                moved: 0,
                progressed: None,
            }),
            is_cut: AtomicBool::new(false),
            cut: AtomicWaker::new(),
            is_less: Notify::new(),
        })
    }

    /// Cuts off connections, the longest without progress first, until the sum is within the limit. Where it is only
    /// above half of it, only those without progress for long, if for any time at all.
    fn settle(&self) {
        let most = self.most();
        let patience = self.0.patience;
        let least = if patience.is_some() { most / 2 } else { most };
        while self.0.sum.load(Relaxed) > least {
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
            let is_stuck = patience.is_some_and(|patience| since.elapsed() >= patience);
            // A large response to a client that takes it is no fault.
            let may_stay = is_alone && lock(&account.state).charges == 1;
            if may_stay || (!is_stuck && self.0.sum.load(Relaxed) <= most) {
                return;
            }
            debtors.remove(&number);
            drop(debtors);
            account.cut_off();
        }
    }
}

impl fmt::Debug for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Backlog").field(&self.0.sum).finish()
    }
}

/// The bytes that one connection has in memory.
pub struct Account {
    backlog: Backlog,
    number: u64,
    state: Mutex<State>,
    is_cut: AtomicBool,
    cut: AtomicWaker,
    is_less: Notify,
}

struct State {
    held: u64,
    charges: u64,
    /// What went on since its last progress.
    moved: u64,
    /// The time of that, while the connection has bytes that count.
    progressed: Option<Instant>,
}

impl State {
    fn counted(&self) -> u64 {
        self.held.saturating_sub(FREE)
    }
}

impl Account {
    /// Counts this many bytes, of a response say, as long as the charge exists.
    pub fn charge(self: &Arc<Self>, bytes: u64) -> Charge {
        self.change(|state| {
            state.charges += 1;
            state.held += bytes;
        });
        Charge {
            account: self.clone(),
            bytes,
        }
    }

    /// This many bytes went on.
    pub fn moved(&self, bytes: u64) {
        let mut state = lock(&self.state);
        if state.progressed.is_some() {
            state.moved += bytes;
            if state.moved >= STEP {
                state.moved = 0;
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
        let sum = &self.backlog.0.sum;
        let (before, after) = {
            let mut state = lock(&self.state);
            let before = state.counted();
            change(&mut state);
            let after = state.counted();
            if self.is_cut.load(Relaxed) {
                return;
            }
            if before == 0 && after > 0 {
                state.moved = 0;
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
            let mut debtors = lock(&self.backlog.0.debtors);
            debtors.insert(self.number, self.clone());
        } else if before > 0 && after == 0 {
            lock(&self.backlog.0.debtors).remove(&self.number);
        }
        if after > before {
            self.backlog.settle();
        }
    }

    fn cut_off(&self) {
        let state = lock(&self.state);
        if !self.is_cut.swap(true, Relaxed) {
            self.backlog.0.sum.fetch_sub(state.counted(), Relaxed);
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

/// The charge for one response, or for all that one socket has.
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

    /// Sets it to this number of bytes.
    pub fn set(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes != before {
            self.account
                .change(|state| state.held = state.held - before + bytes);
        }
    }

    /// The number of bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// This many of them went on.
    pub fn moved(&self, bytes: u64) {
        self.account.moved(bytes);
    }

    /// Ready when its connection is to be cut off. Only one task may wait.
    pub fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.account.poll_cut(cx)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.change(|state| {
            state.charges -= 1;
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
        let backlog = Backlog::unsent(4 * MB);
        let [first, second, third] = [(); 3].map(|()| backlog.account());
        let held = [first.charge(MB), second.charge(MB), third.charge(MB)];
        first.moved(STEP);
        let more = third.charge(2 * MB);
        assert!(is_cut(&second), "it made none since it began");
        assert!(!is_cut(&first) && !is_cut(&third));
        // What was cut off counts no more, and is given back only once.
        drop((held, more));
        assert_eq!(backlog.0.sum.load(Relaxed), 0);
        assert!(lock(&backlog.0.debtors).is_empty());
    }

    #[test]
    fn one_large_response_is_not_cut_for_its_size_and_many_are() {
        let account = Backlog::unsent(MB).account();
        let _large = account.charge(100 * MB);
        assert!(!is_cut(&account));
        let _other = account.charge(MB);
        assert!(is_cut(&account));
    }

    #[test]
    fn what_is_small_does_not_count() {
        let backlog = Backlog::unsent(0);
        let account = backlog.account();
        let _small = account.charge(FREE);
        assert!(!is_cut(&account) && lock(&backlog.0.debtors).is_empty());
    }

    #[test]
    fn what_has_come_is_no_fault_of_its_client_within_the_limit() {
        let backlog = Backlog::unread(4 * MB);
        let [first, second] = [(); 2].map(|()| backlog.account());
        let mut held = [first.charge(MB), second.charge(MB)];
        lock(&first.state).progressed = Some(Instant::now() - PATIENCE * 2);
        held[1].set(3 * MB);
        assert!(!is_cut(&first), "the limit is not crossed");
        held[1].set(MB);
        held[1].set(4 * MB);
        assert!(is_cut(&first) && !is_cut(&second));
        drop(held);
        assert_eq!(backlog.0.sum.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn a_connection_waits_until_it_has_less() {
        let account = Backlog::unsent(MB).account();
        let (one, two) = (account.charge(10), account.charge(10));
        let mut waits = std::pin::pin!(account.until_less(11));
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
        drop(one);
        waits.await;
        drop(two);
    }
}
