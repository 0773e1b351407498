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

fn shares(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(SHARE)).unwrap_or(usize::MAX)
}

impl BodyMemory {
    pub fn new(total: u64) -> Self {
        let shares = shares(total).min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(shares)),
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
        if bytes > self.total || u32::try_from(bytes.div_ceil(SHARE)).is_err() {
            return None;
        }
        loop {
            let given_back = self.given_back.notified();
            if let Some(share) = self.try_reserve(bytes) {
                return Some(share);
            }
            given_back.await;
        }
    }

    /// So many bytes, where they are free.
    pub fn try_reserve(&self, bytes: u64) -> Option<BodyShare> {
        let shares = u32::try_from(bytes.div_ceil(SHARE)).ok()?;
        let permit = self.free.clone().try_acquire_many_owned(shares).ok()?;
        Some(BodyShare {
            permit: Some(permit),
            given_back: self.given_back.clone(),
        })
    }
}

/// What one body takes of a [`BodyMemory`], as long as this lives.
pub struct BodyShare {
    permit: Option<OwnedSemaphorePermit>,
    given_back: Arc<Notify>,
}

impl BodyShare {
    /// Takes what is missing to so many bytes, unless others have it.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let Some(permit) = &mut self.permit else {
            return false;
        };
        let missing = shares(bytes).saturating_sub(permit.num_permits());
        let Ok(missing) = u32::try_from(missing) else {
            return false;
        };
        if missing > 0 {
            let free = permit.semaphore().clone();
            match free.try_acquire_many_owned(missing) {
                Ok(more) => permit.merge(more),
                Err(_) => return false,
            }
        }
        true
    }

    /// Gives back what the body did not need.
    pub fn shrink(&mut self, bytes: u64) {
        if let Some(permit) = &mut self.permit {
            let spare = permit.num_permits().saturating_sub(shares(bytes));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_by_what_is_free_and_shrinks_to_what_is_needed() {
        let memory = BodyMemory::new(4 * SHARE);
        let mut one = memory.try_reserve(SHARE).expect("all is free");
        let other = memory.try_reserve(2 * SHARE).expect("3 of 4 are free");
        assert!(one.grow(2 * SHARE));
        assert!(!one.grow(2 * SHARE + 1));
        assert!(memory.try_reserve(1).is_none());
        drop(other);
        assert!(one.grow(4 * SHARE));
        one.shrink(1);
        assert!(memory.try_reserve(3 * SHARE).is_some());
    }
}
