//! Why a server can't be reached.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;

/// Why a server can't be reached.
#[derive(Debug)]
pub enum Unreached {
    /// A name leads to an address that must be named itself, or that nobody may reach.
    Prohibited(IpAddr),
    /// The name has no address.
    Unresolved(String),
    /// It does not answer.
    Unreachable(io::Error),
}

impl Unreached {
    /// The reason behind another error.
    pub fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(one) = next {
            if let Some(own) = one.downcast_ref::<Self>() {
                return Some(own.again());
            }
            // As its source, an io::Error skips the error that it was made from.
            let inner = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(own) = inner.and_then(|inner| inner.downcast_ref::<Self>()) {
                return Some(own.again());
            }
            next = one.source();
        }
        None
    }

    fn again(&self) -> Self {
        match self {
            Self::Prohibited(address) => Self::Prohibited(*address),
            Self::Unresolved(why) => Self::Unresolved(why.clone()),
            Self::Unreachable(error) => {
                Self::Unreachable(io::Error::new(error.kind(), error.to_string()))
            }
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prohibited(address) => write!(f, "{address} may not be reached by a name"),
            Self::Unresolved(why) => write!(f, "the name has no address: {why}"),
            Self::Unreachable(error) => write!(f, "can't connect: {error}"),
        }
    }
}

impl Error for Unreached {}
