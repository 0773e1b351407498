//! Work that continues without a request. It begins here, and stays in a table until the host runs it. Does not decide
//! when it runs, nor when it must end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;

use crate::result::Result;
use crate::runtime::bindings::waterspout::background::background::{
    self, RegisterError, TaskNumber,
};
use crate::runtime::cancel;
use crate::runtime::kept::Work;

/// Runs `future` in the background: it goes on when the request that began it has its answer. Tornado's
/// [`IOLoop.spawn_callback`](https://www.tornadoweb.org/en/stable/ioloop.html#tornado.ioloop.IOLoop.spawn_callback) and
/// `add_callback`.
///
/// Its error is logged. When the instance drains (its component is replaced, it has had `max_requests`, the server
/// shuts down), the future has `spawn_budget` to end; then it is dropped at its next await, and the log says so.
///
/// A [`SpawnError`] where the instance has `max_tasks` of them already, and at the very end of a shutdown, when there is no
/// time left for it.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn send_mail(address: String) -> Result { Ok(()) }
/// # async fn post(cx: &Context) -> Result {
/// let address = cx.get_body_argument("address").await?;
/// spawn(send_mail(address))?;
/// cx.write("the mail is on its way")
/// # }
/// ```
#[track_caller]
pub fn spawn(future: impl Future<Output = Result> + 'static) -> Result {
    let place = Location::caller();
    let name = format!("{}:{}", place.file(), place.line());
    register(&name, Kind::Spawned, Box::pin(future)).map(|_| ())
}

/// Runs a loop in one instance only. Among all instances of the component, also those of a version that is being
/// replaced, one runs the loop of this name, and the others wait to take over. It is for `start`.
///
/// The loop begins when the component serves, and is dropped at its next await as soon as its instance drains. Then, or
/// when it ends by itself or with an error, which is logged, another instance begins its own. An instance begins it
/// once: where there is no other, it is over until the next one starts.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// # async fn tidy_up() -> Result { Ok(()) }
/// async fn start() -> Result {
///     spawn_loop("minute", async {
///         loop {
///             tidy_up().await?;
///             sleep(Duration::from_secs(60)).await;
///         }
///     })
/// }
/// ```
pub fn spawn_loop(name: &str, future: impl Future<Output = Result> + 'static) -> Result {
    register(name, Kind::Loop, Box::pin(future)).map(|_| ())
}

/// Waits until this instance is asked to end: its component is replaced, it takes no more requests, or the server shuts
/// down. What streams or waits for long can end in good order then.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn get(cx: &Context) -> Result {
/// draining().await;
/// cx.write("ask again, somebody else will answer")
/// # }
/// ```
pub async fn draining() {
    background::draining().await;
}

/// Why a background task was not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnError {
    /// The instance has as many tasks as it may.
    Busy(String),
    /// The server shuts down, and there is no time left.
    Ending(String),
    /// This instance runs no tasks.
    Unavailable(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Busy(why) | Self::Ending(why) | Self::Unavailable(why) | Self::Other(why)) =
            self;
        f.write_str(why)
    }
}

impl std::error::Error for SpawnError {}

impl From<RegisterError> for SpawnError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Busy(why) => Self::Busy(why),
            RegisterError::Ending(why) => Self::Ending(why),
            RegisterError::Unavailable(why) => Self::Unavailable(why),
            RegisterError::Other(why) => Self::Other(why),
        }
    }
}

/// How often a task runs.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Spawned,
    /// In one instance at a time.
    Loop,
}

type Task = Pin<Box<dyn Future<Output = Result>>>;

thread_local! {
    /// The tasks that the host has not run yet.
    static TASKS: RefCell<BTreeMap<TaskNumber, Task>> = const { RefCell::new(BTreeMap::new()) };
    static LAST: Cell<TaskNumber> = const { Cell::new(0) };
}

pub(crate) fn register(name: &str, kind: Kind, future: Task) -> Result<TaskNumber> {
    let task = LAST.get() + 1;
    LAST.set(task);
    match kind {
        Kind::Spawned => background::spawn(task, name),
        Kind::Loop => background::spawn_loop(task, name),
    }
    .map_err(SpawnError::from)?;
    TASKS.with_borrow_mut(|tasks| tasks.insert(task, future));
    Ok(task)
}

/// Takes a task out of the table.
pub(crate) fn take(task: TaskNumber) -> Option<Task> {
    TASKS.with_borrow_mut(|tasks| tasks.remove(&task))
}

/// Ends a task at its next await, or before its first.
pub(crate) fn cancel(task: TaskNumber) {
    match take(task) {
        Some(future) => drop(future),
        None => cancel::cancel(Work::Task(task)),
    }
}
