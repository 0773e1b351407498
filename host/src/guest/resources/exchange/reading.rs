//! How a request's body is read. Data that has come stays here until it is taken, so a dropped read loses nothing. One
//! function waits, another takes without waiting. The time of a wait is noted, because it is not the handler's time.

use std::future::poll_fn;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Cancel, Exchange};
use crate::base::body::{BodyError, RequestBody, Room};
use crate::guest::resources::{BodyMemory, BodyShare, lock};

/// The state of a request's body.
pub(super) enum BodySlot {
    /// There is none.
    None,
    Here(RequestBody),
    /// Reading it failed. Every later read gets the error.
    Failed(BodyError),
    /// It was taken completely, or given up.
    Taken,
}

/// How long the handler waited for the body, in nanoseconds.
#[derive(Default)]
pub(super) struct Waits {
    before: AtomicU64,
    /// When the wait that is under way began, counted from the beginning of the request. 0: there is none.
    since: AtomicU64,
}

impl Waits {
    fn begin(&self, began: Instant) {
        if self.since.load(Relaxed) == 0 {
            self.since.store(since(began).max(1), Relaxed);
        }
    }

    fn end(&self, began: Instant) {
        let then = self.since.swap(0, Relaxed);
        if then > 0 {
            let passed = since(began).saturating_sub(then);
            self.before.fetch_add(passed, Relaxed);
        }
    }
}

fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Exchange {
    /// How long its handler has waited for the body, and whether it waits now.
    pub fn waited_for_body(&self) -> (Duration, bool) {
        let then = self.waits.since.load(Relaxed);
        let now = match then {
            0 => 0,
            then => since(self.began).saturating_sub(then),
        };
        let before = self.waits.before.load(Relaxed);
        (Duration::from_nanos(before.saturating_add(now)), then > 0)
    }

    /// Whether its client left before the body's end.
    pub fn broke_off(&self) -> bool {
        self.failed_with(BodyError::Gone)
    }

    /// Whether its body was late because there was no room for it.
    pub fn lacked_room(&self) -> bool {
        self.failed_with(BodyError::NoRoom)
    }

    fn failed_with(&self, error: BodyError) -> bool {
        matches!(&*lock(&self.body), BodySlot::Failed(failed) if *failed == error)
    }

    /// Waits until [`Exchange::take_chunk`] has something.
    pub async fn wait_chunk(&self) {
        let _turn = self.turn().await;
        poll_fn(|cx| self.waited(self.poll_body(|body| body.poll_chunk(cx)))).await;
    }

    /// The next piece of the body, never empty; `Some(Ok(None))` at its end. `None`: nothing has come yet.
    pub fn take_chunk(&self) -> Option<Result<Option<Bytes>, BodyError>> {
        let mut slot = lock(&self.body);
        let body = match &mut *slot {
            BodySlot::None => return Some(Ok(None)),
            BodySlot::Failed(error) => return Some(Err(*error)),
            BodySlot::Taken => return Some(Err(BodyError::Gone)),
            BodySlot::Here(body) => body,
        };
        let chunk = body.take_chunk()?;
        if chunk.is_none() {
            self.keep_trailers(body);
        }
        if !body.readers().is_read() {
            // The part that a read of the whole body has collected is handed out.
            drop(lock(&self.body_memory).take());
        }
        Some(Ok(chunk))
    }

    /// Waits until [`Exchange::take_whole`] has something. Also waits for room in the memory, as data comes.
    pub async fn wait_whole(&self, memory: &BodyMemory) {
        let _turn = self.turn().await;
        poll_fn(|cx| self.waited(self.poll_whole(memory, cx))).await;
    }

    /// The body, or the rest of it. `None`: it has not come completely.
    pub fn take_whole(&self, memory: &BodyMemory) -> Option<Result<Vec<u8>, BodyError>> {
        self.look(memory);
        let mut slot = lock(&self.body);
        let body = match &mut *slot {
            BodySlot::None => return Some(Ok(Vec::new())),
            BodySlot::Failed(error) => return Some(Err(*error)),
            BodySlot::Taken => return Some(Err(BodyError::Gone)),
            BodySlot::Here(body) => body,
        };
        if body.promised() > memory.total() {
            // It can be read piece by piece.
            return Some(Err(BodyError::TooLarge));
        }
        if !lock(&self.body_memory)
            .as_ref()
            .is_some_and(BodyShare::is_whole)
        {
            return None;
        }
        let whole = body.take_whole()?;
        self.keep_trailers(body);
        let over = std::mem::replace(&mut *slot, BodySlot::Taken);
        drop(slot);
        drop(over);
        Some(Ok(whole))
    }

    /// Reads the whole body before its handler does, where that is no more than `most` bytes, and looks at it. It stays
    /// for the handler, and is charged to `memory` only for now. `None`: it is longer.
    pub async fn look_ahead<R>(
        &self,
        memory: &BodyMemory,
        most: u64,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, BodyError> {
        {
            let _turn = self.turn().await;
            poll_fn(|cx| self.waited(self.poll_at_most(memory, most, cx))).await;
        }
        let looked = match &*lock(&self.body) {
            BodySlot::None => Ok(Some(look(&[]))),
            BodySlot::Failed(error) => Err(*error),
            BodySlot::Taken => Err(BodyError::Gone),
            BodySlot::Here(body) => Ok(body.whole().map(look)),
        };
        drop(lock(&self.body_memory).take());
        looked
    }

    /// Sets a limit of the body. It holds also for a read that is under way.
    pub fn limit_body(&self, limit: impl FnOnce(&mut RequestBody) -> Result<(), BodyError>) {
        let mut slot = lock(&self.body);
        if let BodySlot::Here(body) = &mut *slot
            && let Err(error) = limit(body)
        {
            self.fail(slot, error);
        }
    }

    /// Collects the whole body, as far as it has come. Not where another read waits: the body wakes only one task.
    fn look(&self, memory: &BodyMemory) {
        let is_free = match &mut *lock(&self.body) {
            BodySlot::Here(body) => !body.readers().is_read(),
            _ => false,
        };
        if !is_free {
            return;
        }
        let _ = self.poll_whole(memory, &mut Context::from_waker(Waker::noop()));
        self.wait_no_more();
    }

    fn poll_whole(&self, memory: &BodyMemory, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_body(|body| self.poll_share(body, memory, memory.total(), cx))
    }

    /// The same for a body that may also be longer. Then it is ready, and what has come stays.
    fn poll_at_most(&self, memory: &BodyMemory, most: u64, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_body(|body| match self.poll_share(body, memory, most, cx) {
            Poll::Ready(Err(BodyError::TooLarge)) => Poll::Ready(Ok(())),
            polled => polled,
        })
    }

    fn poll_share(
        &self,
        body: &mut RequestBody,
        memory: &BodyMemory,
        most: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyError>> {
        if body.promised() > most {
            return Poll::Ready(Ok(()));
        }
        let mut held = lock(&self.body_memory);
        let share = held.get_or_insert_with(|| memory.share());
        body.poll_whole(cx, most, |room, cx| match room {
            Room::Growing(bytes) => share.poll_grow(bytes, cx),
            Room::Whole(bytes) => share.poll_whole(bytes, cx),
        })
    }

    /// No task waits for room any more.
    fn wait_no_more(&self) {
        if let Some(share) = &mut *lock(&self.body_memory) {
            share.wait_no_more();
        }
    }

    /// Notes that a wait begins, if one does.
    fn waited(&self, ended: Poll<()>) -> Poll<()> {
        if ended.is_pending() {
            self.waits.begin(self.began);
        }
        ended
    }

    /// Polls the body, and gives it up if it fails.
    fn poll_body(
        &self,
        poll: impl FnOnce(&mut RequestBody) -> Poll<Result<(), BodyError>>,
    ) -> Poll<()> {
        let mut slot = lock(&self.body);
        let BodySlot::Here(body) = &mut *slot else {
            return Poll::Ready(());
        };
        if let Err(error) = ready!(poll(body)) {
            self.fail(slot, error);
        }
        Poll::Ready(())
    }

    /// Gives up the rest of the body. The request is answered, so its client is not to blame for the rest.
    pub fn abandon_body(&self) {
        let mut slot = lock(&self.body);
        if matches!(*slot, BodySlot::Here(_)) {
            let over = std::mem::replace(&mut *slot, BodySlot::Taken);
            drop(slot);
            drop(over);
            drop(lock(&self.body_memory).take());
        }
    }

    fn fail(&self, mut slot: MutexGuard<'_, BodySlot>, error: BodyError) {
        let over = std::mem::replace(&mut *slot, BodySlot::Failed(error));
        drop(slot);
        drop(over);
        drop(lock(&self.body_memory).take());
        if error == BodyError::Gone {
            self.cancel(Cancel::ClientGone);
        }
    }

    fn keep_trailers(&self, body: &mut RequestBody) {
        if let Some(trailers) = body.take_trailers() {
            let _ = self.trailers.set(trailers);
        }
    }

    /// Waits until no other read is under way.
    async fn turn(&self) -> Turn<'_> {
        loop {
            let other = match &mut *lock(&self.body) {
                BodySlot::Here(body) => body.readers().begin(),
                _ => None,
            };
            match other {
                Some(end) => end.await,
                None => return Turn(self),
            }
        }
    }
}

/// The read that is under way.
struct Turn<'a>(&'a Exchange);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Self(exchange) = self;
        exchange.waits.end(exchange.began);
        exchange.wait_no_more();
        if let BodySlot::Here(body) = &mut *lock(&exchange.body) {
            body.readers().end();
        }
    }
}
