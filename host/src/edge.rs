//! The edge: sockets, and HTTP on them or nothing but bytes. It serves any function from a request to a response, and
//! knows no guest.

pub mod connection;
pub mod listener;
pub mod server;
pub mod stream;
