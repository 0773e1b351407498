//! Publish and subscribe: topics, their subscriptions, and the messages that wait in each. Never waits for a
//! subscriber, and knows no guest: a separate server could take its place.
//!
//! A message is kept once for each instance that holds it, however many subscriptions it waits in.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use rustc_hash::{FxHashMap, FxHasher};

/// The longest name of a topic, in bytes.
pub const MAX_TOPIC: usize = 256;
/// The most bytes of one message.
pub const MAX_MESSAGE: usize = 1024 * 1024;
/// The most messages that may wait in one subscription.
pub const MAX_CAPACITY: u32 = 1024;

/// What can be published.
pub trait Message: Clone {
    /// The filter of a subscription.
    type Wanted;

    /// How many bytes of memory it takes.
    fn size(&self) -> usize;

    fn is(&self, wanted: &Self::Wanted) -> bool;
}

/// Messages of guests. A subscription takes all messages of its topic.
impl Message for Bytes {
    type Wanted = ();

    fn size(&self) -> usize {
        self.len()
    }

    fn is(&self, (): &()) -> bool {
        true
    }
}

/// The limits of one instance for its subscriptions.
pub struct Quota {
    bytes: AtomicU64,
    max_bytes: u64,
    subscriptions: AtomicU32,
    max_subscriptions: u32,
}

impl Quota {
    /// With at most this many waiting bytes, and this many subscriptions.
    pub fn new(max_bytes: u64, max_subscriptions: u32) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicU64::new(0),
            max_bytes,
            subscriptions: AtomicU32::new(0),
            max_subscriptions,
        })
    }

    pub fn max_subscriptions(&self) -> u32 {
        self.max_subscriptions
    }

    fn take(&self, bytes: u64) -> bool {
        let take = |held: u64| Some(held + bytes).filter(|held| *held <= self.max_bytes);
        self.bytes.fetch_update(Relaxed, Relaxed, take).is_ok()
    }
}

