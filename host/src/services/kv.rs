//! The state that the components of an app share: values by key, in buckets, in memory, and in a file where one is
//! configured. Owns the state. Knows no guest, and blocks no reader and no waiting task.
//!
//! All of it is in memory, so a read never waits for the disk. Without a file a write is done in place; with a file
//! the thread of `writer` does it.

mod data;
mod file;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::base::error::Error;
use crate::services::pubsub::{Message, Quota, Subscription, Topics};

use data::{Batch, Data, Millis};
use file::File;
use writer::Writer;

pub use data::{Act, Done, Entry, KeyPath};

/// The longest name of a bucket, in bytes.
pub const MAX_BUCKET: usize = 128;
/// The longest key, in bytes.
pub const MAX_KEY: usize = 1024;
/// The most keys of a page.
pub const MAX_PAGE: u32 = 1000;

/// How often expired keys are removed.
const EVERY: Duration = Duration::from_secs(1);
/// How many expired keys are removed in one step, so that nothing waits for long.
const CLEANED_UP: usize = 1024;
/// How many are removed with a write, where there is no thread for it.
const BY_THE_WAY: usize = 4;

/// The limits in `[kv]`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all buckets, keys and values together, and 128 for each key.
    pub max_memory: u64,
    /// Bytes of one value.
    pub max_value_size: u64,
}

/// Why a write was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Past `max_memory`.
    Full,
    NotANumber,
    /// Too much waits for the file.
    Busy,
    /// The file could not be written.
    Failed(Arc<str>),
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub place: KeyPath,
    pub entry: Option<Entry>,
}

/// Which keys of a bucket are watched.
#[derive(Debug)]
pub enum Watched {
    Key(Box<str>),
    Prefix(Box<str>),
}

impl Message for Change {
    type Wanted = Watched;

    fn size(&self) -> usize {
        let value = self.entry.as_ref().map_or(0, |entry| entry.value.len());
        self.place.1.len() + value
    }

    fn is(&self, wanted: &Watched) -> bool {
        let key = &self.place.1;
        match wanted {
            Watched::Key(wanted) => **key == **wanted,
            Watched::Prefix(prefix) => key.starts_with(&**prefix),
        }
    }
}

/// A guest's handle on a bucket.
pub struct Bucket {
    pub name: Arc<str>,
}

/// Where the last listings of one instance have stopped, by number. `wasi:keyvalue` continues them so.
#[derive(Default)]
pub struct Cursors {
    last: VecDeque<(u64, KeyPath)>,
    next: u64,
}

impl Cursors {
    /// How many listings can be continued.
    pub const MOST: usize = 64;

    /// Keeps the key at which a listing has stopped, and returns its number.
    pub fn keep(&mut self, place: KeyPath) -> u64 {
        if self.last.len() == Self::MOST {
            self.last.pop_front();
        }
        let number = self.next;
        self.next += 1;
        self.last.push_back((number, place));
        number
    }

    /// The key at which a listing of this bucket has stopped.
    pub fn find(&self, number: u64, bucket: &str) -> Option<Arc<str>> {
        let mut last = self.last.iter();
        let (_, (of, key)) = last.find(|(kept, _)| *kept == number)?;
        (**of == *bucket).then(|| key.clone())
    }
}

/// A guest's handle on a watcher.
pub type Watcher = Arc<Subscription<Change>>;

/// The present time.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// The store.
pub struct Kv {
    core: Arc<KvInner>,
    writer: Option<Writer>,
    /// Whether a thread removes expired keys. With a file the writer does it.
    is_looked_after: AtomicBool,
}

/// What the store and its threads share.
struct KvInner {
    data: Mutex<Data>,
    limits: Limits,
    clock: Clock,
    /// The watchers, by bucket.
    watchers: Arc<Topics<Change>>,
}

impl Kv {
    /// A store that lasts as long as the process.
    pub fn in_memory(limits: Limits) -> Self {
        Self::with(limits, Arc::new(now))
    }

    /// A store that outlives the process, in this file. The error is for people, and does not name the file.
    pub fn in_file(limits: Limits, path: &Path) -> Result<Self, String> {
        Self::in_file_with(limits, path, Arc::new(now))
    }

    fn with(limits: Limits, clock: Clock) -> Self {
        Self {
            core: KvInner::new(Data::default(), limits, clock),
            writer: None,
            is_looked_after: AtomicBool::new(false),
        }
    }

