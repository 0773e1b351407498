//! Waterspout: Tornado's handler model for WebAssembly components.
//!
//! The host owns the event loop, the HTTP stack and the router, and runs request handlers that are components.
//! ARCHITECTURE.md shows the modules and a request's way through them. Public here, beside the command, is the edge:
//! servers and connections that know no guests.

#![warn(missing_docs)]

mod app;
pub mod base;
pub mod cli;
pub mod config;
pub mod edge;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guest;
mod log;
mod services;
pub mod tls;
