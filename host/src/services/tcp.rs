//! TCP between guests and other servers: which ones a component may reach, and the streams. Knows no guest.

mod access;
mod server;
mod stream;
mod tls;

pub use access::{Access, Destination, Fault, Lookup, TcpClients};
pub use server::Server;
pub use stream::{Stream, StreamError};