    fn in_file_with(limits: Limits, path: &Path, clock: Clock) -> Result<Self, String> {
        let (file, data) = File::open(path)?;
        let (used, max) = (data.used, limits.max_memory);
        if used > max {
            return Err(format!(
                "it holds {used} bytes, and `max_memory` is no more than {max}"
            ));
        }
        let core = KvInner::new(data, limits, clock);
        let writer = Writer::start(core.clone(), file).map_err(|error: Error| error.to_string())?;
        Ok(Self {
            core,
            writer: Some(writer),
            is_looked_after: AtomicBool::new(true),
        })
    }

    pub fn limits(&self) -> Limits {
        self.core.limits
    }

    /// The value of a key, unless it has expired.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Entry> {
        let now = self.core.now();
        self.core.lock().get(bucket, key, now).cloned()
    }

    pub fn exists(&self, bucket: &str, key: &str) -> bool {
        let now = self.core.now();
        self.core.lock().get(bucket, key, now).is_some()
    }

    /// Keys with a prefix, in order, after `after`. Also the key after which to continue, unless these are the last.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<String>, Option<String>) {
        let now = self.core.now();
        self.core.lock().list(bucket, prefix, after, limit, now)
    }

    /// Changes the value of a key. When it returns, the change is visible, and in the file where there is one.
    pub async fn write(&self, place: KeyPath, act: Act) -> Result<Done, Refused> {
        let done = match &self.writer {
            Some(writer) => writer.write(place, act).await,
            None => self.core.write(&place, &act),
        };
        self.look_after();
        done
    }

    /// Watches changes from now on. `None`: the instance has as many subscriptions as it may.
    pub fn watch(
        &self,
        bucket: &str,
        watched: Watched,
        capacity: u32,
        quota: &Arc<Quota>,
    ) -> Option<Watcher> {
        let watchers = &self.core.watchers;
        let watching = watchers.subscribe(bucket, watched, capacity, quota)?;
        Some(Arc::new(watching))
    }

    /// Starts a thread that removes expired keys, when the first key has an expiry.
    fn look_after(&self) {
        if self.is_looked_after.load(Relaxed) || !self.core.lock().has_expiries() {
            return;
        }
        if !self.is_looked_after.swap(true, Relaxed) {
            let core = Arc::downgrade(&self.core);
            let thread = std::thread::Builder::new().name("kv".to_owned());
            if thread.spawn(move || look_after(&core)).is_err() {
                // It is tried again with the next write. Until then writes remove expired keys.
                self.is_looked_after.store(false, Relaxed);
            }
        }
    }
}

impl KvInner {
    fn new(data: Data, limits: Limits, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            data: Mutex::new(data),
            limits,
            clock,
            watchers: Topics::new(),
        })
    }

    fn now(&self) -> Millis {
        (self.clock)()
    }

    /// Does one write in memory.
    fn write(&self, place: &KeyPath, act: &Act) -> Result<Done, Refused> {
        let mut data = self.lock();
        let mut batch = Batch::new(&data, self.now(), self.limits.max_memory);
        batch.clean_up(BY_THE_WAY);
        let done = batch.decide(place, act);
        let changes = batch.changes;
        self.apply(&mut data, changes);
        done
    }

    /// Applies changes to memory and notifies the watchers of each. Both happen in this order and under one lock, so
    /// that a watcher gets the changes of a key in the order in which they were made.
    fn apply(&self, data: &mut Data, changes: Vec<Change>) {
        for change in changes {
            data.put(&change.place, change.entry.clone());
            let bucket = &*change.place.0;
            if self.watchers.has_audience(bucket) {
                self.watchers.publish(bucket, &change);
            }
        }
    }

    /// The same in several steps, between which readers have their turns. Only for the one thread that writes, so the
    /// order is kept.
    fn apply_by_and_by(&self, changes: Vec<Change>) {
        /// A small number, because each change may have many watchers.
        const AT_ONCE: usize = 32;
        let mut changes = changes.into_iter();
        while changes.len() > 0 {
            let some = changes.by_ref().take(AT_ONCE).collect();
            self.apply(&mut self.lock(), some);
        }
    }

    /// Removes some expired keys from memory. Returns whether there may be more.
    fn clean_up(&self) -> bool {
        let mut data = self.lock();
        let mut batch = Batch::new(&data, self.now(), self.limits.max_memory);
        let is_more = batch.clean_up(CLEANED_UP) == CLEANED_UP;
        let changes = batch.changes;
        self.apply(&mut data, changes);
        is_more
    }

    /// Under this lock entries are replaced one by one, so the state of a poisoned lock is valid.
    fn lock(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes expired keys as long as the store exists.
fn look_after(core: &Weak<KvInner>) {
    loop {
        std::thread::sleep(EVERY);
        let Some(core) = core.upgrade() else {
            return;
        };
        while core.clean_up() {
            std::thread::yield_now();
        }
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
