//! Python apps: their files, as each version has them, and the component that runs them, which is made with the
//! machine's own Python. Knows that component as a file, and instantiates nothing.

mod copies;
mod making;
mod packages;
mod pip;
mod sources;
mod tree;

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

/// Where the packages are for its instances.
pub const PACKAGES: &str = "/packages";

/// What the instances of one version of an app read.
#[derive(Clone)]
pub struct Program {
    /// Its files.
    pub files: Arc<AppCopy>,
    /// The folder with its packages, if it has any.
    pub packages: Option<PathBuf>,
}
