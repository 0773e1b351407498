//! The command `waterspout`: arguments → app → run → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    waterspout::cli::run()
}
