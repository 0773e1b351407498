//! The queues, which differ in the order of their items.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;

use crate::queues::core::Core;
use crate::queues::error::{QueueEmpty, QueueFull};
use crate::result::Result;

/// One of the queues, which differ only in what they are made of.
macro_rules! queue {
    ($(#[$about:meta])* $Queue:ident<T $(: $Bound:ident)?>($Shelf:ty) = $empty:expr) => {
        $(#[$about])*
        pub struct $Queue<T>(Core<$Shelf>);

        impl<T $(: $Bound)?> $Queue<T> {
            /// A queue for `maxsize` items; for as many as come where that is 0.
            pub const fn new(maxsize: usize) -> Self {
                Self(Core::new($empty, maxsize))
            }

            /// Puts an item into it, and waits while it is full. Dropped while it waits, it drops the item.
            pub async fn put(&self, item: T) {
                self.0.put(item).await;
            }

            /// Puts an item into it, or hands it back where the queue is full.
            pub fn put_nowait(&self, item: T) -> Result<(), QueueFull<T>> {
                self.0.put_nowait(item)
            }

            /// Takes an item out of it, and waits while there is none.
            pub async fn get(&self) -> T {
                self.0.get().await
            }

            /// Takes an item out of it, where there is one.
            pub fn get_nowait(&self) -> Result<T, QueueEmpty> {
                self.0.get_nowait()
            }

            /// Says that the work on an item that was taken is done. When that was said of all items that were put in,
            /// [`join`](Self::join) continues. An error where it was said too often.
            pub fn task_done(&self) -> Result {
                self.0.task_done()
            }

            /// Waits until the work on all items is done.
            pub async fn join(&self) {
                self.0.finished.wait().await;
            }

            /// How many items it takes; 0 is any number.
            pub const fn maxsize(&self) -> usize {
                self.0.maxsize
            }

            /// How many items are in it that are not yet on their way to a `get`.
            pub fn qsize(&self) -> usize {
                self.0.items.available_permits()
            }

            /// Whether a `get` would wait.
            pub fn empty(&self) -> bool {
                self.qsize() == 0
            }

            /// Whether a `put` would wait.
            pub fn full(&self) -> bool {
                self.0.places.available_permits() == 0
            }
        }

        impl<T> fmt::Debug for $Queue<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Queue))
                    .field("maxsize", &self.0.maxsize)
                    .field("qsize", &self.0.items.available_permits())
                    .finish_non_exhaustive()
            }
        }
    };
}

queue! {
    /// First in, first out. Tornado's [`Queue`](https://www.tornadoweb.org/en/stable/queues.html#queue).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # use std::time::Duration;
    /// use waterspout_sdk::queues::Queue;
    ///
    /// static ORDERS: Queue<String> = Queue::new(100);
    ///
    /// # async fn post(cx: &Context) -> Result {
    /// let order = cx.get_body_argument("order").await?;
    /// if ORDERS.put_nowait(order).is_err() {
    ///     bail!(HttpError::new(503).with_message("too many orders"));
    /// }
    /// cx.write("ordered")
    /// # }
    /// # async fn get(cx: &Context) -> Result {
    /// // A worker asks for the next order, and waits for it for half a minute at most.
    /// match with_timeout(Duration::from_secs(30), ORDERS.get()).await {
    ///     Ok(order) => cx.write(order),
    ///     Err(_) => { cx.set_status(204); Ok(()) }
    /// }
    /// # }
    /// ```
    ///
    /// Workers that take from one queue, and what is done when all is done:
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// use waterspout_sdk::gen_::interleave;
    /// use waterspout_sdk::queues::Queue;
    ///
    /// # async fn visit(_: &str) -> Vec<String> { Vec::new() }
    /// async fn work(queue: &Queue<String>) -> Result {
    ///     loop {
    ///         let page = queue.get().await;
    ///         for link in visit(&page).await {
    ///             queue.put(link).await;
    ///         }
    ///         queue.task_done()?;
    ///     }
    /// }
    ///
    /// # async fn get(cx: &Context) -> Result {
    /// let queue = Queue::new(0);
    /// queue.put("/".to_owned()).await;
    /// interleave(async |tasks| {
    ///     let _workers = [(); 10].map(|()| tasks.start(work(&queue)));
    ///     queue.join().await; // and then the workers end
    /// })
    /// .await;
    /// cx.write("visited all")
    /// # }
    /// ```
    Queue<T>(VecDeque<T>) = VecDeque::new()
}

queue! {
    /// The smallest first; of equals any. Tornado's
    /// [`PriorityQueue`](https://www.tornadoweb.org/en/stable/queues.html#priorityqueue).
    ///
    /// ```
    /// use waterspout_sdk::queues::PriorityQueue;
    ///
    /// let queue = PriorityQueue::new(0);
    /// queue.put_nowait((1, "medium")).unwrap();
    /// queue.put_nowait((0, "high")).unwrap();
    /// queue.put_nowait((10, "low")).unwrap();
    /// assert_eq!(queue.get_nowait(), Ok((0, "high")));
    /// ```
    PriorityQueue<T: Ord>(BinaryHeap<Reverse<T>>) = BinaryHeap::new()
}

