//! The command `waterspout`: arguments → app → run → exit code.

use std::process::ExitCode;

/// Jemalloc keeps its books apart from what it hands out, so a buffer costs no memory before somebody writes to it: of a
/// connection's buffers, most never are. What is freed goes back to the system within seconds, by threads of its own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    waterspout::cli::run()
}
