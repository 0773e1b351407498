//! Counters of the server: by route, by generation and by component. Every core has its own counters, so that counting
//! disturbs no other core. Never reads a clock, and decides nothing.

mod streams;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::base::shards;

pub use streams::{StreamMeter, StreamPermit, StreamTally};

/// The upper bounds of a histogram's buckets, in seconds.
pub const BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// How long the counters of a removed component are shown: long enough for a scraper to see the last counts.
const REMEMBERED: Duration = Duration::from_secs(600);

/// How many removed components are shown at most. Past that, the one that was removed first is left out.
const MAX_REMEMBERED: usize = 100;

/// How many routes there may be before removed ones are searched for.
const MANY_ROUTES: usize = 1000;

/// All counters of one server. They exist as long as the server: a swap does not reset them.
#[derive(Default)]
pub struct Metrics {
    routes: Mutex<Routes>,
    components: Mutex<Components>,
    /// Of routes that no generation has any more.
    removed: Mutex<RouteTally>,
    /// By status: requests that the edge has refused, so that they met no route.
    refused: Mutex<BTreeMap<u16, u64>>,
}

#[derive(Default)]
struct Routes {
    meters: HashMap<RouteKey, Arc<RouteMeter>>,
    /// How many there may be before removed ones are searched for again.
    most: usize,
}

#[derive(Default)]
struct Components {
    meters: BTreeMap<String, Kept>,
    /// How many there may be before removed ones are searched for again.
    most: usize,
    /// The sum of those that are not shown any more, if there are any.
    forgotten: Option<ComponentTally>,
}

/// The meter of a component that exists, or did.
#[derive(Default)]
struct Kept {
    meter: Arc<ComponentMeter>,
    /// When it was first noticed that no version of it is left.
    gone: Option<Instant>,
}

/// A route, by the names in its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteKey {
    pub host: String,
    pub pattern: String,
}

impl Metrics {
    /// The meter of a route, which it keeps through all generations that have it.
    pub fn route(&self, key: RouteKey) -> Arc<RouteMeter> {
        let mut routes = lock(&self.routes);
        if routes.meters.len() >= routes.most.max(MANY_ROUTES) {
            self.sum_up_removed(&mut routes);
            routes.most = routes.meters.len() * 2;
        }
        routes.meters.entry(key).or_default().clone()
    }

    /// The meter of a component, by its file. One that comes back in time keeps its counts.
    pub fn component(&self, file: &str, now: Instant) -> Arc<ComponentMeter> {
        let mut components = lock(&self.components);
        if components.meters.len() >= components.most.max(MAX_REMEMBERED) {
            components.forget(now);
            components.most = components.meters.len() + MAX_REMEMBERED;
        }
        let kept = components.meters.entry(file.to_owned()).or_default();
        kept.gone = None;
        kept.meter.clone()
    }

    /// Counts a request that was refused before it met a route.
    pub fn refused(&self, status: u16) {
        *lock(&self.refused).entry(status).or_default() += 1;
    }

    /// The counts of all routes. Removed ones are summed up without a name.
    pub fn routes(&self) -> Vec<(Option<RouteKey>, RouteTally)> {
        let mut routes = lock(&self.routes);
        let removed = self.sum_up_removed(&mut routes);
        let kept = routes.meters.iter();
        let mut tallies: Vec<_> = kept
            .map(|(key, meter)| (Some(key.clone()), meter.tally()))
            .collect();
        tallies.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        tallies.push((None, removed));
        tallies
    }

    fn sum_up_removed(&self, routes: &mut Routes) -> RouteTally {
        let mut removed = lock(&self.removed);
        // A meter without another owner counts no more.
        let is_gone = |meter: &mut Arc<_>| Arc::strong_count(meter) == 1;
        let gone = routes.meters.extract_if(|_, meter| is_gone(meter));
        gone.for_each(|(_, meter)| removed.add(&meter.tally()));
        removed.clone()
    }

    /// The counts of all components. Removed ones are shown for a while, then summed up without a name.
    pub fn components(&self, now: Instant) -> Vec<(Option<String>, ComponentTally)> {
        let mut components = lock(&self.components);
        components.forget(now);
        let kept = components.meters.iter();
        let mut tallies: Vec<_> = kept
            .map(|(file, kept)| (Some(file.clone()), kept.meter.tally()))
            .collect();
        tallies.extend(components.forgotten.clone().map(|tally| (None, tally)));
        tallies
    }

