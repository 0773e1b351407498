//! Tornado's [`tornado.locks`](https://www.tornadoweb.org/en/stable/locks.html): which request of an instance goes
//! first. They own counts and no data. A wait with a limit is one in [`with_timeout`](crate::gen_::with_timeout).
//!
//! All of these can be a `static`, which is then one for each instance. The one that waits longest is next. A wait that
//! is dropped, because its time is over or its client is gone, leaves its place to the next; what it was holding is
//! free.

mod condition;
pub(crate) mod event;
mod semaphore;

pub use self::condition::Condition;
pub use self::event::Event;
pub use self::semaphore::{BoundedSemaphore, Lock, Permit, Semaphore};