queue! {
    /// Last in, first out. Tornado's [`LifoQueue`](https://www.tornadoweb.org/en/stable/queues.html#lifoqueue).
    ///
    /// ```
    /// use waterspout_sdk::queues::LifoQueue;
    ///
    /// let queue = LifoQueue::new(0);
    /// queue.put_nowait(3).unwrap();
    /// queue.put_nowait(2).unwrap();
    /// assert_eq!(queue.get_nowait(), Ok(2));
    /// ```
    LifoQueue<T>(Vec<T>) = Vec::new()
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::rc::Rc;
    use std::task::{Context, Poll};

    use futures_util::FutureExt;
    use futures_util::future::LocalBoxFuture;
    use futures_util::task::noop_waker_ref;

    use super::*;

    fn poll<T>(future: &mut LocalBoxFuture<T>) -> Option<T> {
        let cx = &mut Context::from_waker(noop_waker_ref());
        match Pin::new(future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    /// Some that wait for an item, one after the other.
    fn getters<T>(queue: &Queue<T>, count: usize) -> Vec<LocalBoxFuture<'_, T>> {
        let mut getters: Vec<_> = (0..count).map(|_| queue.get().boxed_local()).collect();
        getters
            .iter_mut()
            .for_each(|one| assert!(poll(one).is_none()));
        getters
    }

    #[test]
    fn items_come_in_the_order_of_their_queue() {
        static FIRST: Queue<u32> = Queue::new(3);
        static LAST: LifoQueue<u32> = LifoQueue::new(3);
        static SMALLEST: PriorityQueue<u32> = PriorityQueue::new(3);
        for item in [2, 3, 1] {
            FIRST.put(item).now_or_never().expect("room");
            LAST.put_nowait(item).unwrap();
            SMALLEST.put_nowait(item).unwrap();
        }
        assert_eq!([(); 3].map(|()| FIRST.get_nowait().unwrap()), [2, 3, 1]);
        assert_eq!([(); 3].map(|()| LAST.get_nowait().unwrap()), [1, 3, 2]);
        assert_eq!([(); 3].map(|()| SMALLEST.get_nowait().unwrap()), [1, 2, 3]);
        assert_eq!(LAST.get_nowait(), Err(QueueEmpty));
    }

    #[test]
    fn a_full_queue_hands_back_or_has_to_be_waited_for() {
        let queue = Queue::new(2);
        assert_eq!(
            (queue.maxsize(), queue.qsize(), queue.full()),
            (2, 0, false)
        );
        queue.put_nowait("a").unwrap();
        queue.put_nowait("b").unwrap();
        assert_eq!(
            (queue.qsize(), queue.full(), queue.empty()),
            (2, true, false)
        );
        assert_eq!(queue.put_nowait("c"), Err(QueueFull("c")));
        let mut putters = ["c", "d"].map(|item| queue.put(item).boxed_local());
        putters
            .iter_mut()
            .for_each(|one| assert!(poll(one).is_none()));
        assert_eq!(queue.get_nowait(), Ok("a"));
        // The place is promised to the request that waits longest.
        assert_eq!(queue.put_nowait("e"), Err(QueueFull("e")));
        assert!(poll(&mut putters[1]).is_none());
        assert!(poll(&mut putters[0]).is_some());
        assert_eq!(queue.get_nowait(), Ok("b"));
        drop(putters);
        assert_eq!(queue.get_nowait(), Ok("c"));
        assert_eq!(
            (queue.qsize(), queue.full(), queue.empty()),
            (0, false, true)
        );
    }

    #[test]
    fn a_queue_without_a_size_is_never_full() {
        let queue = Queue::new(0);
        (0..10_000).for_each(|item| queue.put_nowait(item).unwrap());
        assert_eq!((queue.qsize(), queue.full()), (10_000, false));
        assert!(Queue::<()>::new(usize::MAX).put_nowait(()).is_ok());
    }

    #[test]
    fn getters_are_served_in_turn() {
        let queue = Queue::new(0);
        let mut getters = getters(&queue, 3);
        (1..=2).for_each(|item| queue.put_nowait(item).unwrap());
        // Both are on their way, so there is nothing for others.
        assert_eq!((queue.qsize(), queue.get_nowait()), (0, Err(QueueEmpty)));
        assert_eq!(poll(&mut getters[2]), None);
        assert_eq!(poll(&mut getters[0]), Some(1));
        assert_eq!(poll(&mut getters[1]), Some(2));
    }

    #[test]
    fn a_getter_that_leaves_takes_nothing() {
        let queue = Queue::new(1);
        let mut getters = getters(&queue, 3);
        drop(getters.remove(0));
        queue.put_nowait("a").unwrap();
        // The item is on its way to this one.
        drop(getters.remove(0));
        assert_eq!(poll(&mut getters[0]), Some("a"));
        getters.clear();
        queue.put_nowait("b").unwrap();
        assert_eq!(queue.get_nowait(), Ok("b"));
        assert!(!queue.full());
    }

    #[test]
    fn join_waits_for_what_was_put() {
        let queue = Queue::new(0);
        assert!(queue.join().now_or_never().is_some());
        let refused = queue.task_done().unwrap_err().to_string();
        assert_eq!(refused, "task_done() called too many times");
        (1..=2).for_each(|item| queue.put_nowait(item).unwrap());
        let mut join = queue.join().boxed_local();
        assert_eq!(poll(&mut join), None);
        (1..=2).for_each(|item| assert_eq!(queue.get_nowait(), Ok(item)));
        queue.task_done().unwrap();
        assert_eq!(poll(&mut join), None);
        queue.task_done().unwrap();
        queue.put_nowait(3).unwrap();
        assert_eq!(poll(&mut join), Some(()));
        assert!(queue.join().now_or_never().is_none());
        assert!(queue.task_done().is_ok() && queue.task_done().is_err());
    }

    #[test]
    fn a_queue_may_be_shared_within_a_thread() {
        thread_local! {
            static QUEUE: Rc<Queue<Rc<str>>> = Rc::new(Queue::new(0));
        }
        let queue = QUEUE.with(Rc::clone);
        queue.put_nowait("a".into()).unwrap();
        assert_eq!(queue.get().now_or_never().as_deref(), Some("a"));
    }
}
