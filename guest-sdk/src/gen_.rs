//! Tornado's [`tornado.gen`](https://www.tornadoweb.org/en/stable/gen.html): waiting for more than one thing: for all
//! of them, for each as it comes, for the first of two, for one while another runs, and not for long. Nothing here
//! continues when it is not awaited.
//!
//! [`select`] is the one of the crate `futures-util`. It takes futures that are pinned, and returns the output of the one
//! that is ready first, with the other, which may be awaited further:
//!
//! ```
//! use std::pin::pin;
//!
//! use waterspout_sdk::gen_::{Either, select};
//! # use waterspout_sdk::prelude::*;
//! # use waterspout_sdk::pubsub;
//!
//! # async fn get(cx: &Context) -> Result {
//! let mut news = pubsub::subscribe("news").await?;
//! match select(pin!(news.next()), pin!(draining())).await {
//!     Either::Left((message, _)) => cx.write(message.into_data()),
//!     Either::Right(_) => cx.write("ask again, another version will answer"),
//! }
//! # }
//! ```
//!
//! `gen` is a keyword of Rust, so the name has the underscore that Python's PEP 8 gives to a name like that.

mod interleave;
mod moment;
mod multi;
mod timeout;
mod wait_iterator;

pub use futures_util::future::{Either, join_all, select};
pub use futures_util::{join, try_join};

pub use self::interleave::{Started, Tasks, interleave};
pub use self::moment::moment;
pub use self::multi::{Children, multi};
pub use self::timeout::{TimeoutError, with_timeout};
pub use self::wait_iterator::WaitIterator;
pub use crate::ioloop::clocks::sleep;
