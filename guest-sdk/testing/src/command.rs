//! The command `waterspout`: where it is, and what to say where it is not. Knows none of its arguments.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// Names the command where it is not on the `PATH`.
const VARIABLE: &str = "WATERSPOUT";

#[derive(Debug)]
pub struct Waterspout(PathBuf);

impl Waterspout {
    pub fn find(given: Option<PathBuf>) -> Self {
        let named = || std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
        Self(
            given
                .or_else(|| named().map(PathBuf::from))
                .unwrap_or_else(|| OsString::from("waterspout").into()),
        )
    }

    /// One of its commands, for an app.
    pub fn command(&self, name: &str, app: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(name).arg(app);
        command
    }

    pub fn spawn(&self, mut command: Command) -> Result<Child, String> {
        command.spawn().map_err(|error| self.does_not_start(&error))
    }

    /// What to do about it.
    pub fn does_not_start(&self, error: &io::Error) -> String {
        let command = self.0.display();
        match error.kind() {
            ErrorKind::NotFound => format!(
                "the tests run the command `{command}`, and there is none. Put `waterspout` on the PATH, or say where \
                 it is: {VARIABLE}=/path/to/waterspout cargo test"
            ),
            _ => format!("the command `{command}` can't be started: {error}"),
        }
    }
}
