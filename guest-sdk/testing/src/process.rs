//! The running of a server's process: its start, its log and its end. Knows no app, and sends no request.
//!
//! [`App`](crate::App) stands on it. It is public for the tests of Waterspout itself alone, and has no promise of
//! stability: any version may change it.

pub mod lines;
mod log;
mod server_process;

pub use log::{Log, Missing};
pub use server_process::ServerProcess;
