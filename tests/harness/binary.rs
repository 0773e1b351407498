//! The binary that is tested, and the cache of compiled code that all tests share. Serves nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

pub const BINARY: &str = env!("CARGO_BIN_EXE_waterspout");

/// One of the commands that load components, for an app or for one of them.
pub fn command(name: &str, path: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.arg(name).arg(path).arg("--cache-dir").arg(cache());
    command
}

/// One cache of compiled code for all tests.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}