    /// How many requests were refused, by status.
    pub fn refusals(&self) -> BTreeMap<u16, u64> {
        lock(&self.refused).clone()
    }
}

impl Components {
    /// Notes which components are removed, and sums up those that were removed long ago, or are too many.
    fn forget(&mut self, now: Instant) {
        let mut gone = Vec::new();
        for (file, kept) in &mut self.meters {
            // One that drains still counts.
            match Arc::strong_count(&kept.meter) {
                1 => gone.push((*kept.gone.get_or_insert(now), file.clone())),
                _ => kept.gone = None,
            }
        }
        gone.sort_unstable();
        let too_many = gone.len().saturating_sub(MAX_REMEMBERED);
        for (index, (since, file)) in gone.into_iter().enumerate() {
            let is_old = now.saturating_duration_since(since) >= REMEMBERED;
            if (is_old || index < too_many)
                && let Some(kept) = self.meters.remove(&file)
            {
                let forgotten = self.forgotten.get_or_insert_default();
                forgotten.add(&kept.meter.tally());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One value for each shard and one for all other threads, made when it is first needed.
pub struct Sharded<T>(Box<[OnceLock<Box<T>>]>);

impl<T: Default> Sharded<T> {
    /// The value of the caller's thread.
    pub fn mine(&self) -> &T {
        let others = self.0.len() - 1;
        self.0[shards::own().unwrap_or(others)].get_or_init(Box::default)
    }

    fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|one| one.get().map(Box::as_ref))
    }
}

impl<T> Default for Sharded<T> {
    fn default() -> Self {
        Self((0..=shards::cores()).map(|_| OnceLock::new()).collect())
    }
}

/// Adds to a counter of the caller's thread.
fn add(count: &AtomicU64, more: u64) {
    match shards::own() {
        // Only this thread changes it, and an atomic addition takes several times as long.
        Some(_) => count.store(count.load(Relaxed).wrapping_add(more), Relaxed),
        None => drop(count.fetch_add(more, Relaxed)),
    }
}

/// A counter that many cores add to.
pub type Counter = Sharded<AtomicU64>;

impl Counter {
    /// Adds one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Adds so many.
    pub fn add(&self, count: u64) {
        add(self.mine(), count);
    }

    /// The sum over all threads.
    pub fn sum(&self) -> u64 {
        self.all().map(|count| count.load(Relaxed)).sum()
    }
}

/// The counters of one route.
#[derive(Default)]
pub struct RouteMeter(Sharded<RouteCounts>);

#[derive(Default)]
struct RouteCounts {
    /// By the first digit of the status.
    answered: [AtomicU64; 5],
    abandoned: AtomicU64,
    durations: Histogram,
}

/// The counts of one route.
#[derive(Clone, Debug, Default)]
pub struct RouteTally {
    /// Responses, by the first digit of their status, from 1 on.
    pub answered: [u64; 5],
    /// Requests whose client left before there was a response.
    pub abandoned: u64,
    /// From the request's head to the response.
    pub durations: HistogramTally,
}

impl RouteMeter {
    /// Counts a request that has its response.
    pub fn answered(&self, status: u16, after: Duration) {
        let counts = self.0.mine();
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        add(&counts.answered[class], 1);
        counts.durations.observe(after);
    }

    /// Counts a request that ended without one.
    pub fn abandoned(&self) {
        add(&self.0.mine().abandoned, 1);
    }

    fn tally(&self) -> RouteTally {
        let mut tally = RouteTally::default();
        for counts in self.0.all() {
            tally.add(&RouteTally {
                answered: counts.answered.each_ref().map(|count| count.load(Relaxed)),
                abandoned: counts.abandoned.load(Relaxed),
                durations: counts.durations.tally(),
            });
        }
        tally
    }
}

impl RouteTally {
    fn add(&mut self, other: &RouteTally) {
        for (sum, more) in self.answered.iter_mut().zip(other.answered) {
            *sum += more;
        }
        self.abandoned += other.abandoned;
        self.durations.add(&other.durations);
    }
}

/// The counters of one component, in all its versions.
#[derive(Default)]
pub struct ComponentMeter {
    waits: Sharded<Histogram>,
    /// Instances made.
    pub instantiations: Counter,
    /// Instances lost to a trap or to a run that was too long.
    pub traps: Counter,
    /// Requests for which there was no room.
    pub overloads: Counter,
    /// From a request of a guest to the head of its response.
    fetches: Sharded<Histogram>,
    /// Requests of guests that were refused or failed.
    pub failed_fetches: Counter,
    /// How many ticks of the clock found one of its guests running.
    pub beats: Arc<AtomicU64>,
    pub sockets: SocketMeter,
    /// Streams that clients have opened.
    pub streams: StreamMeter,
    /// Streams to other servers.
    pub streams_to_servers: StreamMeter,
}

/// The counters of one component's sockets.
#[derive(Default)]
pub struct SocketMeter {
    /// Handshakes that were answered with a socket.
    pub opened: Counter,
    pub closed: Counter,
    pub received: Counter,
    pub received_bytes: Counter,
    pub sent: Counter,
    pub sent_bytes: Counter,
    /// Published messages that were lost, because a client was too slow.
    pub dropped: Counter,
    /// Sockets that went to another instance.
    pub moved: Counter,
    /// Sockets whose instance was freed while they were quiet.
    pub slept: Counter,
}

/// The counts of one component.
#[derive(Clone, Debug, Default)]
pub struct ComponentTally {
    /// From a request's head to the moment when an instance takes it.
    pub waits: HistogramTally,
    pub instantiations: u64,
    pub traps: u64,
    pub overloads: u64,
    pub fetches: HistogramTally,
    pub failed_fetches: u64,
    pub beats: u64,
    pub sockets: SocketTally,
    pub streams: StreamTally,
    pub streams_to_servers: StreamTally,
}

/// The counts of one component's sockets, as the counters of [`SocketMeter`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketTally {
    pub opened: u64,
    pub closed: u64,
    pub received: u64,
    pub received_bytes: u64,
    pub sent: u64,
    pub sent_bytes: u64,
    pub dropped: u64,
    pub moved: u64,
    pub slept: u64,
}

impl SocketMeter {
    fn tally(&self) -> SocketTally {
        SocketTally {
            opened: self.opened.sum(),
            closed: self.closed.sum(),
            received: self.received.sum(),
            received_bytes: self.received_bytes.sum(),
            sent: self.sent.sum(),
            sent_bytes: self.sent_bytes.sum(),
            dropped: self.dropped.sum(),
            moved: self.moved.sum(),
            slept: self.slept.sum(),
        }
    }
}

impl SocketTally {
    fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.received += other.received;
        self.received_bytes += other.received_bytes;
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.dropped += other.dropped;
        self.moved += other.moved;
        self.slept += other.slept;
    }
}

