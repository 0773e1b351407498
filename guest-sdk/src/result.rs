//! What a function returns that can fail.

/// What every function of a handler returns: `?` takes any error.
pub type Result<T = (), E = anyhow::Error> = std::result::Result<T, E>;
