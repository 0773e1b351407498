//! An app: its folder as one generation, the way of one request through it, and reports about it.

pub mod admin;
pub mod dispatch;
pub mod generation;
