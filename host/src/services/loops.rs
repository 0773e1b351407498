//! Which instance runs a loop: of each name in each component one, in all generations. Runs none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// The locks of loops. For each component and name one instance has the lock, whatever generation it belongs to.
#[derive(Default)]
pub struct Loops(Mutex<Owners>);

/// By component and name.
type Owners = HashMap<(Arc<str>, Box<str>), Weak<tokio::sync::Mutex<()>>>;

/// No other instance runs the loop, as long as this is kept.
pub type Ownership = OwnedMutexGuard<()>;

impl Loops {
    /// Waits for the loop's lock. First come, first served.
    pub async fn own(&self, component: &Arc<str>, name: &str) -> Ownership {
        let owner = {
            // Entries are only added and removed whole.
            let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            owners.retain(|_, owner| owner.strong_count() > 0);
            let key = (component.clone(), Box::from(name));
            let place = owners.entry(key).or_default();
            place.upgrade().unwrap_or_else(|| {
                let owner = Arc::default();
                *place = Arc::downgrade(&owner);
                owner
            })
        };
        owner.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_loop_has_one_owner_and_the_next_is_who_waits() {
        let loops = Arc::new(Loops::default());
        let component: Arc<str> = "a.wasm".into();
        let first = loops.own(&component, "x").await;
        let _other = loops.own(&component, "y").await;
        let mut second = pin!(loops.own(&component, "x"));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        assert!(futures_util::poll!(second.as_mut()).is_ready());
    }
}
