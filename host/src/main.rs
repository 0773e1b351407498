//! The command `waterspout`: arguments → app → run → exit code.

use std::process::ExitCode;

/// A request makes some two dozen small allocations, most of them in wasmtime.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    waterspout::cli::run()
}
