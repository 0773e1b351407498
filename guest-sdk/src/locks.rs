//! Tornado's [`tornado.locks`](https://www.tornadoweb.org/en/stable/locks.html): the order of requests in an instance.
//! They own counts and no data. For a wait with a time limit, use [`with_timeout`](crate::gen_::with_timeout).
//!
//! All of these can be a `static`, which is then one for each instance. The request that waits longest is next. A wait
//! that is dropped, because its time is over or its client is gone, gives its place to the next.

mod condition;
pub(crate) mod event;
mod semaphore;

pub use self::condition::Condition;
pub use self::event::Event;
pub use self::semaphore::{BoundedSemaphore, Lock, Permit, Semaphore};
