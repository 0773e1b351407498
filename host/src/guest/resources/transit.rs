//! Large responses on their way from an instance to their connections. From the time when a connection has one, its
//! bytes count there, and the slowest connection is cut off if they are too many. Until then nothing limits them, so
//! their instance takes no request meanwhile. Counts no bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// The large responses of one instance that no connection has yet.
#[derive(Default)]
pub struct Transit {
    under_way: AtomicUsize,
    waker: AtomicWaker,
}

impl Transit {
    /// A response is given. It is in transit until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InTransit {
        self.under_way.fetch_add(1, Relaxed);
        InTransit(self.clone())
    }

    /// Ready when there are none. Only one task may wait.
    pub fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        if self.under_way.load(Acquire) == 0 {
            return Poll::Ready(());
        }
        self.waker.register(cx.waker());
        match self.under_way.load(Acquire) {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

/// One response in transit.
pub struct InTransit(Arc<Transit>);

impl Drop for InTransit {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Release) == 1 {
            self.0.waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }

    #[test]
    fn the_last_one_that_arrives_wakes_the_instance() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        let transit = Arc::new(Transit::default());
        assert!(transit.poll_empty(&cx).is_ready());
        let [first, second] = [(); 2].map(|()| transit.begin());
        assert!(transit.poll_empty(&cx).is_pending());
        drop(first);
        assert!(!woken.0.load(Relaxed));
        drop(second);
        assert!(woken.0.load(Relaxed));
        assert!(transit.poll_empty(&cx).is_ready());
    }
}
