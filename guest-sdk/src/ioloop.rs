//! Tornado's [`tornado.ioloop`](https://www.tornadoweb.org/en/stable/ioloop.html): work that goes on without a request,
//! now, later, or again and again, and work that is handed to another instance.
//!
//! There is no `IOLoop` object: an instance has one loop, and the host turns it.

pub(crate) mod background;
pub(crate) mod clocks;
pub(crate) mod executor;
mod periodic;
mod timers;

pub use self::background::{SpawnError, draining, spawn, spawn_loop};
pub use self::executor::{CallError, Function, run_in_executor};
pub use self::periodic::PeriodicCallback;
pub use self::timers::{Timeout, call_at, call_later};
