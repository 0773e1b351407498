//! One thread for each core, each with its own event loop. A connection and the instances that serve it are on the
//! same shard, so a request does not change threads. Does not know what runs there.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Semaphore;

thread_local! {
    static HERE: Cell<Option<usize>> = const { Cell::new(None) };
    static LONG_WORK: Arc<Semaphore> = Arc::new(Semaphore::new(1));
}

/// The threads that serve. They last as long as the process.
#[derive(Debug)]
pub struct Shards {
    all: Box<[Shard]>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Shard {
    runtime: Handle,
    /// The number of leases.
    load: AtomicUsize,
}

impl Shards {
    /// Starts one shard for each core.
    pub fn start() -> io::Result<Arc<Self>> {
        let all = (0..cores()).map(start).collect::<io::Result<Vec<_>>>()?;
        Ok(Arc::new(Self::of(all)))
    }

    /// A single shard: the runtime in which this is called.
    pub fn here() -> Arc<Self> {
        Arc::new(Self::of(vec![Handle::current()]))
    }

    fn of(runtimes: Vec<Handle>) -> Self {
        let shard = |runtime| Shard {
            runtime,
            load: AtomicUsize::new(0),
        };
        Self {
            all: runtimes.into_iter().map(shard).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// The number of shards.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The next shard in turn.
    pub fn next(&self) -> usize {
        self.next.fetch_add(1, Relaxed) % self.count()
    }

    /// The event loop of a shard.
    pub fn runtime(&self, shard: usize) -> &Handle {
        &self.all[shard % self.count()].runtime
    }

    /// A lease on the shard with the fewest.
    pub fn place(self: &Arc<Self>) -> ShardLease {
        let first = self.next();
        let shard = (first..first + self.count())
            .map(|shard| shard % self.count())
            .min_by_key(|&shard| self.all[shard].load.load(Relaxed))
            .unwrap_or(first);
        self.all[shard].load.fetch_add(1, Relaxed);
        ShardLease {
            shards: self.clone(),
            shard,
        }
    }
}

/// The number of cores that this process could use when this was first called.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// The shard of the caller. Other threads count as the first.
pub fn here() -> usize {
    HERE.get().unwrap_or(0)
}

/// The shard of the caller, if it is on one. There is one thread for each number below [`cores`].
pub fn own() -> Option<usize> {
    HERE.get()
}

/// The turn of long work on this thread. Work that gives way to all others waits for it, and for as long as it gives
/// way keeps it: so one piece of long work goes on after the other, however many there are, with all others between.
pub fn long_work() -> Arc<Semaphore> {
    LONG_WORK.with(Arc::clone)
}

/// Has the system prefer other threads to this one and those that it starts, where there are fewer cores than work.
pub fn step_back() {
    /// A third of the time of another thread (nice(2)).
    const STEPS: i32 = 5;
    // Elsewhere it would be the whole process.
    if cfg!(target_os = "linux") {
        // Where it is not possible, all threads are equal.
        let _ = rustix::process::nice(STEPS);
    }
}

/// Lets the threads that serve go first, where there are fewer cores than work. It is for loading, between steps that
/// take a tenth of a millisecond and more. Linux lets a thread finish its time slice, while a new request waits.
pub fn give_way() {
    thread::yield_now();
}

/// A place on a shard. Dropping it gives it back.
#[derive(Debug)]
pub struct ShardLease {
    shards: Arc<Shards>,
    shard: usize,
}

impl ShardLease {
    /// The shard's event loop.
    pub fn runtime(&self) -> &Handle {
        self.shards.runtime(self.shard)
    }
}

impl Drop for ShardLease {
    fn drop(&mut self) {
        self.shards.all[self.shard].load.fetch_sub(1, Relaxed);
    }
}

/// How many sockets are polled before their input is handled. With tokio's 1,024, as many requests wait for their
/// instance, and are no longer in the core's cache when their turn comes. With few, a client on the same machine goes
/// to sleep between the answers, and waking it costs much.
const IO_EVENTS: usize = 32;

/// How many tasks have their turn before sockets are polled again. Each request takes two; with tokio's 61 new ones
/// would begin between the answers to present ones.
const TASKS: u32 = 256;

fn start(shard: usize) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_io_events_per_tick(IO_EVENTS)
        .event_interval(TASKS)
        .build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("shard-{shard}"))
        .spawn(move || {
            HERE.set(Some(shard));
            runtime.block_on(std::future::pending::<()>());
        })?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_placed_goes_where_least_is() {
        let shards = Shards::of(vec![Handle::current(); 3]);
        let shards = Arc::new(shards);
        let mut places: Vec<ShardLease> = (0..6).map(|_| shards.place()).collect();
        let mut taken: Vec<usize> = places.iter().map(|place| place.shard).collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 0, 1, 1, 2, 2]);
        places.retain(|place| place.shard != 1);
        assert_eq!([shards.place().shard, shards.place().shard], [1, 1]);
    }

    #[test]
    fn each_shard_knows_its_number() {
        let shards = Shards::start().unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for shard in 0..shards.count() {
                let there = shards.runtime(shard).spawn(async { here() });
                assert_eq!(there.await.unwrap(), shard);
            }
        });
    }
}
