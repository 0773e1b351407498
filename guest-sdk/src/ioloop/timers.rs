//! Work for later, in one instance: a timer in front of a task in the background.

use std::cell::Cell;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};

use crate::ioloop::background::{self, Kind, draining};
use crate::ioloop::clocks::sleep;
use crate::result::Result;
use crate::runtime::bindings::waterspout::background::background::TaskNumber;

/// Runs `future` in the background once `delay` is over. Tornado's
/// [`IOLoop.call_later`](https://www.tornadoweb.org/en/stable/ioloop.html#tornado.ioloop.IOLoop.call_later).
///
/// It belongs to this instance, as a timer of Tornado's belongs to its process. One that still waits when the instance
/// drains (its component is replaced, it has had `max_requests`, the server shuts down) is given up, and a warning in
/// the log names it; one that runs has `spawn_budget`. Where the isolation is `fresh`, the instance drains as soon as
/// its only request is over, so it waits in vain: there, [`spawn`](crate::ioloop::spawn) what sleeps itself.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// # async fn post(cx: &Context) -> Result {
/// let reminder = call_later(Duration::from_secs(60), async {
///     log::info!("a minute has gone by");
///     Ok(())
/// })?;
/// reminder.cancel(); // Tornado's `remove_timeout`
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn call_later(
    delay: Duration,
    future: impl Future<Output = Result> + 'static,
) -> Result<Timeout> {
    let name = format!("call_later at {}", here(Location::caller()));
    let waits = Rc::new(Cell::new(true));
    let shared = waits.clone();
    let what = name.clone();
    let task = background::register(
        &name,
        Kind::Spawned,
        Box::pin(async move {
            let is_due = until(delay).await;
            shared.set(false);
            match is_due {
                true => future.await,
                false => {
                    log::warn!("{what} is given up: its instance is to end");
                    Ok(())
                }
            }
        }),
    )?;
    Ok(Timeout::new(task, waits))
}

/// The same at a moment of the clock on the wall; one that is past is now. Tornado's
/// [`IOLoop.call_at`](https://www.tornadoweb.org/en/stable/ioloop.html#tornado.ioloop.IOLoop.call_at).
#[track_caller]
pub fn call_at(
    when: SystemTime,
    future: impl Future<Output = Result> + 'static,
) -> Result<Timeout> {
    let delay = when.duration_since(SystemTime::now()).unwrap_or_default();
    call_later(delay, future)
}

/// What [`call_later`] has put off. It happens whether this is kept or not.
#[derive(Clone, Debug)]
pub struct Timeout {
    task: TaskNumber,
    waits: Rc<Cell<bool>>,
}

impl Timeout {
    pub(super) fn new(task: TaskNumber, waits: Rc<Cell<bool>>) -> Self {
        Self { task, waits }
    }

    /// Whether this timeout has this flag.
    pub(super) fn waits_by(&self, flag: &Rc<Cell<bool>>) -> bool {
        Rc::ptr_eq(&self.waits, flag)
    }

    /// Gives it up, if it still waits. Tornado's
    /// [`remove_timeout`](https://www.tornadoweb.org/en/stable/ioloop.html#tornado.ioloop.IOLoop.remove_timeout).
    pub fn cancel(&self) {
        if self.waits.replace(false) {
            background::cancel(self.task);
        }
    }
}

/// Waits for the time to pass. `false`: the instance is to end before.
pub(super) async fn until(delay: Duration) -> bool {
    let (due, end) = (pin!(sleep(delay)), pin!(draining()));
    matches!(select(due, end).await, Either::Left(_))
}

/// A place in the source, for names of tasks.
pub(super) fn here(place: &Location<'_>) -> String {
    format!("{}:{}", place.file(), place.line())
}
