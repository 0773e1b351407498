//! The command `waterspout`: arguments → app → run → exit code.

use std::process::ExitCode;

/// Jemalloc keeps its records apart from the memory that it gives out. So a buffer takes no memory before it is
/// written to, and most buffers of a connection never are. Freed memory goes back to the system within seconds, by
/// threads of its own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    waterspout::cli::run()
}
