//! The memory that whole bodies of one instance's requests may take together. Holds no body itself.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The memory that whole bodies of one instance's requests may take together.
#[derive(Clone)]
pub struct BodyMemory {
    free: Arc<Semaphore>,
    given_back: Arc<Notify>,
    total: u64,
}

/// What `BodyMemory` counts in: small enough to be fair, large enough for sizes past 4 GiB.
const SHARE: u64 = 1024;

impl BodyMemory {
    pub fn new(total: u64) -> Self {
        let shares = usize::try_from(total.div_ceil(SHARE)).unwrap_or(usize::MAX);
        Self {
            free: Arc::new(Semaphore::new(shares.min(Semaphore::MAX_PERMITS))),
            given_back: Arc::default(),
            total,
        }
    }

    /// What the largest body may take.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Waits for so many bytes. `None`: there are never so many.
    ///
    /// There is no queue: a large body that waits holds up none that would fit.
    pub async fn reserve(&self, bytes: u64) -> Option<BodyShare> {
        let shares = u32::try_from(bytes.div_ceil(SHARE)).ok()?;
        if bytes > self.total {
            return None;
        }
        loop {
            let given_back = self.given_back.notified();
            if let Ok(permit) = self.free.clone().try_acquire_many_owned(shares) {
                return Some(BodyShare {
                    permit: Some(permit),
                    given_back: self.given_back.clone(),
                });
            }
            given_back.await;
        }
    }
}

/// What one body takes of a [`BodyMemory`], as long as this lives.
pub struct BodyShare {
    permit: Option<OwnedSemaphorePermit>,
    given_back: Arc<Notify>,
}

impl BodyShare {
    /// Gives back what the body did not need.
    pub fn shrink(&mut self, bytes: usize) {
        let needed = bytes.div_ceil(SHARE as usize);
        if let Some(permit) = &mut self.permit {
            let spare = permit.num_permits().saturating_sub(needed);
            drop(permit.split(spare));
        }
        self.given_back.notify_waiters();
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.given_back.notify_waiters();
    }
}
