//! All integration tests: the real binary or the real server, over real sockets, with guests built from source.

mod check;
mod edge;
mod examples;
mod harness;
mod hostile;
mod house;
mod instances;
mod instructions;
mod lifecycle;
mod refusals;
mod swap;
mod traps;