impl ComponentMeter {
    /// Counts a request that an instance takes.
    pub fn entered(&self, after: Duration) {
        self.waits.mine().observe(after);
    }

    /// Counts a fetch that has its response, or never will have one.
    pub fn fetched(&self, after: Duration, well: bool) {
        match well {
            true => self.fetches.mine().observe(after),
            false => self.failed_fetches.count(),
        }
    }

    fn tally(&self) -> ComponentTally {
        let mut fetches = HistogramTally::default();
        self.fetches.all().for_each(|one| fetches.add(&one.tally()));
        let mut waits = HistogramTally::default();
        self.waits.all().for_each(|one| waits.add(&one.tally()));
        ComponentTally {
            waits,
            instantiations: self.instantiations.sum(),
            traps: self.traps.sum(),
            overloads: self.overloads.sum(),
            fetches,
            failed_fetches: self.failed_fetches.sum(),
            beats: self.beats.load(Relaxed),
            sockets: self.sockets.tally(),
            streams: self.streams.tally(),
            streams_to_servers: self.streams_to_servers.tally(),
        }
    }
}

impl ComponentTally {
    fn add(&mut self, other: &ComponentTally) {
        self.waits.add(&other.waits);
        self.instantiations += other.instantiations;
        self.traps += other.traps;
        self.sockets.add(&other.sockets);
        self.streams.add(&other.streams);
        self.streams_to_servers.add(&other.streams_to_servers);
        self.overloads += other.overloads;
        self.fetches.add(&other.fetches);
        self.failed_fetches += other.failed_fetches;
        self.beats += other.beats;
    }
}

