//! Waterspout: Tornado's handler model for WebAssembly components.
//!
//! A host that owns the event loop, the HTTP stack and the router, and runs request handlers that are components.
//! ARCHITECTURE.md draws the house and a request's way through it. What is public here, beside the command, is the
//! edge: servers and connections that know nothing of guests.

#![warn(missing_docs)]

mod access;
mod admin;
mod bindings;
pub mod body;
mod capabilities;
pub mod cli;
pub mod client;
pub mod config;
pub mod connection;
mod dispatch;
mod engine;
pub mod error;
mod files;
mod generation;
mod http_client;
mod instances;
mod invoke;
mod kv;
pub mod listener;
mod log;
mod metrics;
mod pubsub;
mod request_id;
mod resources;
pub mod router;
mod run;
pub mod server;
pub mod shards;
mod timer;
mod timetable;
pub mod tls;
mod unsent;
mod workers;
