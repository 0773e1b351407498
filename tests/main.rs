//! All integration tests: the real binary or the real server, over real sockets, with guests built from source.

mod edge;
mod harness;
mod house;
mod lifecycle;
