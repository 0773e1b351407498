//! Waterspout: Tornado's handler model for WebAssembly components.
//!
//! A host that owns the event loop, the HTTP stack and the router, and runs request handlers that are components.
//! ARCHITECTURE.md draws the house and a request's way through it. What is public here, beside the command, is the
//! edge: servers and connections that know nothing of guests.

#![warn(missing_docs)]

mod app;
pub mod base;
pub mod cli;
pub mod config;
pub mod edge;
mod guest;
mod log;
mod services;
pub mod tls;
