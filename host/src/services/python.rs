//! Python apps: their files, as each version has them, and the component that runs them, which is made with the
//! machine's own Python. Knows that component as a file, and instantiates nothing.

mod bytecode;
mod copies;
mod making;
mod packages;
mod pip;
mod sources;
mod tree;

pub use bytecode::Bytecode;
pub use copies::{AppCopy, Copies};
pub use making::{Maker, check_component};
pub use packages::PYTHON as VERSION;
pub use sources::PACKAGES as MADE_OF;
pub use tree::{ENTRY, Tree, is_ignored};

use std::path::PathBuf;
use std::sync::Arc;

/// The environment variables by which an app's instance learns where its file is, its arguments as a list in JSON, and
/// where its packages are.
pub const FILE_VARIABLE: &str = "WATERSPOUT_PYTHON_APP";
pub const ARGUMENTS_VARIABLE: &str = "WATERSPOUT_PYTHON_ARGUMENTS";
pub const PACKAGES_VARIABLE: &str = "WATERSPOUT_PYTHON_PACKAGES";

/// Those by which it learns where the bytecode of its modules is, and whether it is to make what is missing there.
pub const BYTECODE_VARIABLE: &str = "WATERSPOUT_PYTHON_BYTECODE";
pub const COMPILES_VARIABLE: &str = "WATERSPOUT_PYTHON_COMPILES";

/// Where the packages are for its instances.
pub const PACKAGES: &str = "/packages";

/// Where the bytecode is: below it, each folder has its own path.
pub const BYTECODE: &str = "/bytecode";

/// What the instances of one version of an app read.
#[derive(Clone)]
pub struct Program {
    /// Its files.
    pub files: Arc<AppCopy>,
    /// The folder with its packages, if it has any.
    pub packages: Option<PathBuf>,
    pub task: Task,
}

/// What an instance does in its `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// It runs the app.
    Run,
    /// It compiles the app's modules, and runs nothing of the app. It alone can write, and only bytecode.
    Compile,
}
