//! TCP between guests, their clients and other servers: which servers a component may reach, and the streams. Knows no
//! guest.

mod access;
mod linger;
mod server;
mod stream;
mod terms;
mod tls;
mod transport;

pub use access::{Access, Destination, Fault, Lookup, TcpClients};
pub use server::Server;
pub use stream::{Stream, StreamError, Watched};
pub use terms::{Farewell, Terms};
pub use transport::Socket;
