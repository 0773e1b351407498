//! Why the store has refused something.

use std::fmt;

use crate::runtime::bindings::waterspout::kv::kv as host;

/// Why a call was refused. Nothing has changed then, unless the variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// `allow.kv` grants the component other buckets, or none.
    Denied,
    /// A name, key, value, page or capacity is longer, shorter, larger or smaller than it may be; says which.
    Limit(String),
    /// There is no room for this value. Nothing is evicted to make some.
    Full,
    /// What was to be incremented is no number, or the sum is too large for one.
    NotANumber,
    /// Too many writes are under way.
    Busy,
    /// The file could not be written. The change is not seen; whether a restart finds it is not known.
    Failed(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("`allow.kv` does not grant this bucket"),
            Self::Limit(limit) => f.write_str(limit),
            Self::Full => f.write_str("the store is full (`[kv] max_memory`)"),
            Self::NotANumber => f.write_str("the value is no number, or the sum is too large"),
            Self::Busy => f.write_str("too many writes or watchers are under way"),
            Self::Failed(why) => write!(f, "the store's file could not be written: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Denied => Self::Denied,
            host::Error::Limit(limit) => Self::Limit(limit),
            host::Error::Full => Self::Full,
            host::Error::NotANumber => Self::NotANumber,
            host::Error::Busy => Self::Busy,
            host::Error::Failed(why) => Self::Failed(why),
            host::Error::Other(why) => Self::Other(why),
        }
    }
}
