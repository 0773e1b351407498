//! The edge: sockets, and HTTP on them. It serves any function from a request to a response, and knows no guest.

pub mod connection;
pub mod listener;
pub mod server;
