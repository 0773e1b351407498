//! A component, as `export!` makes it.

use crate::result::Result;
use crate::runtime::exports::handlers::Handlers;
use crate::runtime::exports::work::{self, Called, Schedule};

/// Its handlers, its lifecycle and its work.
#[doc(hidden)]
pub trait Component: 'static {
    type Handlers: Handlers;

    const SINGLE: bool;
    const START: bool;
    const STOP: bool;

    fn start() -> impl Future<Output = Result>;
    fn stop() -> impl Future<Output = Result>;

    /// The functions that can be called by name, and what is scheduled.
    const FUNCTIONS: &'static [&'static str] = &[];
    const SCHEDULES: &'static [Schedule] = &[];

    fn call(name: &str, arguments: &[u8]) -> Called {
        work::call_nothing(name, arguments)
    }
}
