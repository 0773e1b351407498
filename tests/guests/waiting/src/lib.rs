//! `single`: waits in every way that there is, in handlers that share locks and queues. Tests of `waiting` send several
//! concurrent requests, and read at `/counts` how many wait where.

mod alone;
mod shared;

use std::cell::Cell;
use std::time::Duration;

use waterspout_sdk::prelude::*;

use alone::{Ahead, Late, Moments, Multi, Sleeps, Turns};
use shared::{Conditions, Counts, Events, Items, Joins, Locks};

/// `?ms=N`
fn milliseconds(cx: &Context) -> Result<Duration> {
    let ms = cx.get_query_argument_or("ms", "100")?.parse()?;
    Ok(Duration::from_millis(ms))
}

type Counter = std::thread::LocalKey<Cell<u32>>;

/// One more, until this is dropped.
struct Counted(&'static Counter);

impl Counted {
    fn new(counter: &'static Counter) -> Self {
        counter.set(counter.get() + 1);
        Self(counter)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

export!(
    Ahead, Late, Moments, Multi, Sleeps, Turns, Conditions, Counts, Events, Items, Joins, Locks,
    single
);
