//! How a request's body is read: where it lies. What has come stays there until it is taken, so a read that is given up
//! loses nothing, and the next goes on from there. It waits here, and takes without waiting.

use std::future::poll_fn;
use std::sync::MutexGuard;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;

use super::Exchange;
use crate::body::{BodyError, RequestBody};
use crate::resources::{BodyMemory, BodyShare, lock};

/// Where a request's body is.
pub(super) enum BodySlot {
    /// There is none.
    None,
    Here(RequestBody),
    /// It could not be had, for whoever asks.
    Failed(BodyError),
    /// It was taken whole.
    Taken,
}

impl Exchange {
    /// Waits until [`Exchange::take_chunk`] has something.
    pub async fn wait_chunk(&self) {
        let _turn = self.turn().await;
        poll_fn(|cx| self.poll_body(|body| body.poll_chunk(cx))).await;
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
            // What a read of the whole had put together is handed out.
            drop(lock(&self.body_memory).take());
        }
        Some(Ok(chunk))
    }

    /// Waits until [`Exchange::take_whole`] has something, at first for a share of the memory.
    pub async fn wait_whole(&self, memory: &BodyMemory) {
        let _turn = self.turn().await;
        if let Some(bytes) = self.unreserved(memory)
            && let Some(share) = memory.reserve(bytes).await
        {
            self.hold(share);
        }
        poll_fn(|cx| self.poll_whole(memory, cx)).await;
    }

    /// The body, or what is left of it. `None`: it is not here yet.
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
        let whole = body.take_whole()?;
        self.keep_trailers(body);
        let over = std::mem::replace(&mut *slot, BodySlot::Taken);
        drop(slot);
        drop(over);
        Some(Ok(whole))
    }

    /// Sets a limit of the body, which holds for a read that is under way, too.
    pub fn limit_body(&self, limit: impl FnOnce(&mut RequestBody) -> Result<(), BodyError>) {
        let mut slot = lock(&self.body);
        if let BodySlot::Here(body) = &mut *slot
            && let Err(error) = limit(body)
        {
            self.fail(slot, error);
        }
    }

    /// Puts the whole together, as far as it is here without a wait. Not where another read waits: of what comes, the
    /// body tells one alone.
    fn look(&self, memory: &BodyMemory) {
        let is_free = match &mut *lock(&self.body) {
            BodySlot::Here(body) => !body.readers().is_read(),
            _ => false,
        };
        if !is_free {
            return;
        }
        if let Some(bytes) = self.unreserved(memory) {
            let Some(share) = memory.try_reserve(bytes) else {
                return;
            };
            self.hold(share);
        }
        let _ = self.poll_whole(memory, &mut Context::from_waker(Waker::noop()));
    }

    /// How much memory a read of the whole needs. `None`: it has that, or it can't be.
    ///
    /// Where the length is not promised, the largest that may come is reserved: two bodies that grew side by side could
    /// otherwise wait for each other.
    fn unreserved(&self, memory: &BodyMemory) -> Option<u64> {
        let BodySlot::Here(body) = &*lock(&self.body) else {
            return None;
        };
        let most = body.most().min(memory.total());
        (body.promised() <= most && lock(&self.body_memory).is_none()).then_some(most)
    }

    fn poll_whole(&self, memory: &BodyMemory, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_body(|body| {
            if body.promised() > memory.total() {
                return Poll::Ready(Ok(()));
            }
            let mut held = lock(&self.body_memory);
            let has_room = |bytes| {
                bytes <= memory.total() && held.as_mut().is_some_and(|share| share.grow(bytes))
            };
            ready!(body.poll_whole(cx, has_room))?;
            if let Some(share) = held.as_mut() {
                share.shrink(body.promised());
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Polls the body in its place, and gives up one that fails.
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

    /// Gives up what nobody has read of it: the request is answered.
    pub fn abandon_body(&self) {
        let slot = lock(&self.body);
        if matches!(*slot, BodySlot::Here(_)) {
            self.fail(slot, BodyError::Gone);
        }
    }

    fn fail(&self, mut slot: MutexGuard<'_, BodySlot>, error: BodyError) {
        let over = std::mem::replace(&mut *slot, BodySlot::Failed(error));
        drop(slot);
        drop(over);
        drop(lock(&self.body_memory).take());
    }

    fn keep_trailers(&self, body: &mut RequestBody) {
        if let Some(trailers) = body.take_trailers() {
            let _ = self.trailers.set(trailers);
        }
    }

    /// Keeps the share of `body_memory` until the request is over.
    fn hold(&self, share: BodyShare) {
        *lock(&self.body_memory) = Some(share);
    }

    /// Waits until nobody else reads the body.
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
        if let BodySlot::Here(body) = &mut *lock(&self.0.body) {
            body.readers().end();
        }
    }
}
