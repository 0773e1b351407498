//! The app's components, built once for all tests of a process, by `waterspout build`. Knows no compiler.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::command::Waterspout;

/// What Cargo's environment says of how the tests are compiled, and what would not do for a component: flags for
/// the machine and its linker, and what stands before the compiler to count the lines that a test runs.
const OF_THE_TESTS: [&str; 4] = [
    "RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// How the build of each app went.
static BUILT: LazyLock<Mutex<HashMap<PathBuf, Result<(), String>>>> = LazyLock::new(Mutex::default);

/// Builds the app that has sources, unless that was done or tried before. Tests that come meanwhile wait.
pub fn once(waterspout: &Waterspout, app: &Path) -> Result<(), String> {
    if !app.join("Cargo.toml").is_file() {
        return Ok(());
    }
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(done) = built.get(app) {
        return done.clone();
    }
    let done = build(waterspout, app);
    built.insert(app.to_owned(), done.clone());
    done
}

/// What Cargo has to say is shown as it comes, as `waterspout build` shows it: the first time it takes a while.
fn build(waterspout: &Waterspout, app: &Path) -> Result<(), String> {
    let mut command = waterspout.command("build", app);
    for variable in OF_THE_TESTS {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = waterspout.spawn(command)?.wait();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!(
            "{} did not build; what is wrong stands above, where the tests began",
            app.display()
        )),
    }
}
