//! A component, as `export!` makes it.

use crate::result::Result;
use crate::runtime::exports::handlers::Handlers;
use crate::runtime::exports::streams::TcpHandlers;
use crate::runtime::exports::work::{self, Called, Schedule};

/// Its handlers, its lifecycle and its work.
#[doc(hidden)]
pub trait Component: 'static {
    type Handlers: Handlers;
    /// The handlers of streams, and their names.
    type TcpHandlers: TcpHandlers;

    const TCP: &'static [&'static str] = &[];

    const SINGLE: bool;
    const START: bool;
    const STOP: bool;

    fn start() -> impl Future<Output = Result>;
    fn stop() -> impl Future<Output = Result>;

    /// The state for the next version, and from the one before. Only of a component that says so.
    fn save() -> impl Future<Output = Result<Vec<u8>>> {
        std::future::ready(Ok(Vec::new()))
    }
    fn restore(state: Vec<u8>) -> impl Future<Output = Result> {
        let _ = state;
        std::future::ready(Ok(()))
    }

    /// The functions that can be called by name, and what is scheduled.
    const FUNCTIONS: &'static [&'static str] = &[];
    const SCHEDULES: &'static [Schedule] = &[];

    fn call(name: &str, arguments: &[u8]) -> Called {
        work::call_nothing(name, arguments)
    }
}
