//! The arguments of a path, by position or by name.

/// The groups of the route's pattern; `None` for one that took no part in the match.
#[derive(Debug, Default)]
pub enum PathArguments {
    /// Before the method, and where the pattern has no groups.
    #[default]
    None,
    Positional(Vec<Option<String>>),
    Named(Vec<(String, Option<String>)>),
}
