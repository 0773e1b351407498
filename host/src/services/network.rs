//! The way to other servers: which addresses may be dialled, what a name leads to, and which authorities are trusted. Knows
//! no protocol, and no grant.

mod addresses;
mod dial;
mod resolve;
mod roots;
mod unreached;

pub use addresses::{Reach, reach};
pub use dial::Dialer;
pub use resolve::{Mapping, Resolve, System, addresses_of, checked};
pub use roots::SystemRoots;
pub use unreached::Unreached;