#[derive(Default)]
struct Histogram {
    /// One for each bound, and one for longer durations.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// The distribution of durations.
#[derive(Clone, Debug, Default)]
pub struct HistogramTally {
    /// How many are in each bucket, and in none before it.
    pub buckets: [u64; BOUNDS.len() + 1],
    pub nanoseconds: u64,
}

impl Histogram {
    fn observe(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|bound| *bound < nanoseconds);
        add(&self.buckets[bucket], 1);
        add(&self.nanoseconds, nanoseconds);
    }

    fn tally(&self) -> HistogramTally {
        HistogramTally {
            buckets: self.buckets.each_ref().map(|count| count.load(Relaxed)),
            nanoseconds: self.nanoseconds.load(Relaxed),
        }
    }
}

/// The bounds in nanoseconds.
const BUCKETS: [u64; BOUNDS.len()] = {
    let mut nanoseconds = [0; BOUNDS.len()];
    let mut index = 0;
    while index < BOUNDS.len() {
        nanoseconds[index] = (BOUNDS[index] * 1e9) as u64;
        index += 1;
    }
    nanoseconds
};

impl HistogramTally {
    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn add(&mut self, other: &HistogramTally) {
        for (sum, more) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += more;
        }
        self.nanoseconds += other.nanoseconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pattern: &str) -> RouteKey {
        RouteKey {
            host: String::new(),
            pattern: pattern.to_owned(),
        }
    }

    #[test]
    fn a_route_that_goes_takes_nothing_along() {
        let metrics = Metrics::default();
        let (kept, gone) = (metrics.route(key("/kept")), metrics.route(key("/gone")));
        kept.answered(200, Duration::ZERO);
        gone.answered(404, Duration::from_millis(3));
        gone.abandoned();
        drop(gone);
        let routes = metrics.routes();
        let [(Some(one), _), (None, removed)] = &routes[..] else {
            panic!("{routes:?}");
        };
        assert_eq!(*one, key("/kept"));
        assert_eq!(removed.answered, [0, 0, 0, 1, 0]);
        assert_eq!(removed.abandoned, 1);
        assert_eq!(removed.durations.count(), 1);
    }

    #[test]
    fn components_that_are_gone_are_told_of_for_a_while_and_never_many() {
        let metrics = Metrics::default();
        let began = Instant::now();
        let stays = metrics.component("stays.wasm", began);
        for number in 0..10_000 {
            let meter = metrics.component(&format!("{number}.wasm"), began);
            meter.traps.count();
        }
        let told = |after: Duration| metrics.components(began + after);
        let tallies = told(Duration::ZERO);
        assert_eq!(tallies.len(), MAX_REMEMBERED + 2);
        let sum = |tallies: &[(_, ComponentTally)]| -> u64 {
            tallies.iter().map(|(_, tally)| tally.traps).sum()
        };
        assert_eq!(sum(&tallies), 10_000);

        // One that comes back keeps its counts.
        let back = metrics.component("9999.wasm", began);
        back.traps.count();
        assert_eq!(told(REMEMBERED / 2).len(), MAX_REMEMBERED + 2);
        let tallies = told(REMEMBERED);
        let names: Vec<_> = tallies.iter().map(|(name, _)| name.as_deref()).collect();
        assert_eq!(names, [Some("9999.wasm"), Some("stays.wasm"), None]);
        assert_eq!(tallies[0].1.traps, 2);
        assert_eq!(sum(&tallies), 10_001);
        drop((stays, back));
        assert_eq!(told(REMEMBERED * 2).len(), 3);
        assert_eq!(told(REMEMBERED * 3).len(), 1);
    }

    #[test]
    fn routes_that_are_gone_are_not_kept_until_somebody_scrapes() {
        let metrics = Metrics::default();
        for number in 0..10_000 {
            metrics.route(key(&format!("/{number}"))).abandoned();
        }
        assert!(lock(&metrics.routes).meters.len() <= MANY_ROUTES);
        let routes = metrics.routes();
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0].1.abandoned, 10_000);
    }

    #[test]
    fn a_duration_is_in_the_bucket_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for duration in [0, 500_000, 500_001, 10_000_000_000, 10_000_000_001] {
            histogram.observe(Duration::from_nanos(duration));
        }
        let buckets = histogram.tally().buckets;
        assert_eq!(buckets[..2], [2, 1]);
        assert_eq!(buckets[BOUNDS.len() - 1..], [1, 1]);
    }
}
