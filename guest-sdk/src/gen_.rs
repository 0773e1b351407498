//! Tornado's [`tornado.gen`](https://www.tornadoweb.org/en/stable/gen.html): waiting for more than one thing: for all
//! of them, for each as it comes, for one while another runs, and not for long. Nothing here continues when it is not
//! awaited.
//!
//! `gen` is a keyword of Rust, so the name has the underscore that Python's PEP 8 gives to a name like that.

mod interleave;
mod moment;
mod multi;
mod timeout;
mod wait_iterator;

pub use futures_util::future::join_all;
pub use futures_util::{join, try_join};

pub use self::interleave::{Started, Tasks, interleave};
pub use self::moment::moment;
pub use self::multi::{Children, multi};
pub use self::timeout::{TimeoutError, with_timeout};
pub use self::wait_iterator::WaitIterator;
pub use crate::ioloop::clocks::sleep;
