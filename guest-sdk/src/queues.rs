//! Tornado's [`tornado.queues`](https://www.tornadoweb.org/en/stable/queues.html): queues between the requests of one
//! instance. They own the items that were not taken yet. For a wait with a time limit, use
//! [`with_timeout`](crate::gen_::with_timeout).
//!
//! All of these can be a `static`, which is then one for each instance, if their items are `Send`; else an
//! [`Rc`](std::rc::Rc) in a `thread_local!`. The request that waits longest is next, to put and to get. A `get` that
//! is dropped while it waits takes no item.

mod core;
mod error;
mod queue;

pub use self::error::{QueueEmpty, QueueFull};
pub use self::queue::{LifoQueue, PriorityQueue, Queue};
