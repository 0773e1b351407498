//! Python apps: their files, as each version has them, and the component that runs them, which is made with the
//! machine's own Python. Knows that component as a file, and instantiates nothing.

mod copies;
mod making;
mod sources;
mod tree;

pub use copies::{AppCopy, Copies};
pub use making::Maker;
pub use tree::{Tree, is_ignored};

/// The environment variable by which an app's instance learns where its file is.
pub const FILE_VARIABLE: &str = "WATERSPOUT_PYTHON_APP";
