//! What every test stands on: an app folder, the real binary that serves it, and a client.

mod app;
mod client;
mod guests;

pub use app::{App, Running};
pub use client::{Answer, Client, LONG, soon};
pub use guests::{example, guest, versioned};
