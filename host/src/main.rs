//! The command `waterspout`: arguments → app → run → exit code.

use std::process::ExitCode;

/// Jemalloc keeps its records apart from the memory that it gives out. So a buffer takes no memory before it is
/// written to, and most buffers of a connection never are. Freed memory goes back to the system within a second or two,
/// by threads of its own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Jemalloc's options. Blocks from 256 KB are in an arena of their own, so that what one thread has freed another one
/// uses: a body, or what a compiler needs. What is not used again goes back to the system after a second, not after ten.
#[allow(unsafe_code, reason = "jemalloc looks for this name")]
// SAFETY: nothing else has this name; the text ends with a zero, and is never written.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_OPTIONS: &[u8; 46] = b"oversize_threshold:262144,dirty_decay_ms:1000\0";

fn main() -> ExitCode {
    waterspout::cli::run()
}
