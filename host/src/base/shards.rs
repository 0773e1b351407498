//! One thread for each core, each with an event loop of its own. A connection and the instances that serve it live on
//! the same one, so a request changes no thread on its way. Knows nothing of what runs there.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::runtime::{Builder, Handle};

thread_local! {
    static HERE: Cell<Option<usize>> = const { Cell::new(None) };
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
    /// What was put there and is not gone.
    load: AtomicUsize,
}

impl Shards {
    /// Starts one for each core.
    pub fn start() -> io::Result<Arc<Self>> {
        let all = (0..cores()).map(start).collect::<io::Result<Vec<_>>>()?;
        Ok(Arc::new(Self::of(all)))
    }

    /// A single one: the runtime that this is called in.
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

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// One after the other.
    pub fn next(&self) -> usize {
        self.next.fetch_add(1, Relaxed) % self.count()
    }

    /// Where things are put by number.
    pub fn runtime(&self, shard: usize) -> &Handle {
        &self.all[shard % self.count()].runtime
    }

    /// A place where least is.
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

/// How many cores this process might use when somebody first asked.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// On which shard the caller is. Threads that are none count as the first.
pub fn here() -> usize {
    HERE.get().unwrap_or(0)
}

/// Which shard the caller is, if any. There is one thread for each number below [`cores`].
pub fn own() -> Option<usize> {
    HERE.get()
}

/// Lets the threads that serve go first, where there are fewer cores than work. For what loads and takes a tenth of a
/// millisecond and more, between its steps: the scheduler of Linux lets whoever runs finish what is a time slice long,
/// and a request that has just come waits.
pub fn give_way() {
    thread::yield_now();
}

/// A place on a shard, given back when dropped.
#[derive(Debug)]
pub struct ShardLease {
    shards: Arc<Shards>,
    shard: usize,
}

impl ShardLease {
    /// The event loop there.
    pub fn runtime(&self) -> &Handle {
        self.shards.runtime(self.shard)
    }
}

impl Drop for ShardLease {
    fn drop(&mut self) {
        self.shards.all[self.shard].load.fetch_sub(1, Relaxed);
    }
}

/// How many sockets are looked at before what they brought is worked off. With tokio's 1,024, as many requests wait for
/// their instance at once, none of which is in the core's cache any more when its turn comes. With few, a client on the
/// same machine falls asleep between the answers, and waking it is dear.
const IO_EVENTS: usize = 32;

/// How many tasks have their turn before sockets are looked at all the same. Each request takes two; tokio's 61 would
/// have new ones begin amid the answers to those that are here.
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