/// A message in one instance.
pub struct Held<T> {
    pub message: T,
    bytes: u64,
    quota: Arc<Quota>,
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        self.quota.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

/// All topics that have subscriptions.
pub struct Topics<T: Message> {
    shards: Box<[Shard<T>]>,
    hasher: BuildHasherDefault<FxHasher>,
    next: AtomicU64,
}

type Shard<T> = Mutex<FxHashMap<Arc<str>, Arc<Topic<T>>>>;

/// So that tasks with different topics seldom wait for the same lock.
const SHARDS: usize = 64;

struct Topic<T: Message> {
    name: Arc<str>,
    audience: Mutex<Audience<T>>,
}

struct Audience<T: Message> {
    /// By the address of the quota, which exists as long as its group.
    groups: FxHashMap<usize, Group<T>>,
    listeners: FxHashMap<u64, Weak<dyn Listener<T>>>,
    /// The last subscriber has left, and no new one may come.
    over: bool,
}

/// The subscribers in one instance.
struct Group<T: Message> {
    quota: Arc<Quota>,
    members: FxHashMap<u64, Arc<Mailbox<T>>>,
}

/// The messages that wait for one subscriber.
struct Mailbox<T: Message> {
    wanted: T::Wanted,
    capacity: usize,
    waiting: Mutex<Waiting<T>>,
    arrived: AtomicWaker,
}

struct Waiting<T> {
    messages: VecDeque<Arc<Held<T>>>,
    dropped: u64,
}

/// A subscription to a topic, which ends when it is dropped.
pub struct Subscription<T: Message> {
    topics: Arc<Topics<T>>,
    topic: Arc<Topic<T>>,
    quota: Arc<Quota>,
    number: u64,
    mailbox: Arc<Mailbox<T>>,
    is_read: AtomicBool,
}

/// Something that takes every message of a topic when it is published, and keeps what it needs.
pub trait Listener<T>: Send + Sync {
    /// Returns how many there are for whom it has taken the message. It must not publish or subscribe.
    fn hear(&self, message: &T) -> u32;
}

/// A listener's place, which ends when it is dropped.
pub struct Listening<T: Message> {
    topics: Arc<Topics<T>>,
    topic: Arc<Topic<T>>,
    number: u64,
}

/// A guest's handle on a subscription.
pub type MessageSubscription = Arc<Subscription<Bytes>>;

/// A task waits for this subscription already.
#[derive(Debug)]
pub struct IsRead;

impl<T: Message> Topics<T> {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: BuildHasherDefault::default(),
            next: AtomicU64::new(0),
        })
    }

    /// Gives a message to all subscriptions of a topic that take it, and returns their number.
    pub fn publish(&self, topic: &str, message: &T) -> u32 {
        let found = lock(self.shard(topic)).get(topic).cloned();
        let Some(topic) = found else {
            return 0;
        };
        let audience = lock(&topic.audience);
        let listeners = audience.listeners.values().filter_map(Weak::upgrade);
        let heard: u32 = listeners.map(|listener| listener.hear(message)).sum();
        let groups = audience.groups.values();
        heard + groups.map(|group| group.hand(message)).sum::<u32>()
    }

    /// Whether a topic has a subscription.
    pub fn has_audience(&self, topic: &str) -> bool {
        lock(self.shard(topic)).contains_key(topic)
    }

    /// Subscribes an instance. `None`: it has as many subscriptions as it may.
    pub fn subscribe(
        self: &Arc<Self>,
        topic: &str,
        wanted: T::Wanted,
        capacity: u32,
        quota: &Arc<Quota>,
    ) -> Option<Subscription<T>> {
        let one_more =
            |count: u32| Some(count + 1).filter(|count| *count <= quota.max_subscriptions);
        quota
            .subscriptions
            .fetch_update(Relaxed, Relaxed, one_more)
            .ok()?;
        let number = self.next.fetch_add(1, Relaxed);
        let mailbox = Arc::new(Mailbox {
            wanted,
            capacity: capacity as usize,
            waiting: Mutex::new(Waiting {
                messages: VecDeque::new(),
                dropped: 0,
            }),
            arrived: AtomicWaker::new(),
        });
        let topic = self.enter(topic, |audience| {
            let group = audience
                .groups
                .entry(address(quota))
                .or_insert_with(|| Group {
                    quota: quota.clone(),
                    members: FxHashMap::default(),
                });
            group.members.insert(number, mailbox.clone());
        });
        Some(Subscription {
            topics: self.clone(),
            topic,
            quota: quota.clone(),
            number,
            mailbox,
            is_read: AtomicBool::new(false),
        })
    }

    /// Hands each message of a topic to a listener, before all subscriptions.
    pub fn listen(self: &Arc<Self>, topic: &str, listener: Weak<dyn Listener<T>>) -> Listening<T> {
        let number = self.next.fetch_add(1, Relaxed);
        let topic = self.enter(topic, |audience| {
            audience.listeners.insert(number, listener);
        });
        Listening {
            topics: self.clone(),
            topic,
            number,
        }
    }

    /// Changes the audience of a topic, which exists from then on.
    fn enter(&self, name: &str, change: impl FnOnce(&mut Audience<T>)) -> Arc<Topic<T>> {
        loop {
            let topic = {
                let mut shard = lock(self.shard(name));
                match shard.get(name) {
                    Some(topic) => topic.clone(),
                    None => {
                        let name: Arc<str> = name.into();
                        let topic = Arc::new(Topic {
                            name: name.clone(),
                            audience: Mutex::new(Audience {
                                groups: FxHashMap::default(),
                                listeners: FxHashMap::default(),
                                over: false,
                            }),
                        });
                        shard.insert(name, topic.clone());
                        topic
                    }
                }
            };
            let mut audience = lock(&topic.audience);
            if audience.over {
                // Its last subscriber is removing it now.
                drop(audience);
                std::thread::yield_now();
                continue;
            }
            change(&mut audience);
            drop(audience);
            return topic;
        }
    }

    /// Changes the audience of a topic, which may be over then.
    fn leave(&self, topic: &Arc<Topic<T>>, change: impl FnOnce(&mut Audience<T>)) {
        let mut audience = lock(&topic.audience);
        change(&mut audience);
        audience.over = audience.groups.is_empty() && audience.listeners.is_empty();
        let is_over = audience.over;
        drop(audience);
        if is_over {
            let mut shard = lock(self.shard(&topic.name));
            let known = shard.get(&*topic.name);
            if known.is_some_and(|known| Arc::ptr_eq(known, topic)) {
                shard.remove(&*topic.name);
            }
        }
    }

    fn shard(&self, topic: &str) -> &Shard<T> {
        // The low bits choose the place in the shard.
        let hash = self.hasher.hash_one(topic) >> 32;
        &self.shards[hash as usize % SHARDS]
    }
}

