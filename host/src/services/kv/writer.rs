//! The thread that writes the file. All writes that wait go into one commit, and are answered when it is done. Owns
//! their order; never blocks a task that waits for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::data::{Act, Batch, Done, KeyPath};
use super::file::File;
use super::{CLEANED_UP, EVERY, KvInner, Refused};
use crate::base::error::Error;

/// How many bytes of writes may wait for the next commit.
pub const MAX_WAITING: usize = 64 * 1024 * 1024;
/// The cost of a write that waits, beside its key and value.
const PER_WRITE: usize = 256;
/// The most writes in one commit.
const AT_ONCE: usize = 1024;

/// The thread's handle. The thread ends when this is dropped.
pub struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    writes: Vec<Write>,
    bytes: usize,
    closed: bool,
}

struct Write {
    place: KeyPath,
    act: Act,
    answer: oneshot::Sender<Result<Done, Refused>>,
}

impl Writer {
    pub fn start(core: Arc<KvInner>, file: File) -> Result<Self, Error> {
        let queue = Arc::new(Queue::default());
        let waiting = queue.clone();
        let thread = std::thread::Builder::new()
            .name("kv".to_owned())
            .spawn(move || work(&core, file, &waiting))
            .map_err(|error| {
                Error::host("the thread that writes `[kv] file` can't start", error)
            })?;
        Ok(Self {
            queue,
            thread: Some(thread),
        })
    }

    /// Does a write with the next commit.
    pub async fn write(&self, place: KeyPath, act: Act) -> Result<Done, Refused> {
        let answered = self.queue.push(place, act)?;
        let gone = || Refused::Failed("the server is ending".into());
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.arrived.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn push(
        &self,
        place: KeyPath,
        act: Act,
    ) -> Result<oneshot::Receiver<Result<Done, Refused>>, Refused> {
        let (answer, answered) = oneshot::channel();
        let write = Write { place, act, answer };
        let size = write.size();
        let mut waiting = self.lock();
        if !waiting.writes.is_empty() && waiting.bytes + size > MAX_WAITING {
            return Err(Refused::Busy);
        }
        waiting.bytes += size;
        waiting.writes.push(write);
        let is_first = waiting.writes.len() == 1;
        drop(waiting);
        if is_first {
            self.arrived.notify_one();
        }
        Ok(answered)
    }

    /// Waits for writes, or until it is time to remove expired keys. `None`: there will be no more.
    fn take(&self, patience: Duration) -> Option<Vec<Write>> {
        let waiting = self.lock();
        let (mut waiting, _) = self
            .arrived
            .wait_timeout_while(waiting, patience, |waiting| {
                waiting.writes.is_empty() && !waiting.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.writes.is_empty() && waiting.closed {
            return None;
        }
        let count = waiting.writes.len().min(AT_ONCE);
        let taken: Vec<Write> = waiting.writes.drain(..count).collect();
        waiting.bytes -= taken.iter().map(Write::size).sum::<usize>();
        Some(taken)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write {
    fn size(&self) -> usize {
        let (bucket, key) = &self.place;
        let value = match &self.act {
            Act::Set { value, .. } | Act::Swap { value, .. } => value.len(),
            Act::Delete | Act::Increment(_) | Act::Add(_) => 0,
        };
        bucket.len() + key.len() + value + PER_WRITE
    }
}

fn work(core: &KvInner, mut file: File, queue: &Queue) {
    let mut was_well = true;
    let mut patience = EVERY;
    while let Some(writes) = queue.take(patience) {
        let (committed, is_clean) = commit(core, &mut file, writes);
        patience = match is_clean || committed.is_err() {
            true => EVERY,
            false => Duration::ZERO,
        };
        match &committed {
            Err(error) if was_well => {
                tracing::error!(target: "general", "`[kv] file` can't be written: {error}");
            }
            Ok(()) if !was_well => {
                tracing::info!(target: "general", "`[kv] file` is written again");
            }
            _ => {}
        }
        was_well = committed.is_ok();
    }
}

/// Decides the writes, commits them to the file, then applies them to memory, notifies watchers and answers. Also
/// returns whether all expired keys are removed.
fn commit(core: &KvInner, file: &mut File, writes: Vec<Write>) -> (Result<(), Arc<str>>, bool) {
    let mut answers = Vec::with_capacity(writes.len());
    let (after, version, changes, is_clean) = {
        let data = core.lock();
        let mut batch = Batch::new(&data, core.now(), core.limits.max_memory);
        for Write { place, act, answer } in writes {
            answers.push((answer, batch.decide(&place, &act)));
        }
        let is_clean = batch.clean_up(CLEANED_UP) < CLEANED_UP;
        (batch.after, batch.version, batch.changes, is_clean)
    };
    let mut committed = Ok(());
    if !changes.is_empty() {
        // Nothing else changes memory, so it is still as it was when the writes were decided.
        let kept = |(bucket, key): &KeyPath| core.lock().get(bucket, key, 0).cloned();
        committed = file.commit(&after, version, kept).map_err(Arc::<str>::from);
        core.lock().version = version;
        if committed.is_ok() {
            core.apply_by_and_by(changes);
        }
    }
    for (answer, decided) in answers {
        let said = match &committed {
            Ok(()) => decided,
            Err(error) => decided.and(Err(Refused::Failed(error.clone()))),
        };
        // The task that waited may be gone.
        let _ = answer.send(said);
    }
    (committed, is_clean)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_waits_is_bounded_by_its_bytes() {
        let queue = Queue::default();
        let set = |length: usize| {
            let place = ("bucket".into(), "key".into());
            let value = Bytes::from(vec![0; length]);
            queue.push(place, Act::Set { value, ttl: None })
        };
        let mut answers = vec![set(2 * MAX_WAITING).expect("one is taken, however large")];
        assert_eq!(set(1).expect_err("there is no room"), Refused::Busy);
        assert_eq!(queue.take(EVERY).expect("open").len(), 1);
        let mut taken = 0;
        while let Ok(answer) = set(1024 * 1024) {
            answers.push(answer);
            taken += 1;
        }
        assert_eq!(taken, 63);
        assert_eq!(queue.take(EVERY).expect("open").len(), 63);
        assert!(set(1024 * 1024).is_ok());
    }
}
