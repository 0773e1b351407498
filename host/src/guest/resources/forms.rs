//! The forms that the host reads before a guest is entered, for all of an app: how many at a time, and the memory that
//! they take until then. Reads none.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::BodyMemory;

/// How many forms are read at a time. A request for which there is no place gets 503.
const MOST: usize = 10_000;

/// The memory that they take together, in bytes.
const MEMORY: u64 = 64 << 20;

/// How many bytes of each form always have room.
const FREE: u64 = 4096;

/// The forms of an app. All its generations share them.
#[derive(Clone)]
pub struct Forms {
    memory: BodyMemory,
    places: Arc<Semaphore>,
}

impl Default for Forms {
    fn default() -> Self {
        Self {
            memory: BodyMemory::with_free(MEMORY, FREE),
            places: Arc::new(Semaphore::new(MOST)),
        }
    }
}

impl Forms {
    /// A place to read one, until it is dropped. `None`: all are taken.
    pub fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    pub fn memory(&self) -> &BodyMemory {
        &self.memory
    }
}