impl<T: Message> Group<T> {
    fn hand(&self, message: &T) -> u32 {
        /// The cost of keeping it beside the message itself.
        const HELD: usize = 64;
        const PLACE: usize = 8;
        let members = || {
            let members = self.members.values();
            members.filter(|mailbox| message.is(&mailbox.wanted))
        };
        let count = members().count();
        if count == 0 {
            return 0;
        }
        let bytes = (message.size() + HELD + PLACE * count) as u64;
        while !self.quota.take(bytes) {
            // First from subscriptions that take the message; from others only where that is not enough.
            if !(drop_oldest(members()) || drop_oldest(self.members.values())) {
                members().for_each(|mailbox| lock(&mailbox.waiting).dropped += 1);
                return 0;
            }
        }
        let held = Arc::new(Held {
            message: message.clone(),
            bytes,
            quota: self.quota.clone(),
        });
        members().for_each(|mailbox| mailbox.put(held.clone()));
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// Drops the oldest message of each of these. Returns whether there was any.
fn drop_oldest<'a, T: Message + 'a>(mailboxes: impl Iterator<Item = &'a Arc<Mailbox<T>>>) -> bool {
    mailboxes.fold(false, |any, mailbox| any | mailbox.drop_oldest())
}

impl<T: Message> Mailbox<T> {
    fn put(&self, message: Arc<Held<T>>) {
        let mut waiting = lock(&self.waiting);
        let oldest = (waiting.messages.len() >= self.capacity)
            .then(|| waiting.messages.pop_front())
            .flatten();
        waiting.dropped += u64::from(oldest.is_some());
        waiting.messages.push_back(message);
        drop(waiting);
        self.arrived.wake();
    }

    fn drop_oldest(&self) -> bool {
        let mut waiting = lock(&self.waiting);
        let oldest = waiting.messages.pop_front();
        waiting.dropped += u64::from(oldest.is_some());
        oldest.is_some()
    }

    fn take(&self) -> Option<(Arc<Held<T>>, u64)> {
        let mut waiting = lock(&self.waiting);
        let message = waiting.messages.pop_front()?;
        if waiting.messages.is_empty() {
            // Most wait for one message, and then for nothing.
            waiting.messages = VecDeque::new();
        }
        Some((message, std::mem::take(&mut waiting.dropped)))
    }
}

impl<T: Message> Subscription<T> {
    /// Waits until there is a message. Only one task may wait at a time.
    pub async fn ready(&self) -> Result<(), IsRead> {
        if self.is_read.swap(true, Relaxed) {
            return Err(IsRead);
        }
        let _reading = Reading(&self.is_read);
        poll_fn(|cx| {
            self.mailbox.arrived.register(cx.waker());
            match lock(&self.mailbox.waiting).messages.is_empty() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
        Ok(())
    }

    /// The next message, and the number of messages that were dropped before it.
    pub fn take(&self) -> Option<(Arc<Held<T>>, u64)> {
        self.mailbox.take()
    }
}

struct Reading<'a>(&'a AtomicBool);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

impl<T: Message> Drop for Subscription<T> {
    fn drop(&mut self) {
        let key = address(&self.quota);
        self.topics.leave(&self.topic, |audience| {
            if let Some(group) = audience.groups.get_mut(&key) {
                group.members.remove(&self.number);
                if group.members.is_empty() {
                    audience.groups.remove(&key);
                }
            }
        });
        self.quota.subscriptions.fetch_sub(1, Relaxed);
    }
}

impl<T: Message> Drop for Listening<T> {
    fn drop(&mut self) {
        self.topics.leave(&self.topic, |audience| {
            audience.listeners.remove(&self.number);
        });
    }
}

fn address(quota: &Arc<Quota>) -> usize {
    Arc::as_ptr(quota) as usize
}

/// Nothing is ever half done under these locks, so the state of a poisoned lock is valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn quota() -> Arc<Quota> {
        Quota::new(1 << 20, 20_000)
    }

    fn read(subscription: &Subscription<Bytes>) -> Option<(Bytes, u64)> {
        let (held, dropped) = subscription.take()?;
        Some((held.message.clone(), dropped))
    }

    #[test]
    fn a_message_is_kept_once_for_each_instance() {
        let topics = Topics::new();
        let shares = [quota(), quota()];
        let subscriptions: Vec<_> = (0..10_000)
            .map(|at| {
                topics
                    .subscribe("a", (), 4, &shares[at % 2])
                    .expect("a place")
            })
            .collect();
        let message = Bytes::from(vec![7; 1000]);
        assert_eq!(topics.publish("a", &message), 10_000);
        assert_eq!(topics.publish("b", &message), 0);
        for quota in &shares {
            let held = quota.bytes.load(Relaxed);
            assert!((1000..1000 + 64 + 8 * 5000 + 1).contains(&held), "{held}");
        }
        for subscription in &subscriptions {
            let (read, dropped) = read(subscription).expect("a message");
            assert_eq!((read.as_ptr(), dropped), (message.as_ptr(), 0), "no copy");
        }
        assert_eq!(
            shares.each_ref().map(|quota| quota.bytes.load(Relaxed)),
            [0, 0]
        );
        drop(subscriptions);
        assert!(!topics.has_audience("a"));
        assert_eq!(
            shares
                .each_ref()
                .map(|quota| quota.subscriptions.load(Relaxed)),
            [0, 0]
        );
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let topics = Topics::new();
        let slow = topics.subscribe("a", (), 2, &quota()).expect("a place");
        for number in 0..5u8 {
            topics.publish("a", &Bytes::from(vec![number]));
        }
        assert_eq!(read(&slow), Some((Bytes::from(vec![3]), 3)));
        assert_eq!(read(&slow), Some((Bytes::from(vec![4]), 0)));
        assert_eq!(read(&slow), None);
    }

    #[test]
    fn past_its_bytes_an_instance_loses_its_oldest_messages_and_no_other_does() {
        let topics = Topics::new();
        let (small, large) = (Quota::new(1000, 10), quota());
        let (in_small, in_large) = (
            topics.subscribe("a", (), 100, &small).expect("a place"),
            topics.subscribe("a", (), 100, &large).expect("a place"),
        );
        let message = |number: u8| Bytes::from(vec![number; 300]);
        for number in 0..10 {
            assert_eq!(topics.publish("a", &message(number)), 2);
        }
        assert_eq!(
            topics.publish("a", &Bytes::from(vec![10; 2000])),
            1,
            "too much for one"
        );
        assert_eq!(read(&in_small), None);
        topics.publish("a", &message(11));
        assert_eq!(read(&in_small), Some((message(11), 11)));
        for number in 0..10 {
            assert_eq!(read(&in_large), Some((message(number), 0)));
        }
    }

    #[test]
    fn an_instance_has_so_many_subscriptions_and_no_more() {
        let topics = Topics::<Bytes>::new();
        let quota = Quota::new(1000, 2);
        let first = topics.subscribe("a", (), 1, &quota).expect("a place");
        let _second = topics.subscribe("b", (), 1, &quota).expect("a place");
        assert!(topics.subscribe("c", (), 1, &quota).is_none());
        drop(first);
        assert!(topics.subscribe("c", (), 1, &quota).is_some());
    }

    #[test]
    fn only_one_may_read_at_a_time() {
        let topics = Topics::<Bytes>::new();
        let subscription = topics.subscribe("a", (), 1, &quota()).expect("a place");
        let mut first = Box::pin(subscription.ready());
        assert!(first.as_mut().now_or_never().is_none());
        assert!(
            subscription
                .ready()
                .now_or_never()
                .expect("at once")
                .is_err()
        );
        topics.publish("a", &Bytes::new());
        assert!(matches!(first.now_or_never(), Some(Ok(()))));
        assert!(read(&subscription).is_some());
        let mut again = Box::pin(subscription.ready());
        assert!(again.as_mut().now_or_never().is_none());
    }

    #[test]
    fn topics_come_and_go_under_way() {
        let topics = Topics::<Bytes>::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let quota = quota();
                    for _ in 0..5_000 {
                        let mine = topics.subscribe("a", (), 8, &quota).expect("a place");
                        topics.publish("a", &Bytes::from_static(b"x"));
                        assert!(read(&mine).is_some(), "who has subscribed hears of it");
                    }
                });
            }
        });
        assert!(!topics.has_audience("a"));
    }
}
