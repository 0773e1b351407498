//! An app: what its folder says, as one generation; one request's way through it; what is told of it.

pub mod admin;
pub mod dispatch;
pub mod generation;
