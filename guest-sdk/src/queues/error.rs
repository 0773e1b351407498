//! Why a queue did not take or give an item without a wait.

use std::fmt;

/// What [`put_nowait`](crate::queues::Queue::put_nowait) ends with where there is no room, with the item. Tornado's
/// [`QueueFull`](https://www.tornadoweb.org/en/stable/queues.html#queuefull).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueFull<T>(pub T);

impl<T> fmt::Debug for QueueFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueFull")
    }
}

impl<T> fmt::Display for QueueFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is full")
    }
}

impl<T> std::error::Error for QueueFull<T> {}

/// What [`get_nowait`](crate::queues::Queue::get_nowait) ends with where there is nothing. Tornado's
/// [`QueueEmpty`](https://www.tornadoweb.org/en/stable/queues.html#queueempty).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueEmpty;

impl fmt::Display for QueueEmpty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is empty")
    }
}

impl std::error::Error for QueueEmpty {}
